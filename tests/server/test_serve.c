// The program as its users run it: signals, tokens and TLS, with the sandbox round it.
#include <stdio.h>

#include "tests/harness.h"
#include "tests/program.h"

// Starts gctmask serve in the background as $pid, its log in $SCRATCH/log, and waits for $address.
static const char START[] =
    "start() { (exec '" GCTMASK "' serve --listen 127.0.0.1:0 --drain-delay 0 \"$@\" "
    "2>$SCRATCH/log) & pid=$!\n"
    "  for i in $(seq 600); do\n"
    "    address=$(sed -n 's/.*info: \\(https\\{0,1\\}:.*[0-9]\\)$/\\1/p' $SCRATCH/log | head -1)\n"
    "    [ -n \"$address\" ] && return; kill -0 $pid || return; sleep 0.1; done; }\n"
    "until_log() { for i in $(seq 300); do grep -q \"$1\" $SCRATCH/log && return; sleep 0.1; done; "
    "}\n"
    "command -v curl >/dev/null || exit 77\n";

static int run(const char *line) {
    char script[4096];
    snprintf(script, sizeof script, "%s%s", START, line);
    int code = run_program(script);
    if (code == 77) skip_case("curl is not installed");
    return code;
}

static void signals(void) {
    EXPECT_INT(run("gctmask init --config '" TESTS_DIR "/../configs/demo.json' --seed 1 "
                   "--out $SCRATCH/m.safetensors || exit 9\n"
                   "start --weights $SCRATCH/m.safetensors --access-log $SCRATCH/access\n"
                   "curl -s $address/v1/models | tr , '\\n' | grep version\n"
                   "gctmask init --config '" TESTS_DIR "/../configs/demo.json' --seed 2 "
                   "--out $SCRATCH/m.safetensors\n"
                   "kill -HUP $pid; until_log 'info: model'\n"
                   "curl -s $address/v1/models | tr , '\\n' | grep version\n"
                   "mv $SCRATCH/access $SCRATCH/access.1; kill -USR1 $pid\n"
                   "for i in $(seq 100); do [ -e $SCRATCH/access ] && break; sleep 0.1; done\n"
                   "curl -s $address/v1/health/ready\n"
                   "kill -TERM $pid; wait $pid; echo \" exit $?\"\n"
                   "wc -l <$SCRATCH/access.1; wc -l <$SCRATCH/access\n"
                   "curl -s $address/ >$SCRATCH/page || echo gone\n"),
               0);
    const char *second = strstr(program_output + 1, "\"version\":");
    REQUIRE(second);
    EXPECT(strncmp(program_output, second, 22) != 0);
    EXPECT_CONTAINS(program_output, "{\"status\":\"ready\"} exit 0\n2\n1\ngone\n");
}

static void tls_and_tokens(void) {
    EXPECT_INT(
        run("command -v openssl >/dev/null || exit 76\n"
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
            "-keyout $SCRATCH/key -out $SCRATCH/cert -subj /CN=localhost -addext "
            "subjectAltName=IP:127.0.0.1 2>/dev/null\n"
            "umask 077; gctmask token --name cam1 >$SCRATCH/tokens 2>$SCRATCH/shown\n"
            "token=$(grep -o '[0-9a-f]\\{64\\}' $SCRATCH/shown)\n"
            "grep -c $token $SCRATCH/tokens\n"
            "start --stub-ms 1 --tls-cert $SCRATCH/cert --tls-key $SCRATCH/key "
            "--token-file $SCRATCH/tokens\n"
            "ask() { curl -s --cacert $SCRATCH/cert -o /dev/null -w '%{http_code} ' \"$@\"; }\n"
            "ask $address/v1/health/ready; ask $address/v1/info\n"
            "ask -H \"Authorization: Bearer $token\" $address/v1/info\n"
            "ask -H \"Authorization: Bearer ${token}0\" $address/v1/info\n"
            "ask --tls-max 1.1 $address/v1/health/ready\n"
            "ask http://${address#https://}/v1/health/ready\n"
            "kill -TERM $pid; wait $pid; echo \"exit $?\"\n"
            "grep -c $token $SCRATCH/log\n"
            "gctmask serve --stub-ms 1 --listen 127.0.0.1:0 --tls-cert $SCRATCH/cert --tls-key "
            "$SCRATCH/cert; echo \"exit $?\"\n"),
        0);
    EXPECT_TEXT(program_output, "0\n200 401 200 401 000 000 exit 0\n0\nexit 1\n");
    EXPECT_CONTAINS(program_errors, "do the certificate and the key belong together?");
}

static void refusals(void) {
    EXPECT_INT(run("gctmask serve --stub-ms 1 --listen 0.0.0.0:0"), 64);
    EXPECT_CONTAINS(program_errors, "--insecure");
    EXPECT_INT(run("gctmask serve --stub-ms 1 --device cpu,cpu"), 64);
    EXPECT_CONTAINS(program_errors, "--device: cpu takes no other device beside it, found 1");
    EXPECT_INT(run("gctmask serve"), 64);
    EXPECT_CONTAINS(program_errors, "--weights is missing");
    EXPECT_INT(run("gctmask serve --weights $SCRATCH/none --listen 127.0.0.1:0"), 66);
    EXPECT_INT(run("gctmask token --name 'a b'"), 64);
    EXPECT_INT(run("gctmask token --name a --scope everything"), 64);
}

int main(int argc, char **argv) {
    return run_cases(
        argc, argv,
        (struct test_case[]){
            {"signals", signals}, {"tls_and_tokens", tls_and_tokens}, {"refusals", refusals}, {0}});
}

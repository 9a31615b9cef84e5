// Requests that are malformed on purpose, byte by byte over a socket: each has its answer, and the
// server lives after each.
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness.h"
#include "tests/sanitized.h"
#include "tests/server/check_service.h"

enum { NO_ANSWER = 0, MOST_BYTES = 1 << 18 };

static const struct {
    const char *name;
    const char *bytes;
    int status;
    const char *code; // in the answer; NULL: libmicrohttpd answers by itself
} CASES[] = {
    {"well formed", "GET /v1/health/live HTTP/1.1\r\nHost: h\r\n\r\n", 200, "live"},
    {"HTTP/1.0", "GET /v1/health/live HTTP/1.0\r\n\r\n", 200, "live"},
    {"no Host", "GET /v1/health/live HTTP/1.1\r\n\r\n", 400, NULL},
    {"two Hosts", "GET /v1/health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400,
     "ambiguous_framing"},
    {"space before the colon", "GET /v1/health/live HTTP/1.1\r\nHost : h\r\n\r\n", 400, NULL},
    {"two lengths",
     "POST /v1/detect HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
     400, "ambiguous_framing"},
    {"the same length twice",
     "POST /v1/detect HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", 400,
     "ambiguous_framing"},
    {"length and chunks",
     "POST /v1/detect HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\n",
     400, "ambiguous_framing"},
    {"negative length", "POST /v1/detect HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400,
     NULL},
    {"length 1e30", "POST /v1/detect HTTP/1.1\r\nHost: h\r\nContent-Length: 1e30\r\n\r\n", 400,
     NULL},
    {"a length of 30 digits",
     "POST /v1/detect HTTP/1.1\r\nHost: h\r\nContent-Length: "
     "100000000000000000000000000000\r\n\r\n",
     413, NULL},
    {"a length that is over the limit",
     "POST /v1/detect HTTP/1.1\r\nHost: h\r\nContent-Length: 20971521\r\n\r\n", 413,
     "body_too_large"},
    {"two codings",
     "POST /v1/detect HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
     400, "ambiguous_framing"},
    {"an unknown coding",
     "POST /v1/detect HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\nabc", 400,
     "ambiguous_framing"},
    {"a coding with a tail",
     "POST /v1/detect HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n", 400,
     "ambiguous_framing"},
    {"chunks in HTTP/1.0",
     "POST /v1/detect HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
     "ambiguous_framing"},
    {"a chunk of size zz",
     "POST /v1/detect HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n", 400,
     NULL},
    {"a chunk of size ffffffffffffffffffff",
     "POST /v1/detect HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
     "chunked\r\n\r\nffffffffffffffffffff\r\nab\r\n",
     413, NULL},
    {"chunks",
     "POST /v1/detect HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
     "3\r\nabc\r\n0\r\n\r\n",
     415, "unsupported_media_type"},
    {"HTTP/9.9", "GET / HTTP/9.9\r\nHost: h\r\n\r\n", 505, NULL},
    {"a TLS greeting", "\x16\x03\x01\x02\x01\r\n\r\n", NO_ANSWER, NULL},
    {"no method", " / HTTP/1.1\r\nHost: h\r\n\r\n", NO_ANSWER, NULL},
    {"LF alone", "GET / HTTP/1.1\nHost: h\nX-A: b\n\n", 400, "ambiguous_framing"},
    {"LF alone behind one header", "GET / HTTP/1.1\r\nHost: h\nX-A: b\r\n\r\n", 400,
     "ambiguous_framing"},
    {"a header that goes on in the next line, which RFC 9112 lets a server join",
     "GET /v1/health/live HTTP/1.1\r\nHost: h\r\nX-A: b\r\n c\r\n\r\n", 200, "live"},
    {"empty and padded values",
     "GET /v1/health/live HTTP/1.1\r\nHost: h\r\nX-A:\r\nX-B: \r\nX-C:   c  \r\n\r\n", 200, "live"},
    {"an escape in a value", "GET / HTTP/1.1\r\nHost: h\r\nX-A: \x1b[2J\r\n\r\n", 400,
     "ambiguous_framing"},
    {"a line break in an id", "GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: a b\r\n\r\n", 400,
     "bad_request_id"},
    {"a body on GET", "GET /v1/health/live HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
     200, "live"},
    {"an expectation",
     "POST /v1/detect HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
     415, "unsupported_media_type"},
    {"another method", "DELETE /v1/detect HTTP/1.1\r\nHost: h\r\n\r\n", 405, "method_not_allowed"},
    {"dots", "GET /static/../v1/info HTTP/1.1\r\nHost: h\r\n\r\n", 404, "not_found"},
    {"encoded dots", "GET /static/%2e%2e/secret HTTP/1.1\r\nHost: h\r\n\r\n", 404, "not_found"},
    {"an encoded path", "GET /v1%2Finfo HTTP/1.1\r\nHost: h\r\n\r\n", 404, "not_found"},
    {"two slashes", "GET //v1/info HTTP/1.1\r\nHost: h\r\n\r\n", 404, "not_found"},
    {"an encoded NUL", "GET /v1/info%00 HTTP/1.1\r\nHost: h\r\n\r\n", 404, "not_found"},
    {"an absolute address", "GET http://h/v1/info HTTP/1.1\r\nHost: h\r\n\r\n", 404, "not_found"},
};

static struct check_answer answer;

static void expect_live(int port, const char *after) {
    int status = check_get(port, "/v1/health/live");
    if (status != 200) printf("after \"%s\":\n", after);
    EXPECT_INT(status, 200);
}

static void table(void) {
    struct service *service = check_service_start((const char *[]){NULL});
    int port = check_service_port(service);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        check_exchange(port, CASES[i].bytes, (int64_t)strlen(CASES[i].bytes), &answer);
        if (answer.status != CASES[i].status) printf("\"%s\":\n", CASES[i].name);
        EXPECT_INT(answer.status, CASES[i].status);
        if (CASES[i].code) EXPECT_CONTAINS(answer.body, CASES[i].code);
        expect_live(port, CASES[i].name);
    }
    check_service_stop(service);
}

static int64_t resident_bytes(void) {
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    REQUIRE(file);
    if (fscanf(file, "%*s %lld", &pages) != 1) pages = 0;
    fclose(file);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static void send_table(int port, int rounds) {
    for (int i = 0; i < rounds; i++)
        for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++)
            check_exchange(port, CASES[k].bytes, (int64_t)strlen(CASES[k].bytes), &answer);
}

// Whatever they are told, requests leave nothing behind.
static void flat_memory(void) {
    enum { BEFORE = 15, ROUNDS = 60, MOST_GROWTH = 2 << 20 };
    if (SANITIZED) skip_case("a sanitizer keeps what was freed");
    struct service *service = check_service_start((const char *[]){NULL});
    int port = check_service_port(service);
    send_table(port, BEFORE);
    int64_t before = resident_bytes();
    send_table(port, ROUNDS);
    EXPECT(resident_bytes() - before < MOST_GROWTH);
    check_service_stop(service);
}

// A request whose end is unclear ends its connection: what follows is nobody's request.
static void no_smuggling(void) {
    static const char BYTES[] =
        "POST /v1/detect HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\nGET /v1/info HTTP/1.1\r\nHost: h\r\n\r\n";
    struct service *service = check_service_start((const char *[]){NULL});
    int descriptor = check_connect(check_service_port(service));
    check_send(descriptor, BYTES, sizeof BYTES - 1);
    check_read(descriptor, &answer);
    EXPECT_INT(answer.status, 400);
    check_read(descriptor, &answer);
    EXPECT_INT(answer.status, NO_ANSWER);
    EXPECT(answer.is_closed);
    close(descriptor);
    check_service_stop(service);
}

// In turn, on one connection, whichever way the bytes are cut.
static void pipelined(void) {
    static const char BYTES[] =
        "GET /v1/health/live HTTP/1.1\r\nHost: h\r\n\r\n"
        "POST /v1/detect HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
        "GET /v1/health/ready HTTP/1.1\r\nHost: h\r\n\r\n";
    static const int STATUSES[] = {200, 415, 200};
    struct service *service = check_service_start((const char *[]){NULL});
    for (size_t piece = 1; piece < sizeof BYTES; piece += 37) {
        int descriptor = check_connect(check_service_port(service));
        for (size_t at = 0; at < sizeof BYTES - 1; at += piece) {
            size_t left = sizeof BYTES - 1 - at;
            check_send(descriptor, BYTES + at, (int64_t)(left < piece ? left : piece));
        }
        // Answers may come together, so all that came is looked at.
        int64_t got = 0;
        int count = 0;
        static char text[1 << 14];
        while (count < 3) {
            ssize_t more = recv(descriptor, text + got, sizeof text - 1 - (size_t)got, 0);
            REQUIRE(more > 0);
            got += more;
            text[got] = '\0';
            count = 0;
            for (const char *at = text; (at = strstr(at, "HTTP/1.1 ")); at++) {
                REQUIRE(count < 3);
                EXPECT_INT(strtol(at + 9, NULL, 10), STATUSES[count++]);
            }
        }
        close(descriptor);
    }
    check_service_stop(service);
}

static void large_heads(void) {
    static char bytes[MOST_BYTES];
    struct service *service = check_service_start((const char *[]){NULL});
    int port = check_service_port(service);
    size_t size = (size_t)sprintf(bytes, "GET / HTTP/1.1\r\nHost: h\r\nX-A: ");
    memset(bytes + size, 'a', 1 << 16);
    size += 1 << 16;
    size += (size_t)sprintf(bytes + size, "\r\n\r\n");
    check_exchange(port, bytes, (int64_t)size, &answer);
    EXPECT(answer.status == 431 || answer.status == NO_ANSWER);
    expect_live(port, "a header of 64 KiB");

    size = (size_t)sprintf(bytes, "GET /");
    memset(bytes + size, 'a', 1 << 16);
    size += 1 << 16;
    size += (size_t)sprintf(bytes + size, " HTTP/1.1\r\nHost: h\r\n\r\n");
    check_exchange(port, bytes, (int64_t)size, &answer);
    EXPECT(answer.status == 414 || answer.status == NO_ANSWER);
    expect_live(port, "an address of 64 KiB");

    size = (size_t)sprintf(bytes, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 200; i++)
        size += (size_t)sprintf(bytes + size, "X-%d: a\r\n", i);
    size += (size_t)sprintf(bytes + size, "\r\n");
    check_exchange(port, bytes, (int64_t)size, &answer);
    EXPECT_INT(answer.status, 400);
    EXPECT_CONTAINS(answer.body, "ambiguous_framing");
    for (int i = 200; i < 2000; i++)
        size += (size_t)sprintf(bytes + size - 2, "X-%d: a\r\n\r\n", i) - 2;
    check_exchange(port, bytes, (int64_t)size, &answer);
    EXPECT(answer.status == 431 || answer.status == 400 || answer.status == NO_ANSWER);
    expect_live(port, "2,000 headers");

    size = (size_t)sprintf(bytes, "GET / HTTP/1.1\r\nHost: h\r\nX-A: a%cb\r\n\r\n", '\0');
    check_exchange(port, bytes, (int64_t)size, &answer);
    EXPECT_INT(answer.status, 400);
    expect_live(port, "a NUL in a value");
    check_service_stop(service);
}

// 65,537 chunks of one byte are a body like any other.
static void many_chunks(void) {
    enum { CHUNKS = 65537 };
    static const char CHUNK[] = {'1', '\r', '\n', 'a', '\r', '\n'};
    static char bytes[CHUNKS * sizeof CHUNK + 256];
    struct service *service = check_service_start((const char *[]){NULL});
    int port = check_service_port(service);
    size_t size = (size_t)sprintf(
        bytes, "POST /v1/detect HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < CHUNKS; i++, size += sizeof CHUNK)
        memcpy(bytes + size, CHUNK, sizeof CHUNK);
    size += (size_t)sprintf(bytes + size, "0\r\n\r\n");
    check_exchange(port, bytes, (int64_t)size, &answer);
    EXPECT_INT(answer.status, 415);
    expect_live(port, "65,537 chunks");
    check_service_stop(service);
}

// The limit and one byte more, announced and in chunks.
static void body_limits(void) {
    enum { LIMIT = 1000 };
    static char bytes[MOST_BYTES];
    struct service *service = check_service_start((const char *[]){"max-body-bytes=1000", NULL});
    int port = check_service_port(service);
    for (int more = 0; more <= 1; more++) {
        size_t size = (size_t)sprintf(
            bytes, "POST /v1/detect HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n",
            LIMIT + more);
        memset(bytes + size, 'a', LIMIT + 1);
        check_exchange(port, bytes, (int64_t)size + LIMIT + more, &answer);
        EXPECT_INT(answer.status, more ? 413 : 415);
        if (more) EXPECT_CONTAINS(answer.body, "\"details\":{\"limit\":1000,\"got\":1001}");
        size = (size_t)sprintf(bytes,
                               "POST /v1/detect HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                               "chunked\r\n\r\n%x\r\n",
                               LIMIT + more);
        memset(bytes + size, 'a', LIMIT + 1);
        size += LIMIT + (size_t)more;
        size += (size_t)sprintf(bytes + size, "\r\n0\r\n\r\n");
        check_exchange(port, bytes, (int64_t)size, &answer);
        EXPECT_INT(answer.status, more ? 413 : 415);
        expect_live(port, "a body at the limit");
    }
    check_service_stop(service);
}

// Clients that end in the middle.
static void broken_off(void) {
    static const char HEAD[] =
        "POST /v1/detect HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc";
    struct service *service = check_service_start((const char *[]){NULL});
    int port = check_service_port(service);
    for (size_t size = 1; size < sizeof HEAD; size += 5) {
        const struct linger reset = {1, 0};
        for (int kind = 0; kind < 3; kind++) {
            int descriptor = check_connect(port);
            check_send(descriptor, HEAD, (int64_t)size);
            if (kind == 1) setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            if (kind == 2) shutdown(descriptor, SHUT_WR);
            close(descriptor);
        }
    }
    expect_live(port, "requests that were broken off");
    check_service_stop(service);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"table", table},
                                          {"flat_memory", flat_memory},
                                          {"no_smuggling", no_smuggling},
                                          {"pipelined", pipelined},
                                          {"large_heads", large_heads},
                                          {"many_chunks", many_chunks},
                                          {"body_limits", body_limits},
                                          {"broken_off", broken_off},
                                          {0}});
}

#include "tests/program.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness.h"

char program_output[32768];
char program_errors[32768];

static void read_whole(const char *path, char *buffer, size_t size) {
    FILE *file = fopen(path, "r");
    REQUIRE(file);
    size_t count = fread(buffer, 1, size - 1, file);
    buffer[count] = '\0';
    fclose(file);
}

static const char *scratch_path(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

int run_program(const char *line) {
    char script[4096];
    snprintf(script, sizeof script, "gctmask() { '%s' \"$@\"; }\nSCRATCH='%s'\n%s", GCTMASK,
             scratch_folder(), line);
    char *const argv[] = {"bash", "--norc", "-c", script, NULL};
    // Threads that spin while they wait take the processors from tests that run beside this one.
    char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C",
                                 "OMP_WAIT_POLICY=passive", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, scratch_path("out"), O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
    posix_spawn_file_actions_addopen(&actions, 2, scratch_path("err"), O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
    pid_t child = 0;
    int code = posix_spawnp(&child, "bash", &actions, NULL, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    if (code != 0) skip_case("bash is not installed");
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    read_whole(scratch_path("out"), program_output, sizeof program_output);
    read_whole(scratch_path("err"), program_errors, sizeof program_errors);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

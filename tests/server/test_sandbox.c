// In a child, since it is for good.
#include "server/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness.h"
#include "tests/sanitized.h"

static void *nothing(void *argument) {
    return argument;
}

static bool makes_threads(void) {
    pthread_t thread;
    return pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

// The number of the first thing that is not as it should be; 0: all is.
static int try_all(void) {
    char *const argv[] = {"true", NULL};
    if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM) return 1;
    if (execv("/bin/true", argv) == 0 || errno != EPERM) return 2;
    pid_t child = fork();
    if (child == 0) _exit(0);
    if (child > 0 || errno != EPERM) return 3;
    if (unlink("/nonexistent") == 0 || errno != EPERM) return 4;
    if (chmod("/nonexistent", 0) == 0 || errno != EPERM) return 5;
    if (!makes_threads()) return 6;
    int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (file < 0) return 7;
    close(file);
    void *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 8;
    return 0;
}

static void *try_in_thread(void *argument) {
    int *barrier = argument;
    char byte = 0;
    (void)!read(barrier[0], &byte, 1); // until the sandbox is there
    return (void *)(intptr_t)try_all();
}

static void run_child(void) {
    enum { UNSUPPORTED = 100, OTHER_THREAD = 50 };
    struct error err = {0};
    int barrier[2];
    pthread_t thread;
    void *result = NULL;
    if (pipe(barrier) != 0 || pthread_create(&thread, NULL, try_in_thread, barrier) != 0) _exit(99);
    if (sandbox_enter(&err) != STATUS_OK) _exit(UNSUPPORTED);
    int code = try_all();
    (void)!write(barrier[1], "x", 1);
    pthread_join(thread, &result);
    if (result) code = OTHER_THREAD + (int)(intptr_t)result;
    _exit(code);
}

static void forbids(void) {
    enum { UNSUPPORTED = 100 };
    int status = 0;
    if (SANITIZED) skip_case("a sanitizer needs calls that the sandbox forbids");
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) run_child();
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == UNSUPPORTED) skip_case("the system grants no seccomp");
    EXPECT_INT(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv, (struct test_case[]){{"forbids", forbids}, {0}});
}

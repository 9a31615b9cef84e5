#include "train/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/workers.h"

// ---- The command line ----

static const char *const MPIRUN[] = {"mpirun",   "--bind-to",          "none",
                                     "--map-by", "slot:OVERSUBSCRIBE", "-np"};
enum { MPIRUN_WORDS = sizeof MPIRUN / sizeof MPIRUN[0] };

// What this program was started from, so that the processes are it and not a namesake in PATH.
static char *own_path(struct arena *arena) {
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    return size > 0 ? arena_copy_text(arena, path, size) : NULL;
}

static char *number_word(struct arena *arena, int number) {
    char text[16];
    return arena_copy_text(arena, text, snprintf(text, sizeof text, "%d", number));
}

// The words that start mpirun; NULL when memory is exhausted.
static char **mpirun_words(struct arena *arena, int procs, char *const *argv) {
    int share = workers_available() / procs;
    char *own[] = {number_word(arena, procs), own_path(arena), argv[1], "--threads",
                   number_word(arena, share > 1 ? share : 1)};
    enum { OWN_WORDS = sizeof own / sizeof own[0] };
    int64_t rest = 0;
    while (argv[2 + rest])
        rest++;
    char **words = arena_alloc_zero(arena, MPIRUN_WORDS + OWN_WORDS + rest + 1, sizeof *words);
    if (!words || !own[0] || !own[1] || !own[4]) return NULL;
    memcpy(words, MPIRUN, sizeof MPIRUN);
    memcpy(words + MPIRUN_WORDS, own, sizeof own);
    memcpy(words + MPIRUN_WORDS + OWN_WORDS, argv + 2, (size_t)rest * sizeof *words);
    return words;
}

// ---- mpirun ----

static sigset_t watched_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    return set;
}

// Open MPI 4 and 5 (PRTE) each have names of their own for this.
static void allow_root(void) {
    if (getuid() != 0) return;
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    setenv("PRTE_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("PRTE_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
}

// In the child: becomes mpirun, or sends errno through the pipe.
__attribute__((noreturn)) static void become_mpirun(char *const *words, const sigset_t *mask,
                                                    pid_t parent, int report) {
    // A terminal sends its signals to a whole group; mpirun is to have them from its parent only.
    setpgid(0, 0);
    // A group in the background must not read from the terminal either.
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing >= 0) dup2(nothing, STDIN_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(EXIT_FAILURE);
    sigprocmask(SIG_SETMASK, mask, NULL);
    allow_root();
    execvp(words[0], words);
    int code = errno;
    ssize_t ignored = write(report, &code, sizeof code);
    (void)ignored;
    _exit(EXIT_FAILURE);
}

static enum status start_mpirun(char *const *words, const sigset_t *mask, pid_t *child,
                                struct error *err) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return error_set(err, STATUS_INTERNAL, "cannot make a pipe: %s", strerror(errno));
    pid_t parent = getpid();
    *child = fork();
    if (*child == 0) become_mpirun(words, mask, parent, report[1]);
    int code = *child < 0 ? errno : 0;
    close(report[1]);
    // Closed by a successful exec without a word.
    if (*child > 0 && read(report[0], &code, sizeof code) == sizeof code) waitpid(*child, NULL, 0);
    close(report[0]);
    if (code == ENOENT)
        return error_set(err, STATUS_UNSUPPORTED,
                         "several processes need mpirun, which is not in PATH: install the package "
                         "openmpi-bin");
    if (code != 0)
        return error_set(err, STATUS_INTERNAL, "cannot start mpirun: %s", strerror(code));
    return STATUS_OK;
}

// Waits for the child's end, passing signals on. Returns what a shell would show as its code.
static int wait_for_end(pid_t child, const sigset_t *signals) {
    int asked = 0; // the signal by which somebody asked to stop
    for (;;) {
        int status = 0;
        if (waitpid(child, &status, WNOHANG) == child) {
            int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
            // Who is asked to stop either saves and ends well, or gives up.
            bool stopped = code == 0 || code == 128 + SIGINT || WIFSIGNALED(status);
            return asked > 0 && stopped ? 128 + asked : code;
        }
        int signal = sigwaitinfo(signals, NULL);
        if (signal <= 0 || signal == SIGCHLD) continue;
        kill(child, asked > 0 ? SIGTERM : SIGUSR1);
        asked = signal;
    }
}

enum status launch(int procs, char *const *argv, int *exit_code, struct error *err) {
    CHECK(procs >= 1 && argv[0] && argv[1]);
    struct arena arena;
    sigset_t old;
    pid_t child = 0;
    arena_init(&arena, 1 << 14, 0);
    char **words = mpirun_words(&arena, procs, argv);
    sigset_t signals = watched_signals();
    enum status status = STATUS_OK;
    sigprocmask(SIG_BLOCK, &signals, &old);
    if (!words)
        status = error_memory(err, "a command line", 1 << 14);
    else
        status = start_mpirun(words, &old, &child, err);
    if (status == STATUS_OK) *exit_code = wait_for_end(child, &signals);
    sigprocmask(SIG_SETMASK, &old, NULL);
    arena_destroy(&arena);
    return status;
}

// Checkpoints when something goes wrong: a process that dies at any of its system calls, or at a
// random moment; a call that fails; a disk that is full; and the order in which things are put on
// disk, which is all that can be said here about a power cut.
//
// This program's own definitions of the calls stand in for libc's.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "tests/harness.h"
#include "tests/train/check_training.h"

// ---- Calls that strike ----

enum strike { NO_STRIKE, FAIL, DIE };

static enum strike strike_kind;
static int strike_code;
static long strike_first, strike_last; // counted from 1
static long num_calls;
static bool exchange_is_unknown; // as on file systems that cannot exchange two names
static double free_bytes = -1;   // on the disk; negative: as it is

static void find_next(const char *name, void *function) {
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(function, &found, sizeof found);
}

static bool strikes(void) {
    if (strike_kind == NO_STRIKE) return false;
    long number = ++num_calls;
    if (number < strike_first || number > strike_last) return false;
    if (strike_kind == DIE) _exit(99);
    errno = strike_code;
    return true;
}

// ---- The order of calls ----

enum { MAX_INODES = 4096 };

// What was put on disk since it was made, and whether a name was given that is not on disk yet.
static ino_t synced[MAX_INODES];
static int num_synced;
static bool is_tracing, name_pending;
static int num_published, num_moved_away, num_disorders;

static ino_t inode_of(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? info.st_ino : 0;
}

static bool is_synced(const char *folder, const char *name) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ino_t inode = inode_of(path);
    for (int i = 0; i < num_synced; i++)
        if (synced[i] == inode) return true;
    return false;
}

static void trace_rename(const char *from, const char *to) {
    static const char *const files[] = {CHECKPOINT_MODEL, "momentum.safetensors", "state.json",
                                        "MANIFEST.json", "."};
    if (!is_tracing) return;
    if (strstr(to, "/step-")) {
        num_published++;
        for (int i = 0; i < 5; i++)
            num_disorders += !is_synced(from, files[i]);
        name_pending = true;
    } else if (strstr(from, "/step-")) {
        num_moved_away++;
        num_disorders += name_pending; // the old one goes before the new one is safe
    } else if (strstr(to, "/" CHECKPOINT_LATEST)) {
        num_disorders += name_pending; // "latest" names what a power cut takes away
    }
}

// ---- The calls ----

int open(const char *path, int flags, ...) {
    int (*next)(const char *, int, ...) = NULL;
    find_next("open", &next);
    va_list args;
    va_start(args, flags);
    unsigned mode = flags & O_CREAT ? va_arg(args, unsigned) : 0;
    va_end(args);
    return strikes() ? -1 : next(path, flags, mode);
}

ssize_t write(int descriptor, const void *bytes, size_t size) {
    ssize_t (*next)(int, const void *, size_t) = NULL;
    find_next("write", &next);
    return descriptor > STDERR_FILENO && strikes() ? -1 : next(descriptor, bytes, size);
}

int fsync(int descriptor) {
    struct stat info;
    if (strikes()) return -1;
    if (fstat(descriptor, &info) == 0 && num_synced < MAX_INODES)
        synced[num_synced++] = info.st_ino;
    if (S_ISDIR(info.st_mode)) name_pending = false;
    return 0; // no test ends with a power cut, and disks are slow
}

int rename(const char *from, const char *to) {
    int (*next)(const char *, const char *) = NULL;
    find_next("rename", &next);
    if (strikes()) return -1;
    trace_rename(from, to);
    return next(from, to);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    int (*next)(int, const char *, int, const char *, unsigned) = NULL;
    find_next("renameat2", &next);
    if (strikes()) return -1;
    if (exchange_is_unknown) {
        errno = EINVAL;
        return -1;
    }
    return next(from_folder, from, to_folder, to, flags);
}

int mkdir(const char *path, mode_t mode) {
    int (*next)(const char *, mode_t) = NULL;
    find_next("mkdir", &next);
    return strikes() ? -1 : next(path, mode);
}

int rmdir(const char *path) {
    int (*next)(const char *) = NULL;
    find_next("rmdir", &next);
    return strikes() ? -1 : next(path);
}

int unlinkat(int folder, const char *path, int flags) {
    int (*next)(int, const char *, int) = NULL;
    find_next("unlinkat", &next);
    return strikes() ? -1 : next(folder, path, flags);
}

int statvfs(const char *path, struct statvfs *info) {
    int (*next)(const char *, struct statvfs *) = NULL;
    find_next("statvfs", &next);
    int code = next(path, info);
    if (free_bytes >= 0) info->f_bavail = (fsblkcnt_t)(free_bytes / (double)info->f_frsize);
    return code;
}

// ---- A folder to save in ----

static const struct checkpoint_rules KEEP_ALL = {1000, 0};
static const struct checkpoint_rules KEEP_ONE = {1, 0};
static struct small_training small;

static const char *scratch_path(const char *name) {
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

static enum status save(const char *folder, int64_t step, const struct checkpoint_rules *rules,
                        struct error *err) {
    small_training_set(&small, step);
    return checkpoint_save(folder, &small.training, rules, err);
}

// Checkpoints of steps 1 and 2, whatever was there.
static const char *make_folder(const char *name) {
    const char *folder = scratch_path(name);
    struct training_state start = training_state_start(0, 1, 1);
    struct error err;
    EXPECT_OK(checkpoint_folder_open(folder, &err), &err);
    EXPECT_OK(checkpoint_rewind(folder, &start, &err), &err);
    EXPECT_OK(save(folder, 1, &KEEP_ALL, &err), &err);
    EXPECT_OK(save(folder, 2, &KEEP_ALL, &err), &err);
    return folder;
}

// The newest valid checkpoint, which none that is not valid may stand before, holds what it should.
static int64_t check_folder(const char *folder) {
    struct error skipped;
    struct error err;
    int64_t step = -1;
    EXPECT_OK(checkpoint_find_latest(folder, &step, &skipped, &err), &err);
    EXPECT_STATUS(skipped.code, STATUS_OK, &skipped);
    REQUIRE(step >= 0);
    EXPECT(checkpoint_holds(folder, step));
    return step;
}

// ---- Dying at each call ----

static int exit_code_of(pid_t child) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Saves a step in a process that dies at the call of that number. Returns its exit code: 99 if it
// died.
static int save_and_die(const char *folder, int64_t step, long number) {
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        strike_kind = DIE;
        strike_first = number;
        strike_last = number;
        enum status status = save(folder, step, &KEEP_ONE, NULL);
        strike_kind = NO_STRIKE;
        _exit(status == STATUS_OK ? 0 : 1);
    }
    return exit_code_of(child);
}

// step: that is saved last, 3 for a new one or 2 for one that is there.
static void die_at_each_call(const char *name, int64_t step) {
    struct error err;
    long number = 1;
    int num_new = 0;
    for (bool died = true; died; number++) {
        const char *folder = make_folder(name);
        int code = save_and_die(folder, step, number);
        died = code == 99;
        EXPECT(died || code == 0);
        int64_t found = check_folder(folder);
        EXPECT(found == 2 || found == step);
        num_new += found == step;
        EXPECT_OK(checkpoint_folder_open(folder, &err), &err);
        EXPECT_INT(count_names(folder, ".tmp-"), 0);
        EXPECT_INT(check_folder(folder), found);
        // The one that comes back goes on.
        EXPECT_OK(save(folder, 4, &KEEP_ONE, &err), &err);
        EXPECT_INT(check_folder(folder), 4);
        EXPECT_INT(checkpoint_pointer(folder, CHECKPOINT_LATEST), 4);
    }
    EXPECT(number > 30 && num_new > 5);
}

static void die_while_saving(void) {
    die_at_each_call("die", 3);
}

static void die_while_saving_again(void) {
    die_at_each_call("die_again", 2);
}

// ---- Calls that fail ----

// Saves a step with the calls of these numbers failing. Returns whether one did.
static bool save_and_fail(const char *folder, int64_t step, long first, long last, int code) {
    struct error err = {0};
    small_training_set(&small, step);
    num_calls = 0;
    strike_first = first;
    strike_last = last;
    strike_code = code;
    strike_kind = FAIL;
    enum status status = checkpoint_save(folder, &small.training, &KEEP_ONE, &err);
    strike_kind = NO_STRIKE;
    bool struck = num_calls >= first;
    if (!struck) EXPECT_OK(status, &err);
    if (status != STATUS_OK) EXPECT(err.message[0] != '\0');
    return struck;
}

// step: that is saved last, as in die_at_each_call.
static void fail_at_each_call(const char *name, int64_t step, int code, bool all_that_follow) {
    struct error err;
    int num_failed = 0;
    bool struck = true;
    for (long number = 1; struck; number++) {
        const char *folder = make_folder(name);
        struck = save_and_fail(folder, step, number, all_that_follow ? 100000 : number, code);
        int64_t found = check_folder(folder);
        EXPECT(found == 2 || found == step);
        num_failed += found == 2;
        // The disk has room again.
        EXPECT_OK(save(folder, 4, &KEEP_ONE, &err), &err);
        EXPECT_INT(check_folder(folder), 4);
        EXPECT_INT(checkpoint_pointer(folder, CHECKPOINT_LATEST), 4);
    }
    EXPECT(num_failed > 20);
}

static void failing_calls(void) {
    fail_at_each_call("fail", 3, EIO, false);
    fail_at_each_call("fail_again", 2, EIO, false);
}

static void full_disk(void) {
    fail_at_each_call("full", 3, ENOSPC, true);
}

static void no_space(void) {
    const char *folder = make_folder("space");
    struct error err = {0};
    free_bytes = 0x1p16;
    EXPECT_STATUS(save(folder, 3, &KEEP_ONE, &err), STATUS_CANNOT_WRITE, &err);
    EXPECT_CONTAINS(err.message,
                    "/space: a checkpoint takes 1 MiB, and the disk has only 0 MiB left");
    EXPECT_INT(check_folder(folder), 2);
    free_bytes = 0x1p30;
    EXPECT_OK(save(folder, 3, &KEEP_ONE, &err), &err);
    free_bytes = -1;
    EXPECT_INT(check_folder(folder), 3);
}

static void names_that_cannot_be_exchanged(void) {
    const char *folder = make_folder("exchange");
    struct error err;
    exchange_is_unknown = true;
    EXPECT_OK(save(folder, 2, &KEEP_ALL, &err), &err);
    EXPECT_INT(check_folder(folder), 2);
    EXPECT_INT(count_names(folder, ".tmp-"), 0);
    fail_at_each_call("exchange", 2, EIO, false);
    exchange_is_unknown = false;
}

// ---- The order ----

static void order_on_disk(void) {
    const char *folder = make_folder("order");
    struct error err;
    num_synced = 0;
    num_published = 0;
    num_moved_away = 0;
    num_disorders = 0;
    is_tracing = true;
    for (int64_t step = 3; step < 6; step++) {
        num_synced = 0;
        EXPECT_OK(save(folder, step, &KEEP_ONE, &err), &err);
    }
    is_tracing = false;
    EXPECT_INT(num_published, 3);
    EXPECT_INT(num_moved_away, 3); // 1, 3 and 4: 2 is the best
    EXPECT_INT(num_disorders, 0);
    EXPECT(!name_pending);
}

// ---- Dying at random moments ----

// Goes on from the newest checkpoint, as a training does, until it is killed.
static void save_for_ever(const char *folder) {
    struct error skipped;
    struct error err;
    int64_t step = -1;
    const struct checkpoint_rules rules = {.keep = 2, .keep_every = 50};
    if (checkpoint_folder_open(folder, &err) != STATUS_OK) _exit(1);
    if (checkpoint_find_latest(folder, &step, &skipped, &err) != STATUS_OK) _exit(2);
    if (skipped.code != STATUS_OK) _exit(3);
    if (step >= 0 && checkpoint_load(folder, step, &small.training, &err) != STATUS_OK) _exit(4);
    if (step >= 0 && !small_training_is(&small, step)) _exit(5);
    for (;;)
        if (save(folder, ++step, &rules, &err) != STATUS_OK) _exit(6);
}

static void killed_at_random(void) {
    enum { NUM_KILLS = 30, MAX_MICROSECONDS = 60000 };
    const char *folder = make_folder("killed");
    struct random random = random_stream(7, 0);
    int64_t before = 2;
    for (int i = 0; i < NUM_KILLS; i++) {
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) save_for_ever(folder);
        usleep((useconds_t)random_below(&random, MAX_MICROSECONDS));
        EXPECT_INT(kill(child, SIGKILL), 0);
        EXPECT_INT(exit_code_of(child), -1);
        int64_t step = check_folder(folder);
        EXPECT(step >= before);
        before = step;
    }
    EXPECT(before > 10); // or nothing was ever saved
}

int main(int argc, char **argv) {
    small_training_create(&small, NULL);
    int code = run_cases(argc, argv,
                         (struct test_case[]){
                             {"die_while_saving", die_while_saving},
                             {"die_while_saving_again", die_while_saving_again},
                             {"failing_calls", failing_calls},
                             {"full_disk", full_disk},
                             {"no_space", no_space},
                             {"names_that_cannot_be_exchanged", names_that_cannot_be_exchanged},
                             {"order_on_disk", order_on_disk},
                             {"killed_at_random", killed_at_random},
                             {0},
                         });
    small_training_destroy(&small);
    return code;
}

// Preloaded into the program (LD_PRELOAD), makes calls of one kind fail: what happens when memory
// ends, a disk is full, a thread cannot be had. The environment says which:
//
//     FAIL_KIND   memory, mmap, open, write, fsync, rename or thread
//     FAIL_FIRST  number of the first call that fails, counted from 1
//     FAIL_LAST   number of the last one
//     FAIL_MARK   a file that is made when the first one fails: without it, the run met none
//
// Only calls made while main() runs are counted, those of other libraries and of libc's own
// functions (strdup) among them. Writes to standard error never fail, since nobody could then be
// told what went wrong.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int main_function(int, char **, char **);

int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end);

static const char *kind;
static const char *mark;
static long first;
static long last;
static atomic_long num_calls;
static atomic_bool is_counting;
static main_function *real_main;

// Finds the function that this library hides.
static void find_next(const char *name, void *function) {
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(function, &found, sizeof found);
}

static bool fails(const char *call_kind, int code) {
    if (!is_counting || strcmp(kind, call_kind) != 0) return false;
    long number = atomic_fetch_add(&num_calls, 1) + 1;
    if (number < first || number > last) return false;
    if (number == first) {
        long descriptor = syscall(SYS_openat, AT_FDCWD, mark, O_CREAT | O_WRONLY, 0600);
        syscall(SYS_close, descriptor);
    }
    errno = code;
    return true;
}

static int counted_main(int argc, char **argv, char **environment) {
    is_counting = true;
    int code = real_main(argc, argv, environment);
    is_counting = false;
    return code;
}

int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end) {
    int (*next)(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void),
                void *) = NULL;
    find_next("__libc_start_main", &next);
    kind = getenv("FAIL_KIND");
    mark = getenv("FAIL_MARK");
    const char *first_text = getenv("FAIL_FIRST");
    const char *last_text = getenv("FAIL_LAST");
    if (!kind || !mark || !first_text || !last_text)
        return next(main, argc, argv, init, fini, rtld_fini, stack_end);
    first = strtol(first_text, NULL, 10);
    last = strtol(last_text, NULL, 10);
    real_main = main;
    return next(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}

// ---- Memory ----

void *malloc(size_t size) {
    void *(*next)(size_t) = NULL;
    find_next("malloc", &next);
    return fails("memory", ENOMEM) ? NULL : next(size);
}

void *calloc(size_t count, size_t size) {
    void *(*next)(size_t, size_t) = NULL;
    find_next("calloc", &next);
    return fails("memory", ENOMEM) ? NULL : next(count, size);
}

void *realloc(void *memory, size_t size) {
    void *(*next)(void *, size_t) = NULL;
    find_next("realloc", &next);
    return fails("memory", ENOMEM) ? NULL : next(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    void *(*next)(size_t, size_t) = NULL;
    find_next("aligned_alloc", &next);
    return fails("memory", ENOMEM) ? NULL : next(alignment, size);
}

void *mmap(void *address, size_t size, int protection, int flags, int descriptor, off_t offset) {
    void *(*next)(void *, size_t, int, int, int, off_t) = NULL;
    find_next("mmap", &next);
    if (fails("mmap", ENOMEM)) return MAP_FAILED;
    return next(address, size, protection, flags, descriptor, offset);
}

// ---- Files ----

int open(const char *path, int flags, ...) {
    int (*next)(const char *, int, ...) = NULL;
    find_next("open", &next);
    va_list args;
    va_start(args, flags);
    unsigned mode = flags & O_CREAT ? va_arg(args, unsigned) : 0;
    va_end(args);
    return fails("open", EMFILE) ? -1 : next(path, flags, mode);
}

ssize_t write(int descriptor, const void *bytes, size_t size) {
    ssize_t (*next)(int, const void *, size_t) = NULL;
    find_next("write", &next);
    return descriptor != STDERR_FILENO && fails("write", ENOSPC) ? -1
                                                                 : next(descriptor, bytes, size);
}

int fsync(int descriptor) {
    int (*next)(int) = NULL;
    find_next("fsync", &next);
    return fails("fsync", EIO) ? -1 : next(descriptor);
}

int rename(const char *from, const char *to) {
    int (*next)(const char *, const char *) = NULL;
    find_next("rename", &next);
    return fails("rename", EACCES) ? -1 : next(from, to);
}

// ---- Threads ----

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument) {
    int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = NULL;
    find_next("pthread_create", &next);
    return fails("thread", EAGAIN) ? EAGAIN : next(thread, attributes, start, argument);
}

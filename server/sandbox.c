#include "server/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#ifndef SERVER_NO_SANDBOX
// By name, since not every architecture has all of them.
static const char *const ALLOWED[] = {
    // files: models, tokens and the log are opened again, /proc tells of memory
    "read",
    "readv",
    "pread64",
    "write",
    "writev",
    "close",
    "open",
    "openat",
    "lseek",
    "fstat",
    "stat",
    "lstat",
    "newfstatat",
    "statx",
    "fstatfs",
    "statfs",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents64",
    "getcwd",
    "fcntl",
    "fadvise64",
    // connections
    "accept",
    "accept4",
    "recvfrom",
    "recvmsg",
    "sendto",
    "sendmsg",
    "sendfile",
    "shutdown",
    "getsockopt",
    "setsockopt",
    "getsockname",
    "getpeername",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd2",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    // memory; what kernels compile is made executable
    "mmap",
    "munmap",
    "mprotect",
    "mremap",
    "madvise",
    "brk",
    "mincore",
    "membarrier",
    // threads and time
    "futex",
    "futex_waitv",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "set_tid_address",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "nanosleep",
    "clock_nanosleep",
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "time",
    "exit",
    "exit_group",
    "restart_syscall",
    "gettid",
    "getpid",
    "tgkill",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "sigaltstack",
    "prctl",
    "arch_prctl",
    // questions
    "getrandom",
    "getrusage",
    "getrlimit",
    "prlimit64",
    "sysinfo",
    "uname",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getcpu",
};

static int add_rules(scmp_filter_ctx filter) {
    for (size_t i = 0; i < sizeof ALLOWED / sizeof *ALLOWED; i++) {
        int number = seccomp_syscall_resolve_name(ALLOWED[i]);
        if (number == __NR_SCMP_ERROR) continue;
        int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
        if (code != 0) return code;
    }
    // Threads, but no processes; clone3 hides its flags from filters, and glibc then takes clone.
    int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (code != 0) return code;
    code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (code != 0) return code;
    // Whether standard output is a terminal.
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                            SCMP_A1(SCMP_CMP_EQ, TCGETS, 0));
}

enum status sandbox_enter(struct error *err) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter) return error_memory(err, "the sandbox", 0);
    int code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1); // threads that are there already
    if (code == 0) code = add_rules(filter);
    if (code == 0) code = seccomp_load(filter);
    seccomp_release(filter);
    if (code == 0) return STATUS_OK;
    return error_set(err, STATUS_UNSUPPORTED, "the system grants no sandbox: %s", strerror(-code));
}
#else
enum status sandbox_enter(struct error *err) {
    return error_set(err, STATUS_UNSUPPORTED, "no sandbox in a build with sanitizers");
}
#endif

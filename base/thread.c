#include "base/thread.h"

#include <signal.h>
#include <string.h>

enum status thread_start(pthread_t *thread, void *(*body)(void *), void *argument,
                         struct error *err) {
    enum { STACK_BYTES = 8 << 20 };
    sigset_t all;
    sigset_t old;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return error_memory(err, "a thread", STACK_BYTES);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int code = pthread_create(thread, &attributes, body, argument);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    if (code == 0) return STATUS_OK;
    return error_set(err, STATUS_INTERNAL, "cannot start a thread: %s", strerror(code));
}

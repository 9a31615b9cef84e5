#include "tools/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t caught; // the signal; a handler can reach nothing but a global

static void remember(int signal) {
    caught = signal;
}

// What the program was started to ignore, as under nohup, it goes on to ignore.
static void catch_one(int signal) {
    struct sigaction old;
    struct sigaction action = {.sa_handler = remember, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    if (sigaction(signal, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(signal, &action, NULL);
}

__attribute__((noreturn)) static void *take_signals(void *unused) {
    (void)unused;
    for (;;)
        pause();
}

// Has a thread of its own run the handler, so that it never runs on top of one that computes: the
// matrix products of oneDNN 2.6 keep numbers below the stack pointer, where a handler's frame goes,
// and then write wherever that leads them. Threads inherit what the one that starts them blocks.
static void take_signals_aside(const sigset_t *signals) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, take_signals, NULL) != 0) return;
    pthread_detach(thread);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

static void catch_all(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) {
        catch_one(signals[i]);
        sigaddset(&set, signals[i]);
    }
    take_signals_aside(&set);
}

void interrupt_catch(void) {
    catch_all((const int[]){SIGINT, SIGTERM}, 2);
}

void interrupt_catch_with_requests(void) {
    catch_all((const int[]){SIGINT, SIGTERM, SIGUSR1}, 3);
}

bool interrupt_asked(void) {
    return caught != 0;
}

enum exit_code interrupt_code(void) {
    if (caught == SIGINT) return EXIT_CODE_INTERRUPTED;
    return caught == SIGTERM ? EXIT_CODE_TERMINATED : EXIT_CODE_DONE;
}

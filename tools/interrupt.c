#include "tools/interrupt.h"

#include <signal.h>

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

void interrupt_catch(void) {
    catch_one(SIGINT);
    catch_one(SIGTERM);
}

enum exit_code interrupt_code(void) {
    if (caught == SIGINT) return EXIT_CODE_INTERRUPTED;
    return caught == SIGTERM ? EXIT_CODE_TERMINATED : EXIT_CODE_DONE;
}

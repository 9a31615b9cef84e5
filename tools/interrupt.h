// Ctrl-C and SIGTERM, kindly: the first one asks the command to finish what it is at and to save,
// the second one ends the program at once.
#pragma once

#include <stdbool.h>

#include "tools/exit_code.h"

// From now on. To be called before threads are started that compute; those started later leave the
// signals to a thread that is there for them.
void interrupt_catch(void);

// The same for SIGUSR1, too, which is a request to end and no failure: train/launch.h and batch
// systems send it to all processes of a run.
void interrupt_catch_with_requests(void);

// Whether any of them came.
bool interrupt_asked(void);

// EXIT_CODE_DONE, or what to exit with because of the signal that came.
enum exit_code interrupt_code(void);

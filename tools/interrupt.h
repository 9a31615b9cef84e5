// Ctrl-C and SIGTERM, kindly: the first one asks the command to finish what it is at and to save,
// the second one ends the program at once.
#pragma once

#include "tools/exit_code.h"

// From now on.
void interrupt_catch(void);

// EXIT_CODE_DONE, or what to exit with because of the signal that came.
enum exit_code interrupt_code(void);

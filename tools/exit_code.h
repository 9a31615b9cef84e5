// How the program ends. The numbers from 64 on are those of sysexits.h, which mail and batch
// systems know.
#pragma once

#include "base/error.h"

enum exit_code {
    EXIT_CODE_DONE = 0,
    EXIT_CODE_INTERNAL = 1,
    EXIT_CODE_SOME_FAILED = 2,
    EXIT_CODE_NOTHING_TO_DO = 3,
    EXIT_CODE_USAGE = 64,
    EXIT_CODE_DATA = 65,
    EXIT_CODE_NO_INPUT = 66,
    EXIT_CODE_CANNOT_WRITE = 73,
    EXIT_CODE_RETRY_LATER = 75,
    EXIT_CODE_INTERRUPTED = 130,
    EXIT_CODE_TERMINATED = 143,
};

enum exit_code exit_code_of(enum status status);

// All codes and what they mean, for the manual; a NULL meaning ends the list.
struct exit_meaning {
    enum exit_code code;
    const char *meaning;
};

extern const struct exit_meaning EXIT_MEANINGS[];

// What the machine has, as far as detection and training care.
#pragma once

#include <stdint.h>

enum { MACHINE_TEXT_BYTES = 160 };

struct machine {
    char processor[MACHINE_TEXT_BYTES];  // as the maker calls it; "" if unknown
    char features[MACHINE_TEXT_BYTES];   // vector instructions, separated by spaces
    int num_processors;                  // that are switched on
    int num_usable;                      // that this process may use
    int64_t memory_bytes;                // 0 for what is unknown
    int64_t available_bytes;             // without swapping
    int64_t limit_bytes;                 // of the control group
    char huge_pages[MACHINE_TEXT_BYTES]; // transparent ones: always, madvise, never; "" if unknown
};

void machine_look(struct machine *machine);

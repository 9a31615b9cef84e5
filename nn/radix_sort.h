// Sorting by 32-bit keys, in linear time.
#pragma once

#include <stdint.h>

// Sorts by the upper 32 bits, ascending; items whose keys are equal keep their order. spare has
// room for count as well.
void radix_sort(uint64_t *items, uint64_t *spare, int64_t count);

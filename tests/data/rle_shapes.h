// Random masks and what data/rle.h makes of them, as text that another implementation can check:
//
//     build/tests/rle_dump 100000 1 | tests/oracle/rle_shapes.py
//
// One JSON object to a line; tests/oracle/rle_shapes.py describes the three kinds. Line i depends
// on the seed and i only, and on no function of libm, so the text is the same everywhere.
#pragma once

#include <stdint.h>

#include "base/output.h"

void rle_shapes_write(struct output *out, int64_t count, uint64_t seed);

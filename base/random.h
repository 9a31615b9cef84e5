// Counter-based random numbers (Philox4x32-10; Salmon et al., "Parallel Random Numbers: As Easy as
// 1, 2, 3", SC 2011, section 3.3). The whole state is (seed, stream, position), so any stream can
// be stored, resumed or skipped ahead, and two streams of one seed never overlap.
#pragma once

#include <stdint.h>

#include "base/random_block.h"

struct random {
    uint64_t seed;
    uint64_t stream;   // one per use: an image, a worker, an epoch
    uint64_t position; // how many 32-bit numbers were drawn
};

struct random random_stream(uint64_t seed, uint64_t stream);

// Uniform over all 32-bit values.
uint32_t random_u32(struct random *random);

// Uniform in [0, 1), 53 bits (two draws).
double random_uniform(struct random *random);

// Uniform in [low, high).
double random_between(struct random *random, double low, double high);

// Uniform in 0..bound-1 without bias, for 1 <= bound <= 2^32.
int64_t random_below(struct random *random, int64_t bound);

// Normal with mean 0 and deviation 1 (Box and Muller, 1958; four draws).
double random_normal(struct random *random);

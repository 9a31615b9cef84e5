#include "base/random.h"

#include <math.h>

#include "base/check.h"

struct random random_stream(uint64_t seed, uint64_t stream) {
    return (struct random){seed, stream, 0};
}

uint32_t random_u32(struct random *random) {
    return random_at(random->seed, random->stream, random->position++);
}

double random_uniform(struct random *random) {
    uint64_t high = random_u32(random) >> 5;
    uint64_t low = random_u32(random) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

double random_between(struct random *random, double low, double high) {
    double value = low + (high - low) * random_uniform(random);
    // Rounding may reach the end that is left out.
    return value < high ? value : nextafter(high, low);
}

int64_t random_below(struct random *random, int64_t bound) {
    CHECK(bound >= 1 && bound <= INT64_C(1) << 32);
    // Numbers at or above the last multiple of bound are drawn again: they would favour the low
    // end.
    uint64_t range = UINT64_C(1) << 32;
    uint64_t limit = range - range % (uint64_t)bound;
    uint64_t drawn = 0;
    do
        drawn = random_u32(random);
    while (drawn >= limit);
    return (int64_t)(drawn % (uint64_t)bound);
}

double random_normal(struct random *random) {
    double radius = sqrt(-2.0 * log(1.0 - random_uniform(random)));
    return radius * cos(2.0 * 3.14159265358979323846 * random_uniform(random));
}

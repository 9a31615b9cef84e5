#include "order.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

sequence emulator_sequence() {
    const char *name = getenv("CUDA_EMULATOR_ORDER");
    if (!name || strcmp(name, "forward") == 0) return sequence::forward;
    if (strcmp(name, "reverse") == 0) return sequence::reverse;
    if (strcmp(name, "random") == 0) return sequence::random;
    fprintf(stderr, "CUDA_EMULATOR_ORDER=%s: expected forward, reverse or random\n", name);
    exit(2);
}

unsigned emulator_random_below(unsigned bound) {
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<unsigned>((state >> 32) * bound >> 32);
}

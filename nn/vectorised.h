// Marks a kernel's inner function, which then is compiled for each level of vector instructions and
// chosen when the program starts, so that one binary is fast on every x86-64. The arithmetic is the
// same in all of them: the compiler may neither reorder nor fuse it. Functions that they call must
// be inline. Sanitizers are not ready when the loader chooses.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define VECTORISED                                                                                 \
    __attribute__((noinline, target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VECTORISED __attribute__((noinline))
#endif

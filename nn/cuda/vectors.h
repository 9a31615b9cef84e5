// Neighbouring numbers that are loaded and stored at once.
#pragma once

#include "nn/cuda/numbers.h"

// WIDTH numbers; addresses are multiples of their size.
template <class Number, int WIDTH> struct alignas(sizeof(Number) * WIDTH) vector {
    Number at[WIDTH];
};

template <int WIDTH, class Number>
static __device__ inline struct vector<Number, WIDTH> load_vector(const Number *from) {
    return *(const struct vector<Number, WIDTH> *)(const void *)from;
}

template <int WIDTH, class Number>
static __device__ inline void store_vector(struct vector<Number, WIDTH> v, Number *to) {
    *(struct vector<Number, WIDTH> *)(void *)to = v;
}

static inline bool is_aligned(const void *pointer, int64_t bytes) {
    return (uintptr_t)pointer % (uintptr_t)bytes == 0;
}

// Numbers of the types that tensors have (nn/tensor.h), and arrays of them.
//
// A kernel is a template over the type of what it reads and writes. It loads to float, computes in
// float and rounds what it stores:
//
//     template <class Number> static __global__ void twice(const Number *x, int64_t count, Number
//     *y)
//     ...
//     if (i < count) y[i] = rounded<Number>(2 * loaded(x[i]));
//
// and is launched once for the type that an array has:
//
//     with_type(x.type, [&](auto number) {
//         using Number = decltype(number);
//         LAUNCH(nn, (twice<Number>), blocks, BLOCK_THREADS, 0, x.as<Number>(), count,
//                y.as<Number>());
//     });
#pragma once

#include "nn/cuda/kernel.h"
#ifdef __CUDACC__
#include <cuda_fp16.h>
#endif

extern "C" {
#include "nn/cuda/number_bits.h"
}

struct bf16 {
    uint16_t bits;
};

#ifdef __CUDACC__
typedef __half fp16; // converted by an instruction, to the same bits
#else
struct fp16 {
    uint16_t bits;
};
#endif

static __device__ inline float loaded(float number) {
    return number;
}

static __device__ inline float loaded(bf16 number) {
    return number_from_bf16(number.bits);
}

static __device__ inline float loaded(fp16 number) {
#ifdef __CUDACC__
    return __half2float(number);
#else
    return number_from_fp16(number.bits);
#endif
}

template <class Number> static __device__ inline Number rounded(float value);

template <> __device__ inline float rounded<float>(float value) {
    return value;
}

template <> __device__ inline bf16 rounded<bf16>(float value) {
    return bf16{number_to_bf16(value)};
}

template <> __device__ inline fp16 rounded<fp16>(float value) {
#ifdef __CUDACC__
    return __float2half_rn(value);
#else
    return fp16{number_to_fp16(value)};
#endif
}

template <class Number> struct number_type_of;
template <> struct number_type_of<float> {
    static constexpr enum number_type value = NUMBER_FLOAT32;
};
template <> struct number_type_of<bf16> { static constexpr enum number_type value = NUMBER_BF16; };
template <> struct number_type_of<fp16> { static constexpr enum number_type value = NUMBER_FP16; };

// Calls run with a number of the type.
template <class Run> static void with_type(enum number_type type, Run run) {
    CHECK(type < NUM_NUMBER_TYPES);
    if (type == NUMBER_BF16)
        run(bf16{});
    else if (type == NUMBER_FP16)
        run(fp16{});
    else
        run(float{});
}

// An array in the device's reach. Whether it is written to its user says.
struct numbers {
    void *data;
    enum number_type type;

    numbers() : data(NULL), type(NUMBER_FLOAT32) {
    }
    numbers(const float *floats) : data((void *)floats), type(NUMBER_FLOAT32) {
    }
    numbers(const void *any, enum number_type of) : data((void *)any), type(of) {
    }

    // Where number i lies; NULL for NULL.
    struct numbers at(int64_t i) const {
        return numbers(data ? (char *)data + i * number_bytes(type) : NULL, type);
    }

    template <class Number> Number *as() const {
        CHECK(!data || type == number_type_of<Number>::value);
        return (Number *)data;
    }
};

static inline struct numbers data_of(const struct tensor *t) {
    return t ? numbers(t->data, t->type) : numbers();
}

static inline struct numbers grad_of(const struct tensor *t) {
    return numbers(t->grad, t->type);
}

// nn_grad of nn/nn.h.
static inline struct numbers wanted_grad(struct nn *nn, struct tensor *input, bool *add) {
    return numbers(nn_grad(nn, input, add), input->type);
}

// The memory that count of them take, in floats.
static inline int64_t number_floats(enum number_type type, int64_t count) {
    const int64_t float_bytes = (int64_t)sizeof(float);
    return (count * number_bytes(type) + float_bytes - 1) / float_bytes;
}

// Scratch memory for count of them; freed with nn_scratch_free(nn, x.data).
static inline struct numbers scratch_numbers(struct nn *nn, enum number_type type, int64_t count) {
    return numbers(nn_scratch(nn, number_floats(type, count)), type);
}

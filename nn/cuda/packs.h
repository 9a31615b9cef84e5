// Numbers side by side that a thread loads and stores at once: a pass over memory reaches the
// memory's speed with 16 bytes in each thread's hands, and with 2 it does not.
//
// A kernel is a template over the pack of what it reads and writes, and counts in packs:
//
//     template <class Pack> static __global__ void twice(const Pack *x, int64_t packs, Pack *y)
//     ...
//     if (i >= packs) return;
//     Pack values = x[i];
//     for (int k = 0; k < Pack::COUNT; k++)
//         values.set(k, 2 * values.get(k));
//     y[i] = values;
//
// and is launched once for the pack that the arrays allow, which is a single number where they
// begin or end in the middle of 16 bytes:
//
//     with_packs(x.type, count, {x.data, y.data}, [&](auto pack) {
//         using Pack = decltype(pack);
//         int64_t packs = count / Pack::COUNT;
//         LAUNCH(nn, (twice<Pack>), blocks_for(packs, BLOCK_THREADS), BLOCK_THREADS, 0,
//                x.as<Pack>(), packs, y.as<Pack>());
//     });
#pragma once

#include "nn/cuda/numbers.h"

#include <initializer_list>

static constexpr size_t PACK_BYTES = 16; // what the device moves for a thread at most

static constexpr size_t pack_alignment(size_t bytes) {
    return bytes < PACK_BYTES ? bytes : PACK_BYTES;
}

template <class Type, int SIZE> struct alignas(pack_alignment(SIZE * sizeof(Type))) pack {
    typedef Type Number;
    static constexpr int COUNT = SIZE;

    Type numbers[SIZE];

    __device__ float get(int k) const {
        return loaded(numbers[k]);
    }
    __device__ void set(int k, float value) {
        numbers[k] = rounded<Type>(value);
    }
    __device__ void fill(float value) {
        for (int k = 0; k < SIZE; k++)
            set(k, value);
    }
    // Given by value, which is what is loaded at once.
    template <class Other> __device__ void set_all(pack<Other, SIZE> other) {
        for (int k = 0; k < SIZE; k++)
            set(k, other.get(k));
    }
};

template <class Type, int SIZE> struct number_type_of<pack<Type, SIZE>> : number_type_of<Type> {};

// As many of float32: factors of a pack's channels, say.
template <class Pack> using float_pack = pack<float, Pack::COUNT>;

// Rows that one thread takes of a pass that is cut into tiles (nn/cuda/tiles.h) of packs.
enum { PACK_ROWS_EACH = 4 };

static inline bool begins_pack(const void *data) {
    return (uintptr_t)data % PACK_BYTES == 0;
}

// Calls run with a pack of numbers: the widest if count, of which a line or an array has so many,
// is a multiple of it and all arrays (NULL is fine) begin at multiples of PACK_BYTES, and otherwise
// one number.
template <class Number, class Run>
static void with_packs_of(int64_t count, std::initializer_list<const void *> arrays, Run run) {
    constexpr int COUNT = (int)(PACK_BYTES / sizeof(Number));
    bool fits = count % COUNT == 0;
    for (const void *array : arrays)
        fits = fits && begins_pack(array);
    if (fits)
        run(pack<Number, COUNT>{});
    else
        run(pack<Number, 1>{});
}

template <class Run>
static void with_packs(enum number_type type, int64_t count,
                       std::initializer_list<const void *> arrays, Run run) {
    with_type(type, [&](auto number) { with_packs_of<decltype(number)>(count, arrays, run); });
}

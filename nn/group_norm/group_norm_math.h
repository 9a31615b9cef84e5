// The scalar parts of group normalisation, the same on every device.
#pragma once

#include <math.h>

#include "nn/host_device.h"

// What is known of some numbers: how many there are, their mean and the sum of their squared
// distances from it.
struct moments {
    double count, mean, squares;
};

// Those of all numbers of a and b together (Chan, Golub and LeVeque, "Algorithms for Computing the
// Sample Variance", The American Statistician, 1983). Unlike the difference of E[x^2] and E[x]^2 it
// does not cancel when the mean is far from 0.
HOST_DEVICE static inline struct moments moments_merge(struct moments a, struct moments b) {
    double count = a.count + b.count;
    if (count == 0) return a;
    double share = b.count / count;
    double delta = b.mean - a.mean;
    struct moments both = {
        .count = count,
        .mean = a.mean + delta * share,
        .squares = a.squares + b.squares + delta * delta * a.count * share,
    };
    return both;
}

// 1 / sqrt(variance + epsilon); of no numbers, as if they were constant.
HOST_DEVICE static inline double moments_inverse_deviation(struct moments all, double epsilon) {
    double variance = all.count > 0 ? all.squares / all.count : 0;
    if (variance < 0) variance = 0; // by rounding, where all numbers are the same
    return 1 / sqrt(variance + epsilon);
}

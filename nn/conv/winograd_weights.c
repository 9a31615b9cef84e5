#include "nn/conv/winograd_weights.h"

#include <string.h>

#include "nn/vectorised.h"

enum { PATCH = 6, KERNEL = 3, AREA = KERNEL * KERNEL, LANES = 16 };

// G: row j holds 1, x, x^2 of point j over the product of its distances to the other points. In
// double, since this is done once.
static const double P = 0.75;
static const double Q = 1.5;

// For as many kernels as there are lanes.
static inline void transform(const double w0[LANES], const double w1[LANES], const double w2[LANES],
                             double out[PATCH][LANES]) {
    const double p2 = P * P;
    const double q2 = Q * Q;
    const double near = 2 * p2 * (p2 - q2);
    const double far = 2 * q2 * (q2 - p2);
    for (int l = 0; l < LANES; l++) {
        out[0][l] = w0[l] / (p2 * q2);
        out[1][l] = (w0[l] + P * w1[l] + p2 * w2[l]) / near;
        out[2][l] = (w0[l] - P * w1[l] + p2 * w2[l]) / near;
        out[3][l] = (w0[l] + Q * w1[l] + q2 * w2[l]) / far;
        out[4][l] = (w0[l] - Q * w1[l] + q2 * w2[l]) / far;
        out[5][l] = w2[l];
    }
}

// Kernels [count, 3, 3], count at most LANES, to 36 rows of count that begin stride floats apart.
VECTORISED static void transform_kernels(const float *weights, int64_t count, int64_t stride,
                                         float *out) {
    double w[AREA][LANES] = {{0}};
    double rows[KERNEL][PATCH][LANES];
    for (int64_t l = 0; l < count; l++)
        for (int k = 0; k < AREA; k++)
            w[k][l] = (double)weights[l * AREA + k];
    for (int i = 0; i < KERNEL; i++)
        transform(w[KERNEL * i], w[KERNEL * i + 1], w[KERNEL * i + 2], rows[i]);
    for (int j = 0; j < PATCH; j++) {
        double columns[PATCH][LANES];
        transform(rows[0][j], rows[1][j], rows[2][j], columns);
        for (int i = 0; i < PATCH; i++) {
            float *to = out + (i * PATCH + j) * stride;
            for (int64_t l = 0; l < count; l++)
                to[l] = (float)columns[i][l];
        }
    }
}

void winograd_transform_weights(const float *weights, int64_t out, int64_t in, float *transformed) {
#pragma omp parallel for schedule(static)
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i += LANES)
            transform_kernels(weights + (o * in + i) * AREA, in - i < LANES ? in - i : LANES,
                              out * in, transformed + o * in + i);
}

// G^T x: 6 values to 3, for as many kernels as there are lanes.
static inline void gather(double x[PATCH][LANES], double out[KERNEL][LANES]) {
    const double p2 = P * P;
    const double q2 = Q * Q;
    const double zero = 1 / (p2 * q2);
    const double near = 1 / (2 * p2 * (p2 - q2));
    const double far = 1 / (2 * q2 * (q2 - p2));
    for (int l = 0; l < LANES; l++) {
        double even_p = (x[1][l] + x[2][l]) * near;
        double odd_p = (x[1][l] - x[2][l]) * near;
        double even_q = (x[3][l] + x[4][l]) * far;
        double odd_q = (x[3][l] - x[4][l]) * far;
        out[0][l] = x[0][l] * zero + even_p + even_q;
        out[1][l] = P * odd_p + Q * odd_q;
        out[2][l] = p2 * even_p + q2 * even_q + x[5][l];
    }
}

// 36 rows of count numbers, at most LANES, that begin stride floats apart, to [count, 3, 3].
VECTORISED static void gather_kernels(const float *rows, int64_t stride, int64_t count,
                                      float *gradient) {
    double half[PATCH][KERNEL][LANES]; // gathered along y
    double out[KERNEL][KERNEL][LANES];
    for (int j = 0; j < PATCH; j++) {
        double x[PATCH][LANES] = {{0}};
        for (int i = 0; i < PATCH; i++)
            for (int64_t l = 0; l < count; l++)
                x[i][l] = (double)rows[(i * PATCH + j) * stride + l];
        gather(x, half[j]);
    }
    for (int i = 0; i < KERNEL; i++) {
        double x[PATCH][LANES];
        for (int j = 0; j < PATCH; j++)
            memcpy(x[j], half[j][i], sizeof x[j]);
        gather(x, out[i]);
    }
    for (int64_t l = 0; l < count; l++)
        for (int k = 0; k < AREA; k++)
            gradient[l * AREA + k] = (float)out[k / KERNEL][k % KERNEL][l];
}

void winograd_gather_gradient(const float *transformed, int64_t out, int64_t in, float *gradient) {
#pragma omp parallel for schedule(static)
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i += LANES)
            gather_kernels(transformed + o * in + i, out * in, in - i < LANES ? in - i : LANES,
                           gradient + (o * in + i) * AREA);
}

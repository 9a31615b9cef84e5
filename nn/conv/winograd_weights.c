#include "nn/conv/winograd_weights.h"

enum { PATCH = 6, KERNEL = 3 };

// G: row j holds 1, x, x^2 of point j over the product of its distances to the other points. In
// double, since this is done once.
static const double P = 0.75;
static const double Q = 1.5;

static void transform(const double w[KERNEL], double out[PATCH]) {
    double p2 = P * P;
    double q2 = Q * Q;
    double near = 2 * p2 * (p2 - q2);
    double far = 2 * q2 * (q2 - p2);
    out[0] = w[0] / (p2 * q2);
    out[1] = (w[0] + P * w[1] + p2 * w[2]) / near;
    out[2] = (w[0] - P * w[1] + p2 * w[2]) / near;
    out[3] = (w[0] + Q * w[1] + q2 * w[2]) / far;
    out[4] = (w[0] - Q * w[1] + q2 * w[2]) / far;
    out[5] = w[2];
}

static void transform_kernel(const float *w, int64_t stride, float *out) {
    double rows[KERNEL][PATCH];
    for (int i = 0; i < KERNEL; i++) {
        const double row[KERNEL] = {(double)w[3 * i], (double)w[3 * i + 1], (double)w[3 * i + 2]};
        transform(row, rows[i]);
    }
    for (int j = 0; j < PATCH; j++) {
        const double column[KERNEL] = {rows[0][j], rows[1][j], rows[2][j]};
        double values[PATCH];
        transform(column, values);
        for (int i = 0; i < PATCH; i++)
            out[(i * PATCH + j) * stride] = (float)values[i];
    }
}

void winograd_transform_weights(const float *weights, int64_t out, int64_t in, float *transformed) {
#pragma omp parallel for schedule(static)
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i++)
            transform_kernel(weights + (o * in + i) * KERNEL * KERNEL, out * in,
                             transformed + o * in + i);
}

#include "nn/columns.h"

#include <math.h>
#include <stdlib.h>

#include "tests/nn/check_op.h"

static const enum columns_sum KINDS[] = {COLUMNS_SUM, COLUMNS_SUM_SQUARES, COLUMNS_SUM_ABS,
                                         COLUMNS_MAX_ABS, COLUMNS_DOT};

static void reference(enum columns_sum kind, const float *x, const float *y, int64_t n,
                      int64_t rows, int64_t c, double *out) {
    for (int64_t i = 0; i < n * rows; i++) {
        for (int64_t j = 0; j < c; j++) {
            double value = (double)x[i * c + j];
            double *sum = &out[i / rows * c + j];
            switch (kind) {
            case COLUMNS_SUM:
                *sum += value;
                break;
            case COLUMNS_SUM_SQUARES:
                *sum += value * value;
                break;
            case COLUMNS_SUM_ABS:
                *sum += fabs(value);
                break;
            case COLUMNS_MAX_ABS:
                *sum = fmax(*sum, fabs(value));
                break;
            case COLUMNS_DOT:
                *sum += value * (double)y[i * c + j];
                break;
            }
        }
    }
}

static void check_shape(int64_t n, int64_t rows, int64_t c) {
    struct nn *nn = fresh_nn();
    const struct tensor *x = filled_tensor(nn, n, rows, 1, c, 1, -1, 1.5, false);
    const struct tensor *y = filled_tensor(nn, n, rows, 1, c, 2, -1, 1.5, false);
    for (size_t k = 0; k < sizeof KINDS / sizeof KINDS[0]; k++) {
        double *expected = new_doubles(n * c);
        reference(KINDS[k], x->data, y->data, n, rows, c, expected);
        struct tensor *out = nn_tensor(nn, n, 1, 1, c);
        columns_reduce(nn, KINDS[k], x->data, KINDS[k] == COLUMNS_DOT ? y->data : NULL, n, rows, c,
                       out->data);
        expect_close(out->data, expected, n * c, 1e-5, "sums");
        nn_check_guards(nn);
    }
    struct error err;
    EXPECT_OK(nn_status(nn, &err), &err);
}

static void shapes(void) {
    static const int64_t ROWS[] = {0, 1, 2, 3, 5, 63, 255, 256, 511, 513, 1500, 20001};
    static const int64_t CHANNELS[] = {1, 3, 7, 15, 16, 17, 64};
    for (size_t r = 0; r < sizeof ROWS / sizeof ROWS[0]; r++)
        for (size_t c = 0; c < sizeof CHANNELS / sizeof CHANNELS[0]; c++)
            check_shape(ROWS[r] > 2000 ? 1 : 3, ROWS[r], CHANNELS[c]);
    check_shape(0, 5, 8);
    check_shape(0, 5, 3);
    check_shape(70, 9, 256);
}

// The largest magnitude is exact, wherever it stands.
static void maximum(void) {
    for (int64_t c = 1; c <= 33; c += 16) {
        struct nn *nn = fresh_nn();
        struct tensor *x = filled_tensor(nn, 1, 700, 1, c, 1, -1, 1, false);
        float *out = nn_scratch(nn, c);
        for (int64_t row = 0; row < 700; row += 23) {
            float old = x->data[row * c];
            x->data[row * c] = -5;
            columns_reduce(nn, COLUMNS_MAX_ABS, x->data, NULL, 1, 700, c, out);
            EXPECT(out[0] == 5);
            x->data[row * c] = old;
        }
    }
}

static struct nn *context_of(int num_threads) {
    struct nn *nn = NULL;
    struct error err;
    EXPECT_OK(nn_create(&nn, &(struct nn_options){.num_threads = num_threads}, &err), &err);
    REQUIRE(nn != NULL);
    nn_begin(nn, NN_INFERENCE); // sets the number of threads
    return nn;
}

enum { N = 3, ROWS = 5000, MAX_C = 33 };

// The same bits with any number of threads, every time, and for an image among others or alone.
static void same_bits(void) {
    float *x = calloc(N * ROWS * MAX_C, sizeof *x);
    float *y = calloc(N * ROWS * MAX_C, sizeof *y);
    fill(x, N * ROWS * MAX_C, 1, -1, 1);
    fill(y, N * ROWS * MAX_C, 2, -1, 1);
    for (int64_t c = 5; c <= MAX_C; c += 14) {
        for (size_t k = 0; k < sizeof KINDS / sizeof KINDS[0]; k++) {
            float first[N * MAX_C];
            for (int num_threads = 1; num_threads <= 4; num_threads++) {
                struct nn *nn = context_of(num_threads);
                float out[N * MAX_C];
                columns_reduce(nn, KINDS[k], x, y, N, ROWS, c, num_threads == 1 ? first : out);
                size_t bytes = (size_t)(N * c) * sizeof(float);
                if (num_threads > 1) EXPECT(memcmp(first, out, bytes) == 0);
                for (int64_t i = 0; i < N; i++) {
                    int64_t at = i * ROWS * c;
                    columns_reduce(nn, KINDS[k], x + at, y + at, 1, ROWS, c, out);
                    EXPECT(memcmp(first + i * c, out, (size_t)c * sizeof(float)) == 0);
                }
                nn_destroy(nn);
            }
        }
    }
    free(x);
    free(y);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"shapes", shapes},
                         {"maximum", maximum},
                         {"same_bits", same_bits},
                         {0},
                     });
}

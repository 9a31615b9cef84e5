// Matrix products of backward passes, whose rows are taken in pieces.
#include "nn/matmul.h"

#include "tests/nn/check_op.h"

enum { IN = 7, OUT = 5, MAX_ROWS = 4096 + 64 + 3, MAX_COUNT = MAX_ROWS * IN };

static const double TOLERANCE = 1e-5;
static const int64_t ROWS[] = {1, 63, 64, 65, 128, 200, MAX_ROWS};

static float x[MAX_ROWS * IN], dy[MAX_ROWS * OUT], weights[OUT * IN], result[MAX_COUNT];
static double expected[MAX_COUNT];

// What lies in result and expected beforehand.
static void begin(int64_t count, bool add) {
    fill(result, count, 4, -1, 1);
    for (int64_t i = 0; i < count; i++)
        expected[i] = add ? (double)result[i] : 0;
}

static void check(struct nn *nn, int64_t rows, bool add) {
    const struct matmul_rows r = {nn, "layer", rows, IN, OUT, dy};
    begin(OUT * IN, add);
    for (int64_t i = 0; i < rows * OUT * IN; i++) {
        int64_t row = i / IN / OUT, o = i / IN % OUT, j = i % IN;
        expected[o * IN + j] += (double)dy[row * OUT + o] * (double)x[row * IN + j];
    }
    matmul_rows_weights(&r, x, add, result);
    expect_close(result, expected, OUT * IN, TOLERANCE, "weights");
    begin(rows * IN, add);
    float behind = rows < MAX_ROWS ? result[rows * IN] : 0;
    for (int64_t i = 0; i < rows * OUT * IN; i++) {
        int64_t row = i / IN / OUT, o = i / IN % OUT, j = i % IN;
        expected[row * IN + j] += (double)dy[row * OUT + o] * (double)weights[o * IN + j];
    }
    matmul_rows_input(&r, weights, add, result);
    expect_close(result, expected, rows * IN, TOLERANCE, "input");
    EXPECT(rows == MAX_ROWS || result[rows * IN] == behind);
    struct error err;
    EXPECT_OK(nn_status(nn, &err), &err);
}

static void rows(void) {
    struct nn *nn = fresh_nn();
    fill(x, MAX_ROWS * IN, 1, -1, 1);
    fill(dy, MAX_ROWS * OUT, 2, -1, 1);
    fill(weights, OUT * IN, 3, -1, 1);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        check(nn, ROWS[i], false);
        check(nn, ROWS[i], true);
    }
    nn_begin(nn, NN_TRAINING); // checks all guards
}

// c[b] = op(a[b]) b[b].
static void batches(void) {
    enum { BATCH = 3, M = 4, N = 6, K = 5 };
    struct nn *nn = fresh_nn();
    fill(x, BATCH * M * K, 1, -1, 1);
    fill(dy, BATCH * K * N, 2, -1, 1);
    for (int transposed = 0; transposed <= 1; transposed++) {
        const struct dnn_matmul shape = {BATCH, M, N, K, transposed, transposed};
        begin(BATCH * M * N, transposed);
        for (int i = 0; i < BATCH * M * N * K; i++) {
            int b = i / (M * N * K), m = i / (N * K) % M, n = i / K % N, k = i % K;
            float a = x[b * M * K + (transposed ? k * M + m : m * K + k)];
            expected[(b * M + m) * N + n] += (double)a * (double)dy[(b * K + k) * N + n];
        }
        matmul(nn, "layer", &shape, x, dy, result);
        expect_close(result, expected, BATCH * M * N, TOLERANCE, "batch");
    }
    nn_begin(nn, NN_TRAINING);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv, (struct test_case[]){{"rows", rows}, {"batches", batches}, {0}});
}

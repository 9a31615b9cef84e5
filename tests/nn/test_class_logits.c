#include "nn/class_logits/class_logits.h"

#include "tests/nn/check_op.h"

enum { CLASSES = 7 };

// A 1x1 convolution to CLASSES channels.
static struct conv predictor(int64_t channels) {
    static const int64_t classes = CLASSES;
    struct conv conv = {.label = "logits",
                        .in_channels = channels,
                        .out_channels = CLASSES,
                        .groups = 1,
                        .kernel = 1,
                        .stride = 1,
                        .images_at_once = 8};
    const int64_t shape[] = {CLASSES, channels, 1, 1};
    conv.weight = add_parameter("weight", PARAMETER_WEIGHT, 4, shape);
    conv.bias = add_parameter("bias", PARAMETER_BIAS, 1, &classes);
    allocate_parameters();
    fill(conv.weight->data, conv.weight->count, 1, -1, 1);
    fill(conv.bias->data, CLASSES, 2, -1, 1);
    return conv;
}

static void check(int64_t n, int64_t h, int64_t w, int64_t channels) {
    struct nn *nn = fresh_nn();
    struct conv conv = predictor(channels);
    int32_t labels[16];
    REQUIRE(n <= 16);
    for (int64_t i = 0; i < n; i++)
        labels[i] = (int32_t)((5 * i + 6) % CLASSES); // the last one first, then all others
    struct tensor *x = filled_tensor(nn, n, h, w, channels, 3, -1, 1, true);
    struct tensor *y = class_logits_forward(nn, &conv, x, labels);
    struct error err;
    EXPECT_OK(nn_status(nn, &err), &err);
    EXPECT(y->n == n && y->h == h && y->w == w && y->c == 1 && !y->wants_grad);
    double *expected = new_doubles(tensor_count(y));
    for (int64_t row = 0; row < tensor_rows(x); row++) {
        int32_t label = labels[row / (h * w)];
        expected[row] = (double)conv.bias->data[label];
        for (int64_t j = 0; j < channels; j++)
            expected[row] += (double)x->data[row * channels + j] *
                             (double)conv.weight->data[label * channels + j];
    }
    expect_close(y->data, expected, tensor_count(y), 1e-5, "y");
    // One channel of what the convolution itself computes.
    const struct tensor *all = conv_forward(nn, &conv, x, NULL, false);
    double *channel = new_doubles(tensor_count(y));
    for (int64_t row = 0; row < tensor_rows(x); row++)
        channel[row] = (double)all->data[row * CLASSES + labels[row / (h * w)]];
    expect_close(y->data, channel, tensor_count(y), 1e-5, "y and the convolution");
    nn_begin(nn, NN_TRAINING); // checks all guards
}

static void logits(void) {
    check(1, 1, 1, 1);
    check(8, 3, 5, 15);
    check(9, 4, 3, 16);
    check(7, 5, 5, 33);
    check(3, 28, 28, 256);
    check(0, 28, 28, 256);
}

// The same bits for any number of threads and for an image alone.
static void repeatable(void) {
    enum { N = 5, H = 6, W = 7, C = 35, IMAGE = H * W * C };
    static const int32_t labels[N] = {6, 0, 3, 3, 5};
    struct nn *nn = fresh_nn();
    struct conv conv = predictor(C);
    float first[N * H * W];
    for (int threads = 1; threads <= 3; threads++) {
        nn->num_threads = threads;
        nn_begin(nn, NN_INFERENCE);
        struct tensor *x = filled_tensor(nn, N, H, W, C, 3, -1, 1, false);
        const struct tensor *y = class_logits_forward(nn, &conv, x, labels);
        size_t bytes = (size_t)tensor_count(y) * sizeof *first;
        if (threads == 1) memcpy(first, y->data, bytes);
        EXPECT(equal_bits(y->data, first, bytes));
        for (int64_t i = 0; i < N; i++) {
            struct tensor *image = nn_tensor(nn, 1, H, W, C);
            memcpy(image->data, x->data + i * IMAGE, IMAGE * sizeof *first);
            const struct tensor *alone = class_logits_forward(nn, &conv, image, labels + i);
            EXPECT(equal_bits(alone->data, first + i * H * W, bytes / N));
        }
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"logits", logits},
                         {"same bits", repeatable},
                         {0},
                     });
}

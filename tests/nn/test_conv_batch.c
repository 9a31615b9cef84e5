// What a convolution computes for one image does not depend, to the bit, on the other images of the
// batch, nor on where in the batch it stands.
#include "tests/nn/check_conv.h"

static void check_images(const struct conv_case *c) {
    static struct conv_problem p;
    conv_problem_create(&p, c);
    nn_begin(p.nn, NN_INFERENCE);
    int64_t in = c->h * c->w * c->in;
    struct tensor *x = filled_tensor(p.nn, c->n, c->h, c->w, c->in, 1, -1, 1, false);
    memcpy(x->data + (c->n - 1) * in, x->data, (size_t)in * sizeof(float)); // first = last
    struct tensor *other = NULL;
    int64_t h = conv_out_size(&p.conv, c->h);
    int64_t w = conv_out_size(&p.conv, c->w);
    int64_t out = h * w * c->out;
    if (c->residual) {
        other = filled_tensor(p.nn, c->n, h, w, c->out, 2, -1, 1, false);
        memcpy(other->data + (c->n - 1) * out, other->data, (size_t)out * sizeof(float));
    }
    const struct tensor *y = conv_forward(p.nn, &p.conv, x, other, c->relu);
    EXPECT(memcmp(y->data, y->data + (c->n - 1) * out, (size_t)out * sizeof(float)) == 0);
    for (int64_t i = 0; i < c->n; i++) {
        struct tensor *image = nn_tensor(p.nn, 1, c->h, c->w, c->in);
        memcpy(image->data, x->data + i * in, (size_t)in * sizeof(float));
        struct tensor *residual = NULL;
        if (other) {
            residual = nn_tensor(p.nn, 1, h, w, c->out);
            memcpy(residual->data, other->data + i * out, (size_t)out * sizeof(float));
        }
        const struct tensor *alone = conv_forward(p.nn, &p.conv, image, residual, c->relu);
        bool equal = memcmp(alone->data, y->data + i * out, (size_t)out * sizeof(float)) == 0;
        expect_text(equal ? "equal" : c->name, "equal", "image in a batch", __FILE__, __LINE__);
    }
    struct error err;
    EXPECT_OK(nn_status(p.nn, &err), &err);
}

static void check_all(const struct conv_case *cases) {
    for (const struct conv_case *c = cases; c->name; c++)
        check_images(c);
}

static void maps(void) {
    check_all((struct conv_case[]){
        {"1x1", 3, 25, 31, 64, 48, 1, 1, 0, .norm = true, .relu = true},
        {"3x3", 3, 19, 23, 64, 64, 3, 1, 1, .norm = true, .relu = true},
        {"3x3 stride 2", 3, 20, 23, 32, 64, 3, 2, 1, .bias = true},
        {"stem", 3, 40, 37, 3, 64, 7, 2, 3, .norm = true, .relu = true},
        {"residual", 3, 13, 11, 64, 128, 1, 1, 0, .norm = true, .relu = true,
         .residual = OTHER_TENSOR},
        {"groups", 3, 13, 11, 64, 64, 3, 1, 1, .groups = 16, .norm = true, .relu = true},
        {"odd", 3, 5, 7, 9, 11, 3, 1, 1, .bias = true},
        {0},
    });
}

static void gated_maps(void) {
    check_all((struct conv_case[]){
        {"1x1", 3, 25, 31, 64, 48, 1, 1, 0, .norm = true, .relu = true, .gated = true},
        {"3x3", 3, 29, 33, 64, 32, 3, 1, 1, .norm = true, .relu = true, .gated = true},
        {"3x3, scaled", 3, 9, 11, 64, 64, 3, 1, 1, .norm = true, .gated = true},
        {"stem", 3, 40, 37, 3, 64, 7, 2, 3, .norm = true, .relu = true, .gated = true},
        {"l1", 3, 13, 11, 32, 64, 1, 1, 0, .gated = true, .embedding = GATE_EMBEDDING_L1,
         .residual = OTHER_TENSOR},
        {"groups", 3, 30, 31, 64, 64, 3, 1, 1, .groups = 16, .relu = true, .gated = true},
        {0},
    });
}

static void rois(void) {
    check_all((struct conv_case[]){
        {"14x14", 11, 14, 14, 64, 64, 3, 1, 1, .bias = true, .relu = true, .images_at_once = 8},
        {"7x7", 19, 7, 7, 48, 64, 3, 1, 1, .bias = true, .relu = true, .images_at_once = 8,
         .residual = OTHER_TENSOR},
        {"gated", 11, 14, 14, 64, 64, 3, 1, 1, .relu = true, .gated = true, .images_at_once = 8},
        {"classes", 11, 28, 28, 64, 81, 1, 1, 0, .bias = true, .images_at_once = 8},
        {"2 classes", 11, 28, 28, 64, 2, 1, 1, 0, .bias = true, .images_at_once = 8},
        {0},
    });
}

static void in_bf16(void) {
    use_precision(NN_BF16);
    maps();
    gated_maps();
    rois();
    use_precision(NN_FLOAT32);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"maps", maps},
                         {"gated_maps", gated_maps},
                         {"rois", rois},
                         {"in bf16", in_bf16},
                         {0},
                     });
}

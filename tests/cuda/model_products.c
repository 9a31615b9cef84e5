#include "tests/cuda/model_products.h"

#include "base/check.h"
#include "base/hash.h"
#include "detector/detector_model.h"
#include "detector/preprocess.h"
#include "nn/conv/conv.h"
#include "nn/deconv/deconv.h"
#include "nn/linear/linear.h"
#include "tests/harness.h"

enum { MAX_BATCH = 2 };

struct collector {
    struct product_list *list;
    int32_t rules;
};

// ---- The list ----

static void add(struct collector *c, enum product_kind kind, const struct dnn_shape *shape,
                int64_t n, int32_t epilogue, int64_t times) {
    struct product_list *list = c->list;
    struct product product = {*shape,   (int32_t)kind, epilogue, PRODUCT_MAX_ALIGNMENT,
                              c->rules, NUMBER_FLOAT32};
    product.shape.n = n;
    product.shape.at_once = 0;
    uint64_t mask = sizeof list->places / sizeof *list->places - 1;
    uint64_t at = hash_bytes(HASH_START, &product, sizeof product) & mask;
    while (list->places[at] &&
           memcmp(&list->items[list->places[at] - 1], &product, sizeof product) != 0)
        at = (at + 1) & mask;
    if (!list->places[at]) {
        CHECK(list->count < MODEL_MAX_PRODUCTS);
        list->items[list->count++] = product;
        list->places[at] = (int32_t)list->count;
    }
    list->times[list->places[at] - 1] += (int32_t)times;
}

// All three products of a layer. Maps go one by one but for the gradient of their weights, which
// is the sum over a batch; regions go in blocks.
static void add_layer(struct collector *c, const struct dnn_shape *shape, int32_t epilogue) {
    int64_t n = shape->at_once;
    int64_t blocks = (shape->n + n - 1) / n;
    add(c, PRODUCT_FORWARD, shape, n, epilogue, blocks);
    add(c, PRODUCT_BACKWARD_DATA, shape, n, 0, blocks);
    add(c, PRODUCT_BACKWARD_DATA, shape, n, EPILOGUE_ADD, 0);
    add(c, PRODUCT_BACKWARD_WEIGHTS, shape, n, 0, blocks);
    if (n == 1) add(c, PRODUCT_BACKWARD_WEIGHTS, shape, MAX_BATCH, 0, 0);
}

// ---- What layers ask for ----

static void add_conv(struct collector *c, const struct conv_call *call) {
    const struct conv *conv = call->conv;
    const struct tensor *x = call->call.inputs[0];
    const struct tensor *y = call->call.out;
    int64_t at_once = conv->images_at_once > 1 ? dnn_regions_at_once(y->h * y->w) : 1;
    const struct dnn_shape shape = {x->n,         x->h,         x->w,          x->c,
                                    y->h,         y->w,         y->c,          conv->groups,
                                    conv->kernel, conv->stride, conv->padding, at_once};
    add_layer(c, &shape,
              product_epilogue(conv->bias || conv->norm, call->residual != NULL, call->relu));
}

static void add_deconv(struct collector *c, const struct deconv_call *call) {
    const struct tensor *x = call->call.inputs[0];
    const struct dnn_shape shape = {x->n,
                                    x->h,
                                    x->w,
                                    x->c,
                                    x->h,
                                    x->w,
                                    4 * call->call.out->c,
                                    1,
                                    1,
                                    1,
                                    0,
                                    dnn_regions_at_once(x->h * x->w)};
    add_layer(c, &shape, 0);
}

static void add_linear(struct collector *c, const struct linear_call *call) {
    const struct dnn_shape shape =
        dnn_product(call->call.inputs[0]->n, call->linear->in, call->linear->out);
    add_layer(c, &shape, product_epilogue(true, false, call->relu));
}

static void observe(void *context, const struct call *call) {
    if (call->op == OP_conv) add_conv(context, (const struct conv_call *)call);
    if (call->op == OP_deconv) add_deconv(context, (const struct deconv_call *)call);
    if (call->op == OP_linear) add_linear(context, (const struct linear_call *)call);
}

// ---- Models ----

struct outline {
    struct detector_model model;
    struct nn *nn;
    struct collector collector;
};

static void open_outline(struct outline *o, struct product_list *list, const char *path,
                         int32_t rules) {
    struct error err = {0};
    *o = (struct outline){.collector = {list, rules}};
    EXPECT_OK(detector_model_describe(&o->model, path, NULL, &err), &err);
    EXPECT_OK(nn_create(&o->nn, &(struct nn_options){.device = NN_PLAN, .num_threads = 1}, &err),
              &err);
    REQUIRE(o->nn != NULL && err.code == STATUS_OK);
    o->nn->observer = observe;
    o->nn->observer_context = &o->collector;
}

static void close_outline(struct outline *o) {
    nn_destroy(o->nn);
    detector_model_destroy(&o->model);
}

static void run(struct outline *o, int32_t height, int32_t width) {
    const struct extent size = {height, width};
    struct features features;
    struct box_list proposals;
    struct box_list found;
    struct error err;
    nn_begin(o->nn, NN_INFERENCE);
    struct tensor *input = nn_tensor(o->nn, 1, height, width, 3);
    mask_rcnn_features(o->nn, &o->model.network, input, &features);
    mask_rcnn_propose(o->nn, &o->model.network, &features, &size, &proposals);
    mask_rcnn_boxes(o->nn, &o->model.network, &features, &proposals, &size, &found);
    mask_rcnn_masks(o->nn, &o->model.network, &features, &found);
    EXPECT_OK(nn_status(o->nn, &err), &err);
}

void collect_products(struct product_list *list, const char *path, int32_t rules, int32_t height,
                      int32_t width) {
    static struct outline o;
    open_outline(&o, list, path, rules);
    run(&o, height, width);
    close_outline(&o);
}

void collect_products_of_all_sizes(struct product_list *list, const char *path, int32_t rules,
                                   int32_t step) {
    static struct outline o;
    open_outline(&o, list, path, rules);
    const struct extent sides = {(int32_t)o.model.config.input.short_side,
                                 (int32_t)o.model.config.input.long_side};
    struct extent largest = preprocess_padded(&sides, 1);
    int32_t first = largest.height;
    int32_t last = largest.width;
    for (int32_t side = first; side < last + step; side += step) {
        int32_t longer = side < last ? side : last;
        run(&o, first, longer);
        run(&o, longer, first);
    }
    close_outline(&o);
}

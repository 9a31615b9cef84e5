// On a GPU: how fast each product of a model is with the first engines that cuDNN proposes and,
// where it is a product of matrices, with the first algorithms that cuBLASLt does. Of whom the CUDA
// module takes the first one, nn/cuda/dnn_choice.h says.
//
//     products [--precision float32|tf32|bf16|fp16] [CONFIG [HEIGHT WIDTH]]
//
// A line for each product: how often layers ask for it for one image, its arithmetic, cuDNN's first
// engine and its fastest, cuBLASLt's first algorithm and its fastest; "off" is how far results are
// from those of the first engine at most, as a share of the largest.
#include <cuda_runtime_api.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"
#include "nn/cuda/cublas/matmuls.h"
#include "nn/cuda/dnn_choice.h"
#include "nn/cuda/number_bits.h"
#include "nn/nn.h"
#include "tests/cuda/model_products.h"

enum { NUM_BUFFERS = 6, MAX_TRIED = 4, NUM_RUNS = 3, NUM_COMPARED = 1 << 16, NUM_KINDS = 3 };
static const int64_t BUFFER_BYTES = (int64_t)1 << 28;
static const int64_t FILLED_BYTES = (int64_t)1 << 22;

enum buffer { X, WEIGHTS, Y, BIAS, RESIDUAL, WORKSPACE };

static char *buffers[NUM_BUFFERS];
static cudaStream_t stream;
static cudaEvent_t begin;
static cudaEvent_t end;

static void check(cudaError_t code) {
    if (code == cudaSuccess) return;
    fprintf(stderr, "CUDA: %s\n", cudaGetErrorString(code));
    exit(1);
}

static void check_status(enum status status, const struct error *err) {
    if (status == STATUS_OK) return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

// ---- Numbers ----

static float number_at(const char *data, enum number_type type, int64_t i) {
    uint16_t bits = 0;
    float value = 0;
    if (type == NUMBER_FLOAT32)
        memcpy(&value, data + i * (int64_t)sizeof value, sizeof value);
    else
        memcpy(&bits, data + i * (int64_t)sizeof bits, sizeof bits);
    if (type == NUMBER_BF16) return number_from_bf16(bits);
    return type == NUMBER_FP16 ? number_from_fp16(bits) : value;
}

// Numbers from -1 to 1, the same in all buffers, again and again.
static void fill_buffers(enum number_type type) {
    char *values = malloc((size_t)FILLED_BYTES);
    struct random random = random_stream(1, 2);
    CHECK(values);
    for (int64_t i = 0; i < FILLED_BYTES / number_bytes(type); i++) {
        float value = (float)random_between(&random, -1, 1);
        uint16_t bits = type == NUMBER_BF16 ? number_to_bf16(value) : number_to_fp16(value);
        if (type == NUMBER_FLOAT32)
            memcpy(values + i * (int64_t)sizeof value, &value, sizeof value);
        else
            memcpy(values + i * (int64_t)sizeof bits, &bits, sizeof bits);
    }
    for (int i = 0; i < NUM_BUFFERS; i++) {
        char *to = buffers[i];
        check(cudaMemcpy(to, values, (size_t)FILLED_BYTES, cudaMemcpyHostToDevice));
        for (int64_t done = FILLED_BYTES; done < BUFFER_BYTES; done += FILLED_BYTES)
            check(cudaMemcpy(to + done, to, (size_t)FILLED_BYTES, cudaMemcpyDeviceToDevice));
    }
    check(cudaDeviceSynchronize());
    free(values);
}

static void open_device(enum number_type type) {
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    check(cudaEventCreate(&begin));
    check(cudaEventCreate(&end));
    for (int i = 0; i < NUM_BUFFERS; i++) {
        void *memory = NULL;
        check(cudaMalloc(&memory, (size_t)BUFFER_BYTES));
        buffers[i] = memory;
    }
    fill_buffers(type);
}

// ---- One way to compute a product ----

// What is timed: one of the two.
struct way {
    struct plans *plans;
    const struct plan *plan;
    struct matmuls *matmuls;
    struct matmul_plan *matmul_plan;
    struct matmul_data data;
};

static bool run(const struct way *way, struct error *err) {
    const struct product_data data = {buffers[X],    buffers[WEIGHTS],  buffers[Y],
                                      buffers[BIAS], buffers[RESIDUAL], NULL};
    if (way->plans) return plan_run(way->plans, way->plan, &data, buffers[WORKSPACE], err);
    return matmul_plan_run(way->matmuls, way->matmul_plan, &way->data, buffers[WORKSPACE], stream,
                           err);
}

// Seconds of one run, after one that is not counted; less than 0 if it does not run.
static double time_way(const struct way *way, struct error *err) {
    float milliseconds = 0;
    if (!run(way, err)) return -1;
    check(cudaEventRecord(begin, stream));
    for (int i = 0; i < NUM_RUNS; i++)
        if (!run(way, err)) return -1;
    check(cudaEventRecord(end, stream));
    check(cudaStreamSynchronize(stream));
    check(cudaEventElapsedTime(&milliseconds, begin, end));
    return (double)milliseconds / 1000 / NUM_RUNS;
}

// Those that were tried, in the order in which the library proposes them.
struct tried {
    int count;
    int64_t names[MAX_TRIED];
    double seconds[MAX_TRIED];
};

static void add_tried(struct tried *tried, int64_t name, double seconds) {
    tried->names[tried->count] = name;
    tried->seconds[tried->count++] = seconds;
}

static int fastest(const struct tried *tried) {
    int best = 0;
    for (int i = 1; i < tried->count; i++)
        if (tried->seconds[i] < tried->seconds[best]) best = i;
    return best;
}

// ---- One product ----

struct bench {
    enum nn_precision precision;
    enum number_type type;
    struct plans *plans;
    struct matmuls *matmuls;
};

struct measured {
    const struct product *product;
    int32_t times;
    bool is_matmul, prefers_cublas;
    struct tried cudnn, cublas;
    double off;
};

static enum buffer result_of(const struct product *product) {
    if (product->kind == PRODUCT_FORWARD) return Y;
    return product->kind == PRODUCT_BACKWARD_DATA ? X : WEIGHTS;
}

static int64_t result_count(const struct product *product) {
    const struct dnn_shape *s = &product->shape;
    if (product->kind == PRODUCT_FORWARD) return s->n * s->out_h * s->out_w * s->out;
    if (product->kind == PRODUCT_BACKWARD_DATA) return s->n * s->h * s->w * s->in;
    return s->out * s->kernel * s->kernel * (s->in / s->groups);
}

// How far the result is from that of the first engine, which is kept.
static void compare(struct measured *m, enum number_type type, bool is_first) {
    static char first[NUM_COMPARED * sizeof(float)];
    static char values[NUM_COMPARED * sizeof(float)];
    static enum number_type first_type;
    double largest = 0;
    double off = 0;
    int64_t count = result_count(m->product);
    check(cudaMemcpy(is_first ? first : values, buffers[result_of(m->product)], sizeof values,
                     cudaMemcpyDeviceToHost));
    if (is_first) first_type = type;
    for (int64_t i = 0; i < count && i < NUM_COMPARED && !is_first; i++) {
        double expected = (double)number_at(first, first_type, i);
        largest = fmax(largest, fabs(expected));
        off = fmax(off, fabs(expected - (double)number_at(values, type, i)));
    }
    if (largest > 0) m->off = fmax(m->off, off / largest);
}

static void time_cudnn(const struct bench *b, struct measured *m) {
    struct error err = {0};
    struct plan *plan = NULL;
    for (int i = 0; i < MAX_TRIED; i++) {
        if (plans_find(b->plans, m->product, &plan, &err) != STATUS_OK) return;
        const struct way way = {.plans = b->plans, .plan = plan};
        double seconds = time_way(&way, &err);
        if (seconds < 0) printf("engine %lld: %s\n", (long long)plan_engine(plan), err.message);
        if (seconds >= 0) compare(m, b->type, m->cudnn.count == 0);
        if (seconds >= 0) add_tried(&m->cudnn, plan_engine(plan), seconds);
        plan_replace(b->plans, plan, &err);
    }
}

static struct matmul_operand operand_of(enum number_type type, int64_t columns) {
    static const int32_t TYPES[NUM_NUMBER_TYPES] = {MATMUL_FLOAT32, MATMUL_BF16, MATMUL_FP16};
    struct matmul_operand operand = {TYPES[type], MATMUL_MAX_ALIGNMENT};
    while (columns * number_bytes(type) % operand.alignment)
        operand.alignment /= 2;
    return operand;
}

// As nn/cuda/cublas/products.cu describes it.
static struct matmul matmul_of(const struct bench *b, const struct product *product) {
    static const int32_t KINDS[NUM_KINDS] = {MATMUL_FORWARD, MATMUL_INPUT, MATMUL_WEIGHTS};
    const struct dnn_shape *s = &product->shape;
    bool is_wide = product->kind == PRODUCT_BACKWARD_WEIGHTS;
    return (struct matmul){
        .rows = s->n * s->h * s->w,
        .in = s->in,
        .out = s->out,
        .x = operand_of(b->type, s->in),
        .weights = operand_of(is_wide ? NUMBER_FLOAT32 : b->type, s->in),
        .y = operand_of(b->type, s->out),
        .kind = KINDS[product->kind],
        .epilogue = (product->epilogue & EPILOGUE_BIAS ? MATMUL_BIAS : 0) +
                    (product->epilogue & EPILOGUE_RELU ? MATMUL_RELU : 0),
        .rules = b->precision == NN_TF32 ? MATMUL_TF32 : 0,
        .bias_alignment = MATMUL_MAX_ALIGNMENT,
    };
}

static void time_cublas(const struct bench *b, struct measured *m) {
    struct error err = {0};
    const struct matmul matmul = matmul_of(b, m->product);
    bool is_wide = m->product->kind == PRODUCT_BACKWARD_WEIGHTS;
    struct way way = {
        .matmuls = b->matmuls,
        .data = {buffers[X], buffers[WEIGHTS], buffers[Y], buffers[BIAS],
                 m->product->epilogue & EPILOGUE_RESIDUAL ? buffers[RESIDUAL] : NULL},
    };
    for (int i = 0; i < MAX_TRIED; i++) {
        if (matmuls_find(b->matmuls, &matmul, &way.matmul_plan, &err) != STATUS_OK) {
            if (i == 0) printf("%s\n", err.message);
            return;
        }
        double seconds = time_way(&way, &err);
        if (seconds < 0) printf("algorithm %d: %s\n", i, err.message);
        if (seconds >= 0) compare(m, is_wide ? NUMBER_FLOAT32 : b->type, false);
        if (seconds >= 0) add_tried(&m->cublas, i, seconds);
        matmul_plan_replace(way.matmul_plan, &err);
    }
}

static void time_product(const struct bench *b, struct measured *m) {
    static const enum dnn_product PRODUCTS[NUM_KINDS] = {DNN_PRODUCT, DNN_INPUT_GRADIENT,
                                                         DNN_WEIGHTS_GRADIENT};
    enum dnn_arithmetic arithmetic = b->precision == NN_TF32 ? DNN_TF32 : DNN_FLOAT32;
    if (b->type != NUMBER_FLOAT32) arithmetic = DNN_16_BITS;
    m->is_matmul = dnn_is_matmul(&m->product->shape);
    m->prefers_cublas =
        dnn_prefers_cublas(PRODUCTS[m->product->kind], arithmetic, &m->product->shape);
    time_cudnn(b, m);
    if (m->is_matmul) time_cublas(b, m);
    // The next one finds in all buffers what nobody has written.
    check(cudaMemcpy(buffers[result_of(m->product)], buffers[RESIDUAL], (size_t)BUFFER_BYTES,
                     cudaMemcpyDeviceToDevice));
    check(cudaDeviceSynchronize());
}

// ---- Tables ----

static double flops_of(const struct product *product) {
    const struct dnn_shape *s = &product->shape;
    return 2.0 * (double)(s->n * s->out_h * s->out_w * s->out) *
           (double)(s->kernel * s->kernel * s->in) / (double)s->groups;
}

static void print_tried(const struct tried *tried) {
    int best = fastest(tried);
    if (tried->count == 0)
        printf(" %8s %4s %8s", "-", "-", "-");
    else
        printf(" %8.1f %4lld %8.1f", tried->seconds[0] * 1e6, (long long)tried->names[best],
               tried->seconds[best] * 1e6);
}

static void print_measured(const struct measured *m) {
    char name[256];
    product_name(m->product, name, sizeof name);
    printf("%5d %7.2f", (int)m->times, flops_of(m->product) * 1e-9);
    print_tried(&m->cudnn);
    print_tried(&m->cublas);
    printf(" %8.1e  %s\n", m->off, name);
}

// Of one kind, for one image, in seconds.
struct totals {
    double flops, cudnn_first, cudnn_best, cublas_first, cublas_best, best, taken;
};

static void add_totals(struct totals *t, const struct measured *m) {
    const struct tried *cudnn = &m->cudnn;
    const struct tried *cublas = m->cublas.count > 0 ? &m->cublas : cudnn;
    double times = m->times;
    double cudnn_best = cudnn->seconds[fastest(cudnn)];
    double cublas_best = cublas->seconds[fastest(cublas)];
    t->flops += times * flops_of(m->product);
    t->cudnn_first += times * cudnn->seconds[0];
    t->cudnn_best += times * cudnn_best;
    t->cublas_first += times * cublas->seconds[0];
    t->cublas_best += times * cublas_best;
    t->best += times * fmin(cudnn_best, cublas_best);
    t->taken += times * (m->prefers_cublas ? cublas : cudnn)->seconds[0];
}

static void print_totals(const char *what, const struct totals *t) {
    printf("%-34s %8.1f %9.3f %9.3f %9.3f %9.3f %9.3f %9.3f\n", what, t->flops * 1e-9,
           t->cudnn_first * 1e3, t->cudnn_best * 1e3, t->cublas_first * 1e3, t->cublas_best * 1e3,
           t->best * 1e3, t->taken * 1e3);
}

// ---- All products of a model ----

static void time_model(const struct bench *b, const struct product_list *list) {
    static const char *const NAMES[2][NUM_KINDS] = {
        {"others", "others, gradient of input", "others, gradient of weights"},
        {"of matrices", "of matrices, gradient of input", "of matrices, gradient of weights"}};
    struct totals totals[2][NUM_KINDS] = {0};
    printf("%5s %7s %8s %4s %8s %8s %4s %8s %8s\n", "times", "GFLOP", "cuDNN us", "best", "us",
           "cuBLAS", "best", "us", "off");
    for (int64_t i = 0; i < list->count; i++) {
        struct measured m = {.product = &list->items[i], .times = list->times[i]};
        if (m.times == 0) continue;
        time_product(b, &m);
        print_measured(&m);
        if (m.cudnn.count > 0) add_totals(&totals[m.is_matmul][m.product->kind], &m);
    }
    printf(
        "\nms for one image, in which a layer runs once: %s\n%-34s %8s %9s %9s %9s %9s %9s %9s\n",
        NN_PRECISION_NAMES[b->precision], "", "GFLOP", "cuDNN", "fastest", "cuBLAS", "fastest",
        "the best", "as taken");
    for (int kind = 0; kind < NUM_KINDS; kind++)
        for (int is_matmul = 0; is_matmul < 2; is_matmul++)
            print_totals(NAMES[is_matmul][kind], &totals[is_matmul][kind]);
}

int main(int argc, char **argv) {
    static struct product_list list;
    struct bench b = {.precision = NN_FLOAT32, .type = NUMBER_FLOAT32};
    struct error err;
    bool has_option = argc > 2 && strcmp(argv[1], "--precision") == 0;
    if (has_option && !nn_precision_named(argv[2], &b.precision)) {
        fprintf(stderr, "products: no precision has the name %s\n", argv[2]);
        return 64;
    }
    char **rest = argv + (has_option ? 3 : 1);
    int count = argc - (has_option ? 3 : 1);
    const char *path = count > 0 ? rest[0] : CONFIGS "/r50_bn_gct_2fc_90k.json";
    int32_t height = count > 2 ? atoi(rest[1]) : 800;
    int32_t width = count > 2 ? atoi(rest[2]) : 1344;
    if (b.precision == NN_BF16 || b.precision == NN_BF16_ALIAS) b.type = NUMBER_BF16;
    if (b.precision == NN_FP16 || b.precision == NN_FP16_ALIAS) b.type = NUMBER_FP16;
    setvbuf(stdout, NULL, _IOLBF, 0);
    collect_products(&list, path, b.precision == NN_TF32 ? PRODUCT_TF32 : 0, height, width);
    for (int64_t i = 0; i < list.count; i++)
        list.items[i].type = b.type;
    open_device(b.type);
    check_status(plans_open(&b.plans, &(struct plans_options){.stream = stream}, &err), &err);
    check_status(matmuls_open(&b.matmuls, &err), &err);
    time_model(&b, &list);
    matmuls_close(b.matmuls);
    plans_close(b.plans);
    return 0;
}

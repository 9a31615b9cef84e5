// On a GPU: how fast each product of a model is with each of the engines that cuDNN proposes, whose
// first is what the CUDA module takes.
//
//     cudnn_engines [CONFIG [HEIGHT WIDTH]]
//
// A line for each product: its arithmetic, the first engine, the fastest, and what the choice
// costs; "off" is how much the engines' results differ at most, as a share of the largest.
#include <cuda_runtime_api.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"
#include "tests/cuda/model_products.h"

enum { NUM_BUFFERS = 6, MAX_ENGINES = 8, NUM_RUNS = 8, NUM_COMPARED = 1 << 16, NUM_KINDS = 3 };
static const int64_t BUFFER_FLOATS = (int64_t)1 << 27;
static const int64_t FILLED_FLOATS = (int64_t)1 << 20;

enum buffer { X, WEIGHTS, Y, BIAS, RESIDUAL, WORKSPACE };

static float *buffers[NUM_BUFFERS];
static cudaStream_t stream;
static cudaEvent_t begin;
static cudaEvent_t end;

static void check(cudaError_t code) {
    if (code == cudaSuccess) return;
    fprintf(stderr, "CUDA: %s\n", cudaGetErrorString(code));
    exit(1);
}

// ---- The device ----

// A million numbers, again and again.
static void fill(float *buffer) {
    float *values = malloc((size_t)FILLED_FLOATS * sizeof *values);
    struct random random = random_stream(1, 2);
    CHECK(values);
    for (int64_t i = 0; i < FILLED_FLOATS; i++)
        values[i] = (float)random_between(&random, -1, 1);
    for (int64_t i = 0; i < BUFFER_FLOATS; i += FILLED_FLOATS)
        check(cudaMemcpy(buffer + i, values, (size_t)FILLED_FLOATS * sizeof *values,
                         cudaMemcpyHostToDevice));
    free(values);
}

static void open_device(void) {
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    check(cudaEventCreate(&begin));
    check(cudaEventCreate(&end));
    for (int i = 0; i < NUM_BUFFERS; i++) {
        void *memory = NULL;
        check(cudaMalloc(&memory, (size_t)BUFFER_FLOATS * sizeof(float)));
        buffers[i] = memory;
        fill(buffers[i]);
    }
}

// ---- One product ----

static enum buffer result_of(const struct product *product) {
    if (product->kind == PRODUCT_FORWARD) return Y;
    return product->kind == PRODUCT_BACKWARD_DATA ? X : WEIGHTS;
}

static double flops_of(const struct product *product) {
    const struct dnn_shape *s = &product->shape;
    return 2.0 * (double)(s->n * s->out_h * s->out_w * s->out) *
           (double)(s->kernel * s->kernel * s->in) / (double)s->groups;
}

// Seconds of one run, after one that is not counted; less than 0 if it does not run.
static double time_plan(struct plans *plans, const struct plan *plan, struct error *err) {
    const struct product_data data = {buffers[X],    buffers[WEIGHTS],  buffers[Y],
                                      buffers[BIAS], buffers[RESIDUAL], NULL};
    if (!plan_run(plans, plan, &data, buffers[WORKSPACE], err)) return -1;
    check(cudaEventRecord(begin, stream));
    for (int i = 0; i < NUM_RUNS; i++)
        if (!plan_run(plans, plan, &data, buffers[WORKSPACE], err)) return -1;
    check(cudaEventRecord(end, stream));
    check(cudaStreamSynchronize(stream));
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end));
    return (double)milliseconds / 1000 / NUM_RUNS;
}

// How far the result is from that of the first engine, which is kept.
static double difference(const float *result, bool is_first) {
    static float first[NUM_COMPARED];
    static float values[NUM_COMPARED];
    double largest = 0;
    double off = 0;
    check(cudaMemcpy(is_first ? first : values, result, sizeof values, cudaMemcpyDeviceToHost));
    for (int i = 0; i < NUM_COMPARED && !is_first; i++) {
        largest = fmax(largest, fabs((double)first[i]));
        off = fmax(off, fabs((double)first[i] - (double)values[i]));
    }
    return largest > 0 ? off / largest : 0;
}

struct engines {
    int count;
    int64_t numbers[MAX_ENGINES];
    double seconds[MAX_ENGINES];
    double off;
};

static void time_engines(struct plans *plans, const struct product *product, struct engines *e) {
    struct plan *plan = NULL;
    struct error err = {0};
    *e = (struct engines){0};
    while (e->count < MAX_ENGINES && plans_find(plans, product, &plan, &err) == STATUS_OK) {
        if (product->epilogue & EPILOGUE_ADD)
            fill(buffers[result_of(product)]); // for each the same
        double seconds = time_plan(plans, plan, &err);
        if (seconds < 0) {
            printf("engine %lld: %s\n", (long long)plan_engine(plan), err.message);
        } else {
            e->off = fmax(e->off, difference(buffers[result_of(product)], e->count == 0));
            e->numbers[e->count] = plan_engine(plan);
            e->seconds[e->count++] = seconds;
        }
        plan_replace(plans, plan, &err);
    }
}

struct totals {
    double first, best, flops;
};

static void report(const struct product *product, const struct engines *e, struct totals *totals) {
    int best = 0;
    for (int i = 1; i < e->count; i++)
        if (e->seconds[i] < e->seconds[best]) best = i;
    double flops = flops_of(product);
    char name[256];
    product_name(product, name, sizeof name);
    printf("%7.2f %6lld %8.1f %6.1f %6lld %8.1f %6.1f %6.2f %8.1e  %s\n", flops * 1e-9,
           (long long)e->numbers[0], e->seconds[0] * 1e6, flops / e->seconds[0] * 1e-12,
           (long long)e->numbers[best], e->seconds[best] * 1e6, flops / e->seconds[best] * 1e-12,
           e->seconds[0] / e->seconds[best], e->off, name);
    totals->first += e->seconds[0];
    totals->best += e->seconds[best];
    totals->flops += flops;
}

// ---- All products of a model ----

static void time_model(const char *path, int32_t height, int32_t width, int32_t rules) {
    static const char *const KINDS[NUM_KINDS] = {"forward", "data", "weights"};
    static struct product_list list;
    struct totals totals[NUM_KINDS] = {{0, 0, 0}};
    struct plans *plans = NULL;
    struct error err;
    memset(&list, 0, sizeof list);
    collect_products(&list, path, rules, height, width);
    if (plans_open(&plans, &(struct plans_options){.stream = stream}, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    printf("\n%s, %d x %d\n%7s %6s %8s %6s %6s %8s %6s %6s %8s\n",
           rules & PRODUCT_TF32 ? "tf32" : "float32", (int)width, (int)height, "GFLOP", "engine",
           "us", "TFLOPS", "best", "us", "TFLOPS", "ratio", "off");
    for (int64_t i = 0; i < list.count; i++) {
        struct engines engines;
        time_engines(plans, &list.items[i], &engines);
        if (engines.count) report(&list.items[i], &engines, &totals[list.items[i].kind]);
    }
    for (int i = 0; i < NUM_KINDS; i++)
        printf("%s, each product once: %.2f ms, with the fastest engines %.2f ms, %.1f GFLOP\n",
               KINDS[i], totals[i].first * 1e3, totals[i].best * 1e3, totals[i].flops * 1e-9);
    plans_close(plans);
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : CONFIGS "/r50_bn_2fc_90k.json";
    int32_t height = argc > 3 ? atoi(argv[2]) : 800;
    int32_t width = argc > 3 ? atoi(argv[3]) : 1344;
    open_device();
    time_model(path, height, width, 0);
    time_model(path, height, width, PRODUCT_TF32);
    return 0;
}

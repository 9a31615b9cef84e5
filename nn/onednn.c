#include "nn/onednn.h"

#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "nn/onednn_descriptors.h"
#include "nn/vectorised.h"

enum { MAX_PRIMITIVES = 1024, NUM_BUCKETS = 2048, MAX_ARGUMENTS = 8 };

// The fields of struct dnn_arguments, as indices.
enum field { SRC, WEIGHTS, BIAS, RESIDUAL, DIFF_DST, DST, SCRATCH, NUM_FIELDS };

struct dnn_layout {
    struct dnn_layout *next;
    dnn_descriptor packed;
    dnn_descriptor plain;
    int64_t floats;
    dnnl_primitive_t pack; // made when first used
    dnnl_primitive_t unpack;
    dnnl_memory_t packed_memory;
    dnnl_memory_t plain_memory;
    struct dnn_blocking blocking;
};

enum kind { CONV, LINEAR, MATMUL };

struct key {
    enum kind kind;
    struct dnn_conv conv;
    struct dnn_linear linear;
    struct dnn_matmul matmul;
};

struct dnn_primitive {
    struct key key;
    struct dnn_primitive *next; // in its bucket
    uint64_t last_use;
    dnnl_primitive_desc_t descriptor;
    dnnl_primitive_t primitive;
    const struct dnn_layout *layout;
    int64_t scratch_floats;
    bool copies_residual; // the residual is put into dst beforehand, and the result added to it
    size_t dst_bytes;     // of a forward pass
    int num_arguments;
    dnnl_exec_arg_t arguments[MAX_ARGUMENTS];
    enum field fields[MAX_ARGUMENTS]; // where each argument's data comes from
};

struct onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct dnn_layout *layouts;
    struct dnn_primitive *buckets[NUM_BUCKETS];
    int num_primitives;
    uint64_t uses;
};

static enum status failed(dnnl_status_t code, const char *what, struct error *err) {
    switch ((int)code) {
    case dnnl_success:
        return STATUS_OK;
    case dnnl_out_of_memory:
        return error_set(err, STATUS_MEMORY, "oneDNN: out of memory for %s", what);
    case dnnl_unimplemented:
        return error_set(err, STATUS_UNSUPPORTED, "oneDNN cannot do %s on this machine", what);
    default:
        return error_set(err, STATUS_INTERNAL, "oneDNN: %s failed with code %d", what, (int)code);
    }
}

struct onednn_version onednn_version(void) {
    struct onednn_version version;
    const dnnl_version_t *v = dnnl_version();
    snprintf(version.text, sizeof version.text, "%d.%d.%d", v->major, v->minor, v->patch);
    return version;
}

bool onednn_has_bf16(void) {
    // A set of instructions has the bits of all sets that it includes.
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    unsigned wanted = dnnl_cpu_isa_avx512_core_bf16;
    return (isa & wanted) == wanted;
}

enum status onednn_create(struct onednn **result, struct error *err) {
    *result = NULL;
    struct onednn *dnn = calloc(1, sizeof *dnn);
    if (!dnn) return error_memory(err, "oneDNN", sizeof *dnn);
    enum status status = failed(dnnl_engine_create(&dnn->engine, dnnl_cpu, 0), "start", err);
    if (status == STATUS_OK)
        status = failed(dnnl_stream_create(&dnn->stream, dnn->engine, dnnl_stream_default_flags),
                        "start", err);
    if (status != STATUS_OK) {
        onednn_destroy(dnn);
        return status;
    }
    *result = dnn;
    return STATUS_OK;
}

static void destroy_primitive(struct dnn_primitive *p) {
    for (int i = 0; i < p->num_arguments; i++)
        dnnl_memory_destroy(p->arguments[i].memory);
    if (p->primitive) dnnl_primitive_destroy(p->primitive);
    if (p->descriptor) dnnl_primitive_desc_destroy(p->descriptor);
    free(p);
}

static void destroy_layout(struct dnn_layout *layout) {
    if (layout->pack) dnnl_primitive_destroy(layout->pack);
    if (layout->unpack) dnnl_primitive_destroy(layout->unpack);
    if (layout->packed_memory) dnnl_memory_destroy(layout->packed_memory);
    if (layout->plain_memory) dnnl_memory_destroy(layout->plain_memory);
    dnn_descriptor_destroy(&layout->packed);
    dnn_descriptor_destroy(&layout->plain);
    free(layout);
}

void onednn_destroy(struct onednn *dnn) {
    if (!dnn) return;
    for (int i = 0; i < NUM_BUCKETS; i++) {
        for (struct dnn_primitive *p = dnn->buckets[i], *next; p; p = next) {
            next = p->next;
            destroy_primitive(p);
        }
    }
    for (struct dnn_layout *layout = dnn->layouts, *next; layout; layout = next) {
        next = layout->next;
        destroy_layout(layout);
    }
    if (dnn->stream) dnnl_stream_destroy(dnn->stream);
    if (dnn->engine) dnnl_engine_destroy(dnn->engine);
    free(dnn);
}

// ---- Layouts of weights ----

static enum status create_layout(struct onednn *dnn, const_dnn_descriptor packed,
                                 struct dnn_layout **result, struct error *err) {
    struct dnn_layout *layout = calloc(1, sizeof *layout);
    if (!layout) return error_memory(err, "a layout of weights", sizeof *layout);
    dnnl_status_t code = dnn_descriptor_copy(&layout->packed, packed);
    if (code == dnnl_success) code = dnn_descriptor_plain(&layout->plain, packed);
    if (code == dnnl_success)
        code = dnnl_memory_create(&layout->packed_memory, DNN_DESCRIPTOR(layout->packed),
                                  dnn->engine, DNNL_MEMORY_NONE);
    if (code == dnnl_success)
        code = dnnl_memory_create(&layout->plain_memory, DNN_DESCRIPTOR(layout->plain), dnn->engine,
                                  DNNL_MEMORY_NONE);
    if (code != dnnl_success) {
        destroy_layout(layout);
        return failed(code, "a layout of weights", err);
    }
    size_t bytes = dnnl_memory_desc_get_size(DNN_DESCRIPTOR(layout->packed));
    layout->floats = (int64_t)((bytes + sizeof(float) - 1) / sizeof(float));
    dnn_descriptor_blocking(packed, &layout->blocking);
    layout->next = dnn->layouts;
    dnn->layouts = layout;
    *result = layout;
    return STATUS_OK;
}

static enum status find_layout(struct onednn *dnn, const_dnn_descriptor packed,
                               const struct dnn_layout **result, struct error *err) {
    for (struct dnn_layout *layout = dnn->layouts; layout; layout = layout->next) {
        if (!dnnl_memory_desc_equal(DNN_DESCRIPTOR(layout->packed), packed)) continue;
        *result = layout;
        return STATUS_OK;
    }
    struct dnn_layout *layout = NULL;
    TRY(create_layout(dnn, packed, &layout, err));
    *result = layout;
    return STATUS_OK;
}

const struct dnn_layout *dnn_weights_layout(const struct dnn_primitive *primitive) {
    return primitive->layout;
}

int64_t dnn_layout_floats(const struct dnn_layout *layout) {
    return layout->floats;
}

static enum status reorder(struct onednn *dnn, dnnl_primitive_t *primitive,
                           const dnn_descriptor *from, dnnl_memory_t from_memory,
                           const void *from_data, const dnn_descriptor *to, dnnl_memory_t to_memory,
                           void *to_data, struct error *err) {
    dnnl_status_t code = dnnl_success;
    if (!*primitive) {
        dnnl_primitive_desc_t descriptor = NULL;
        code = dnnl_reorder_primitive_desc_create(&descriptor, DNN_DESCRIPTOR(*from), dnn->engine,
                                                  DNN_DESCRIPTOR(*to), dnn->engine, NULL);
        if (code == dnnl_success) code = dnnl_primitive_create(primitive, descriptor);
        if (descriptor) dnnl_primitive_desc_destroy(descriptor);
    }
    // The library's handles are not const, but a source is only read.
    if (code == dnnl_success)
        code = dnnl_memory_set_data_handle(from_memory, (void *)(uintptr_t)from_data);
    if (code == dnnl_success) code = dnnl_memory_set_data_handle(to_memory, to_data);
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from_memory}, {DNNL_ARG_TO, to_memory}};
    if (code == dnnl_success) code = dnnl_primitive_execute(*primitive, dnn->stream, 2, arguments);
    if (code == dnnl_success) code = dnnl_stream_wait(dnn->stream);
    return failed(code, "a reorder of weights", err);
}

enum status dnn_pack(struct onednn *dnn, const struct dnn_layout *constant, const float *plain,
                     void *packed, struct error *err) {
    struct dnn_layout *layout = (struct dnn_layout *)(uintptr_t)constant; // ours, from the list
    return reorder(dnn, &layout->pack, &layout->plain, layout->plain_memory, plain, &layout->packed,
                   layout->packed_memory, packed, err);
}

enum status dnn_unpack(struct onednn *dnn, const struct dnn_layout *constant, const void *packed,
                       float *plain, struct error *err) {
    struct dnn_layout *layout = (struct dnn_layout *)(uintptr_t)constant;
    return reorder(dnn, &layout->unpack, &layout->packed, layout->packed_memory, packed,
                   &layout->plain, layout->plain_memory, plain, err);
}

bool dnn_can_scale_inputs(const struct dnn_layout *layout) {
    return layout->blocking.known;
}

// Blocks of outputs lie together, so the channel changes once for each block.
VECTORISED static void scale_inputs(const struct dnn_blocking *b, int64_t output_block,
                                    const float *packed, const float *scales, float *scaled) {
    for (int64_t y = 0; y < b->height; y++) {
        for (int64_t x = 0; x < b->width; x++) {
            int64_t base = output_block * b->stride_out + y * b->stride_y + x * b->stride_x;
            for (int64_t i = 0; i < b->in; i++) {
                int64_t at = base + i / b->in_block * b->stride_in + i % b->in_block * b->out_block;
                for (int64_t o = 0; o < b->out_block; o++)
                    scaled[at + o] = packed[at + o] * scales[i];
            }
            // What pads the last block of inputs is zero and must stay so.
            for (int64_t i = b->in; i % b->in_block != 0; i++) {
                int64_t at = base + i / b->in_block * b->stride_in + i % b->in_block * b->out_block;
                memset(scaled + at, 0, (size_t)b->out_block * sizeof *scaled);
            }
        }
    }
}

void dnn_scale_inputs(const struct dnn_layout *layout, const float *packed, const float *scales,
                      float *scaled) {
    const struct dnn_blocking *b = &layout->blocking;
    CHECK(b->known);
    int64_t blocks = (b->out + b->out_block - 1) / b->out_block;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < blocks; i++)
        scale_inputs(b, i, packed, scales, scaled);
}

// ---- Primitives ----

static uint64_t hash_key(const struct key *key) {
    uint64_t hash = hash_bytes(HASH_START, key, sizeof *key);
    return hash ^ hash >> 32;
}

static struct dnn_primitive *find_primitive(struct onednn *dnn, const struct key *key) {
    struct dnn_primitive *p = dnn->buckets[hash_key(key) % NUM_BUCKETS];
    while (p && memcmp((const void *)&p->key, (const void *)key, sizeof *key) != 0)
        p = p->next;
    if (p) p->last_use = ++dnn->uses;
    return p;
}

static void drop_oldest(struct onednn *dnn) {
    struct dnn_primitive **oldest = NULL;
    for (int i = 0; i < NUM_BUCKETS; i++)
        for (struct dnn_primitive **at = &dnn->buckets[i]; *at; at = &(*at)->next)
            if (!oldest || (*at)->last_use < (*oldest)->last_use) oldest = at;
    if (!oldest) return;
    struct dnn_primitive *victim = *oldest;
    *oldest = victim->next;
    destroy_primitive(victim);
    dnn->num_primitives--;
}

static dnnl_status_t add_argument(struct onednn *dnn, struct dnn_primitive *p, int argument,
                                  enum field field, const_dnn_descriptor descriptor) {
    CHECK(p->num_arguments < MAX_ARGUMENTS);
    dnnl_memory_t memory = NULL;
    dnnl_status_t code = dnnl_memory_create(&memory, descriptor, dnn->engine, DNNL_MEMORY_NONE);
    if (code != dnnl_success) return code;
    p->arguments[p->num_arguments] = (dnnl_exec_arg_t){argument, memory};
    p->fields[p->num_arguments++] = field;
    return dnnl_success;
}

static enum status add_arguments(struct onednn *dnn, struct dnn_primitive *p, struct error *err) {
    const struct key *key = &p->key;
    // What a key is not about is zero in it.
    enum dnn_pass pass = key->kind == CONV ? key->conv.pass : DNN_FORWARD;
    bool bias = key->linear.bias || key->conv.bias;
    bool residual = key->linear.residual || key->conv.residual;
    bool weights_pass = pass == DNN_BACKWARD_WEIGHTS;
    const_dnn_descriptor weights = dnnl_primitive_desc_query_md(
        p->descriptor, weights_pass ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    const_dnn_descriptor scratch =
        dnnl_primitive_desc_query_md(p->descriptor, dnnl_query_scratchpad_md, 0);
    if (key->kind != MATMUL) TRY(find_layout(dnn, weights, &p->layout, err));
    if (pass == DNN_FORWARD)
        p->dst_bytes = dnnl_memory_desc_get_size(
            dnnl_primitive_desc_query_md(p->descriptor, dnnl_query_dst_md, 0));
    p->scratch_floats = (int64_t)(dnnl_memory_desc_get_size(scratch) / sizeof(float)) + 1;

    const struct {
        int argument;
        enum field field;
        dnnl_query_t query;
        bool used;
    } all[] = {
        {DNNL_ARG_SRC, SRC, dnnl_query_src_md, pass != DNN_BACKWARD_DATA},
        {DNNL_ARG_DIFF_DST, SRC, dnnl_query_diff_dst_md, pass == DNN_BACKWARD_DATA},
        {DNNL_ARG_WEIGHTS, WEIGHTS, dnnl_query_weights_md, !weights_pass},
        {DNNL_ARG_DIFF_WEIGHTS, DST, dnnl_query_diff_weights_md, weights_pass},
        {DNNL_ARG_DIFF_DST, DIFF_DST, dnnl_query_diff_dst_md, weights_pass},
        {DNNL_ARG_DST, DST, dnnl_query_dst_md, pass == DNN_FORWARD},
        {DNNL_ARG_DIFF_SRC, DST, dnnl_query_diff_src_md, pass == DNN_BACKWARD_DATA},
        {DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, RESIDUAL, dnnl_query_dst_md,
         residual && !p->copies_residual},
        {DNNL_ARG_SCRATCHPAD, SCRATCH, dnnl_query_scratchpad_md, true},
    };
    dnnl_status_t code = dnnl_success;
    for (size_t i = 0; i < sizeof all / sizeof all[0] && code == dnnl_success; i++)
        if (all[i].used)
            code = add_argument(dnn, p, all[i].argument, all[i].field,
                                dnnl_primitive_desc_query_md(p->descriptor, all[i].query, 0));
    if (code == dnnl_success && bias)
        code = add_argument(dnn, p, DNNL_ARG_BIAS, BIAS,
                            dnnl_primitive_desc_query_md(p->descriptor, dnnl_query_weights_md, 1));
    return failed(code, "the memory of a computation", err);
}

static dnnl_status_t describe(struct onednn *dnn, struct dnn_primitive *p) {
    const struct key *key = &p->key;
    switch (key->kind) {
    case CONV:
        return dnn_conv_descriptor(dnn->engine, &key->conv, &p->descriptor, &p->copies_residual);
    case LINEAR:
        return dnn_linear_descriptor(dnn->engine, &key->linear, &p->descriptor);
    case MATMUL:
        return dnn_matmul_descriptor(dnn->engine, &key->matmul, &p->descriptor);
    }
    return dnnl_invalid_arguments;
}

static void name_key(const struct key *key, char *what, size_t size) {
    const struct dnn_conv *conv = &key->conv;
    const struct dnn_matmul *matmul = &key->matmul;
    switch (key->kind) {
    case CONV:
        snprintf(what, size, "a %lldx%lld convolution from %lld to %lld channels on %lldx%lld",
                 (long long)conv->kernel, (long long)conv->kernel, (long long)conv->in_channels,
                 (long long)conv->out_channels, (long long)conv->h, (long long)conv->w);
        break;
    case LINEAR:
        snprintf(what, size, "a linear layer from %lld to %lld", (long long)key->linear.in,
                 (long long)key->linear.out);
        break;
    case MATMUL:
        snprintf(what, size, "a matrix product %lld x %lld x %lld", (long long)matmul->m,
                 (long long)matmul->k, (long long)matmul->n);
        break;
    }
}

static enum status create_primitive(struct onednn *dnn, struct dnn_primitive *p,
                                    struct error *err) {
    dnnl_status_t code = describe(dnn, p);
    if (code == dnnl_success) code = dnnl_primitive_create(&p->primitive, p->descriptor);
    if (code == dnnl_success) return add_arguments(dnn, p, err);
    char what[160];
    name_key(&p->key, what, sizeof what);
    return failed(code, what, err);
}

static enum status prepare(struct onednn *dnn, const struct key *key,
                           struct dnn_primitive **primitive, struct error *err) {
    *primitive = find_primitive(dnn, key);
    if (*primitive) return STATUS_OK;
    struct dnn_primitive *p = calloc(1, sizeof *p);
    if (!p) return error_memory(err, "a computation", sizeof *p);
    memcpy(&p->key, key, sizeof *key);
    enum status status = create_primitive(dnn, p, err);
    if (status != STATUS_OK) {
        destroy_primitive(p);
        return status;
    }
    if (dnn->num_primitives == MAX_PRIMITIVES) drop_oldest(dnn);
    struct dnn_primitive **bucket = &dnn->buckets[hash_key(key) % NUM_BUCKETS];
    p->next = *bucket;
    *bucket = p;
    p->last_use = ++dnn->uses;
    dnn->num_primitives++;
    *primitive = p;
    return STATUS_OK;
}

enum status dnn_conv(struct onednn *dnn, const struct dnn_conv *shape,
                     struct dnn_primitive **primitive, struct error *err) {
    struct key key;
    memset(&key, 0, sizeof key); // padding too: keys are compared as bytes
    key.conv.pass = shape->pass;
    key.conv.n = shape->n;
    key.conv.h = shape->h;
    key.conv.w = shape->w;
    key.conv.in_channels = shape->in_channels;
    key.conv.out_channels = shape->out_channels;
    key.conv.groups = shape->groups;
    key.conv.kernel = shape->kernel;
    key.conv.stride = shape->stride;
    key.conv.padding = shape->padding;
    key.conv.bias = shape->bias;
    key.conv.residual = shape->residual;
    key.conv.relu = shape->relu;
    key.conv.accumulate = shape->accumulate;
    key.conv.bf16 = shape->bf16;
    return prepare(dnn, &key, primitive, err);
}

enum status dnn_linear(struct onednn *dnn, const struct dnn_linear *shape,
                       struct dnn_primitive **primitive, struct error *err) {
    struct key key;
    memset(&key, 0, sizeof key);
    key.kind = LINEAR;
    key.linear.batch = shape->batch;
    key.linear.rows = shape->rows;
    key.linear.in = shape->in;
    key.linear.out = shape->out;
    key.linear.bias = shape->bias;
    key.linear.residual = shape->residual;
    key.linear.relu = shape->relu;
    key.linear.bf16 = shape->bf16;
    return prepare(dnn, &key, primitive, err);
}

enum status dnn_matmul(struct onednn *dnn, const struct dnn_matmul *shape,
                       struct dnn_primitive **primitive, struct error *err) {
    struct key key;
    memset(&key, 0, sizeof key);
    key.kind = MATMUL;
    key.matmul.batch = shape->batch;
    key.matmul.m = shape->m;
    key.matmul.n = shape->n;
    key.matmul.k = shape->k;
    key.matmul.transpose_a = shape->transpose_a;
    key.matmul.accumulate = shape->accumulate;
    return prepare(dnn, &key, primitive, err);
}

const char *dnn_implementation(const struct dnn_primitive *primitive) {
    return dnn_descriptor_implementation(primitive->descriptor);
}

int64_t dnn_scratch_floats(const struct dnn_primitive *primitive) {
    return primitive->scratch_floats;
}

enum status dnn_run(struct onednn *dnn, struct dnn_primitive *p,
                    const struct dnn_arguments *arguments, struct error *err) {
    const void *const data[NUM_FIELDS] = {
        [SRC] = arguments->src,           [WEIGHTS] = arguments->weights,
        [BIAS] = arguments->bias,         [RESIDUAL] = arguments->residual,
        [DIFF_DST] = arguments->diff_dst, [DST] = arguments->dst,
        [SCRATCH] = arguments->scratch,
    };
    for (int i = 0; i < p->num_arguments; i++) {
        CHECK(data[p->fields[i]]);
        dnnl_status_t code = dnnl_memory_set_data_handle(p->arguments[i].memory,
                                                         (void *)(uintptr_t)data[p->fields[i]]);
        if (code != dnnl_success) return failed(code, "a computation", err);
    }
    if (p->copies_residual) memcpy(arguments->dst, arguments->residual, p->dst_bytes);
    dnnl_status_t code =
        dnnl_primitive_execute(p->primitive, dnn->stream, p->num_arguments, p->arguments);
    if (code == dnnl_success) code = dnnl_stream_wait(dnn->stream);
    return failed(code, "a computation", err);
}

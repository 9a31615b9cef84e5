#include "nn/onednn_descriptors.h"

#include <string.h>

#include "base/check.h"

enum { ACTIVATION_DIMS = 4 };

// The raw facts about a descriptor, in both versions.
struct facts {
    int num_dims;
    const dnnl_dim_t *dims;
    const dnnl_dim_t *strides;
    int num_blocks;
    const dnnl_dim_t *blocks;
    const dnnl_dim_t *block_dims;
};

#if DNNL_VERSION_MAJOR < 3

static dnnl_status_t make(dnn_descriptor *result, int num_dims, const dnnl_dims_t dims,
                          dnnl_data_type_t type, dnnl_format_tag_t tag) {
    return dnnl_memory_desc_init_by_tag(result, num_dims, dims, type, tag);
}

dnnl_status_t dnn_descriptor_copy(dnn_descriptor *copy, const_dnn_descriptor descriptor) {
    *copy = *descriptor;
    return dnnl_success;
}

void dnn_descriptor_destroy(dnn_descriptor *descriptor) {
    (void)descriptor;
}

static bool get_facts(const_dnn_descriptor descriptor, struct facts *facts) {
    const dnnl_blocking_desc_t *blocking = &descriptor->format_desc.blocking;
    *facts = (struct facts){descriptor->ndims,     descriptor->dims,     blocking->strides,
                            blocking->inner_nblks, blocking->inner_blks, blocking->inner_idxs};
    return descriptor->format_kind == dnnl_blocked;
}

static dnnl_status_t append_relu(dnnl_post_ops_t operations) {
    return dnnl_post_ops_append_eltwise(operations, 1, dnnl_eltwise_relu, 0, 0);
}

#else

static dnnl_status_t make(dnn_descriptor *result, int num_dims, const dnnl_dims_t dims,
                          dnnl_data_type_t type, dnnl_format_tag_t tag) {
    return dnnl_memory_desc_create_with_tag(result, num_dims, dims, type, tag);
}

dnnl_status_t dnn_descriptor_copy(dnn_descriptor *copy, const_dnn_descriptor descriptor) {
    return dnnl_memory_desc_clone(copy, descriptor);
}

void dnn_descriptor_destroy(dnn_descriptor *descriptor) {
    if (*descriptor) dnnl_memory_desc_destroy(*descriptor);
    *descriptor = NULL;
}

static bool get_facts(const_dnn_descriptor descriptor, struct facts *facts) {
    static const dnnl_dims_t none;
    dnnl_format_kind_t kind = dnnl_format_kind_undef;
    *facts = (struct facts){.blocks = none, .block_dims = none};
    dnnl_memory_desc_query(descriptor, dnnl_query_ndims_s32, &facts->num_dims);
    dnnl_memory_desc_query(descriptor, dnnl_query_dims, (void *)&facts->dims);
    dnnl_memory_desc_query(descriptor, dnnl_query_format_kind, &kind);
    if (kind != dnnl_blocked) return false;
    dnnl_memory_desc_query(descriptor, dnnl_query_strides, (void *)&facts->strides);
    dnnl_memory_desc_query(descriptor, dnnl_query_inner_nblks_s32, &facts->num_blocks);
    if (facts->num_blocks == 0) return true;
    dnnl_memory_desc_query(descriptor, dnnl_query_inner_blks, (void *)&facts->blocks);
    dnnl_memory_desc_query(descriptor, dnnl_query_inner_idxs, (void *)&facts->block_dims);
    return true;
}

static dnnl_status_t append_relu(dnnl_post_ops_t operations) {
    return dnnl_post_ops_append_eltwise(operations, dnnl_eltwise_relu, 0, 0);
}

#endif

dnnl_status_t dnn_descriptor_plain(dnn_descriptor *plain, const_dnn_descriptor descriptor) {
    struct facts facts;
    get_facts(descriptor, &facts);
    dnnl_format_tag_t tag = facts.num_dims == 2   ? dnnl_ba
                            : facts.num_dims == 3 ? dnnl_acb
                            : facts.num_dims == 4 ? dnnl_abcd
                                                  : dnnl_abcde;
    return make(plain, facts.num_dims, facts.dims, dnnl_f32, tag);
}

void dnn_descriptor_blocking(const_dnn_descriptor descriptor, struct dnn_blocking *b) {
    *b = (struct dnn_blocking){.known = false};
    struct facts f;
    if (!get_facts(descriptor, &f) || f.num_dims != 4) return;
    if (f.num_blocks < 1 || f.num_blocks > 2) return;
    if (f.block_dims[f.num_blocks - 1] != 0) return; // innermost: outputs
    if (f.num_blocks == 2 && f.block_dims[0] != 1) return;
    *b = (struct dnn_blocking){
        .known = true,
        .out = f.dims[0],
        .in = f.dims[1],
        .height = f.dims[2],
        .width = f.dims[3],
        .out_block = f.blocks[f.num_blocks - 1],
        .in_block = f.num_blocks == 2 ? f.blocks[0] : 1,
        .stride_out = f.strides[0],
        .stride_in = f.strides[1],
        .stride_y = f.strides[2],
        .stride_x = f.strides[3],
    };
}

// What follows the computation, in this order: the residual or what dst holds is added, then ReLU.
struct extras {
    bool residual, accumulate, relu;
};

static dnnl_status_t make_attributes(dnnl_primitive_attr_t *attributes, const struct extras *extras,
                                     const_dnn_descriptor residual) {
    dnnl_post_ops_t operations = NULL;
    dnnl_status_t code = dnnl_primitive_attr_create(attributes);
    if (code == dnnl_success)
        code = dnnl_primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user);
    if (code == dnnl_success) code = dnnl_post_ops_create(&operations);
    if (code == dnnl_success && extras->residual)
        code = dnnl_post_ops_append_binary(operations, dnnl_binary_add, residual);
#if DNNL_VERSION_MAJOR < 3
    if (code == dnnl_success && extras->accumulate) code = dnnl_post_ops_append_sum(operations, 1);
#else
    if (code == dnnl_success && extras->accumulate)
        code = dnnl_post_ops_append_sum(operations, 1, 0, dnnl_f32);
#endif
    if (code == dnnl_success && extras->relu) code = append_relu(operations);
    if (code == dnnl_success) code = dnnl_primitive_attr_set_post_ops(*attributes, operations);
    if (operations) dnnl_post_ops_destroy(operations);
    return code;
}

static dnnl_data_type_t operand_type(bool bf16) {
    return bf16 ? dnnl_bf16 : dnnl_f32;
}

struct conv_memory {
    dnn_descriptor x, weights, bias, y;
};

static dnnl_status_t describe_conv(const struct dnn_conv *s, struct conv_memory *m) {
    dnnl_dim_t oh = (s->h + 2 * s->padding - s->kernel) / s->stride + 1;
    dnnl_dim_t ow = (s->w + 2 * s->padding - s->kernel) / s->stride + 1;
    dnnl_dims_t x = {s->n, s->in_channels, s->h, s->w};
    dnnl_dims_t y = {s->n, s->out_channels, oh, ow};
    dnnl_dims_t weights = {s->out_channels, s->in_channels, s->kernel, s->kernel};
    dnnl_dims_t grouped = {s->groups, s->out_channels / s->groups, s->in_channels / s->groups,
                           s->kernel, s->kernel};
    dnnl_dims_t bias = {s->out_channels};
    dnnl_data_type_t type = operand_type(s->bf16);
    dnnl_status_t code = make(&m->x, ACTIVATION_DIMS, x, type, dnnl_nhwc);
    if (code == dnnl_success) code = make(&m->y, ACTIVATION_DIMS, y, dnnl_f32, dnnl_nhwc);
    if (code == dnnl_success && s->groups == 1)
        code = make(&m->weights, 4, weights, type, dnnl_format_tag_any);
    if (code == dnnl_success && s->groups != 1)
        code = make(&m->weights, 5, grouped, type, dnnl_format_tag_any);
    if (code == dnnl_success) code = make(&m->bias, 1, bias, dnnl_f32, dnnl_a);
    return code;
}

static void destroy_conv(struct conv_memory *m) {
    dnn_descriptor_destroy(&m->x);
    dnn_descriptor_destroy(&m->weights);
    dnn_descriptor_destroy(&m->bias);
    dnn_descriptor_destroy(&m->y);
}

const char *dnn_descriptor_implementation(const_dnnl_primitive_desc_t descriptor) {
    const char *name = NULL;
    dnnl_primitive_desc_query(descriptor, dnnl_query_impl_info_str, 0, (void *)&name);
    return name ? name : "";
}

// oneDNN's 1x1 convolution compacts a strided input before it computes the weights' gradient. With
// fewer channels than a vector holds, it writes beyond its scratch memory there (2.6 and 3.2), so
// that implementation is passed over.
static bool is_unsafe(const struct dnn_conv *s, enum dnn_pass pass,
                      const_dnnl_primitive_desc_t descriptor) {
    enum { VECTOR = 16 };
    if (pass != DNN_BACKWARD_WEIGHTS || s->kernel != 1 || s->stride == 1) return false;
    if (s->in_channels / s->groups >= VECTOR) return false;
    return strstr(dnn_descriptor_implementation(descriptor), "1x1") != NULL;
}

#if DNNL_VERSION_MAJOR < 3
static dnnl_status_t first_safe(dnnl_engine_t engine, const struct dnn_conv *s, enum dnn_pass pass,
                                const dnnl_convolution_desc_t *conv,
                                const_dnnl_primitive_attr_t attributes,
                                const_dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *result) {
    dnnl_primitive_desc_iterator_t iterator = NULL;
    dnnl_status_t code =
        dnnl_primitive_desc_iterator_create(&iterator, conv, attributes, engine, hint);
    while (code == dnnl_success) {
        *result = dnnl_primitive_desc_iterator_fetch(iterator);
        if (!*result) code = dnnl_out_of_memory;
        if (!*result || !is_unsafe(s, pass, *result)) break;
        dnnl_primitive_desc_destroy(*result);
        *result = NULL;
        code = dnnl_primitive_desc_iterator_next(iterator);
    }
    if (iterator) dnnl_primitive_desc_iterator_destroy(iterator);
    return code;
}
#endif

// The descriptor of pass; hint is the forward pass's for the other two.
static dnnl_status_t create_conv(dnnl_engine_t engine, const struct dnn_conv *s,
                                 const struct conv_memory *m, enum dnn_pass pass,
                                 const_dnnl_primitive_attr_t attributes, bool training,
                                 const_dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *result) {
    dnnl_dims_t strides = {s->stride, s->stride};
    dnnl_dims_t padding = {s->padding, s->padding};
    dnnl_prop_kind_t kind = training ? dnnl_forward_training : dnnl_forward_inference;
#if DNNL_VERSION_MAJOR < 3
    dnnl_convolution_desc_t conv = {0};
    const dnnl_memory_desc_t *bias = s->bias ? &m->bias : NULL;
    dnnl_status_t code = dnnl_success;
    if (pass == DNN_FORWARD)
        code =
            dnnl_convolution_forward_desc_init(&conv, kind, dnnl_convolution_direct, &m->x,
                                               &m->weights, bias, &m->y, strides, padding, padding);
    if (pass == DNN_BACKWARD_DATA)
        code = dnnl_convolution_backward_data_desc_init(
            &conv, dnnl_convolution_direct, &m->x, &m->weights, &m->y, strides, padding, padding);
    if (pass == DNN_BACKWARD_WEIGHTS)
        code = dnnl_convolution_backward_weights_desc_init(&conv, dnnl_convolution_direct, &m->x,
                                                           &m->weights, NULL, &m->y, strides,
                                                           padding, padding);
    if (code != dnnl_success) return code;
    return first_safe(engine, s, pass, &conv, attributes, hint, result);
#else
    dnnl_dims_t dilation = {0, 0};
    if (pass == DNN_FORWARD)
        return dnnl_convolution_forward_primitive_desc_create(
            result, engine, kind, dnnl_convolution_direct, m->x, m->weights,
            s->bias ? m->bias : NULL, m->y, strides, dilation, padding, padding, attributes);
    if (pass == DNN_BACKWARD_DATA)
        return dnnl_convolution_backward_data_primitive_desc_create(
            result, engine, dnnl_convolution_direct, m->x, m->weights, m->y, strides, dilation,
            padding, padding, hint, attributes);
    dnnl_status_t code = dnnl_convolution_backward_weights_primitive_desc_create(
        result, engine, dnnl_convolution_direct, m->x, m->weights, NULL, m->y, strides, dilation,
        padding, padding, hint, attributes);
    while (code == dnnl_success && is_unsafe(s, pass, *result))
        code = dnnl_primitive_desc_next_impl(*result);
    return code;
#endif
}

static dnnl_status_t describe(dnnl_engine_t engine, const struct dnn_conv *shape,
                              dnnl_primitive_desc_t *result) {
    struct conv_memory memory = {0};
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t hint = NULL;
    struct extras extras = {shape->residual, shape->accumulate, shape->relu};
    bool backward = shape->pass != DNN_FORWARD;
    dnnl_status_t code = describe_conv(shape, &memory);
    if (code == dnnl_success)
        code = make_attributes(&attributes, &extras, DNN_DESCRIPTOR(memory.y));
    if (code == dnnl_success && backward)
        code = create_conv(engine, shape, &memory, DNN_FORWARD, NULL, true, NULL, &hint);
    if (code == dnnl_success)
        code = create_conv(engine, shape, &memory, shape->pass, attributes, false, hint, result);
    if (hint) dnnl_primitive_desc_destroy(hint);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    destroy_conv(&memory);
    return code;
}

// Whether the library falls back to its general matrix product, as it does where it has nothing
// better ("gemm:jit"; "brgemm" is something else).
static bool is_by_gemm(const_dnnl_primitive_desc_t descriptor) {
    const char *name = dnn_descriptor_implementation(descriptor);
    const char *at = strstr(name, "gemm");
    return at && (at == name || at[-1] != 'r');
}

// oneDNN 2.6's convolution by a general matrix product adds parts of a residual in wrong places.
// There, the residual is copied to where the result goes, and the result added to it.
dnnl_status_t dnn_conv_descriptor(dnnl_engine_t engine, const struct dnn_conv *shape,
                                  dnnl_primitive_desc_t *result, bool *copies_residual) {
    *copies_residual = false;
    dnnl_status_t code = describe(engine, shape, result);
    if (code != dnnl_success || !shape->residual || !is_by_gemm(*result)) return code;
    dnnl_primitive_desc_destroy(*result);
    *result = NULL;
    *copies_residual = true;
    struct dnn_conv accumulating = *shape;
    accumulating.residual = false;
    accumulating.accumulate = true;
    return describe(engine, &accumulating, result);
}

// The dimensions of one matrix, or of a batch of them.
static void set_matrix(int64_t batch, int64_t rows, int64_t columns, dnnl_dims_t dims) {
    int at = 0;
    if (batch > 1) dims[at++] = batch;
    dims[at++] = rows;
    dims[at] = columns;
}

static dnnl_status_t create_matmul(dnnl_engine_t engine, const struct conv_memory *m, bool bias,
                                   const_dnnl_primitive_attr_t attributes,
                                   dnnl_primitive_desc_t *result) {
#if DNNL_VERSION_MAJOR < 3
    dnnl_matmul_desc_t matmul;
    dnnl_status_t code =
        dnnl_matmul_desc_init(&matmul, &m->x, &m->weights, bias ? &m->bias : NULL, &m->y);
    if (code != dnnl_success) return code;
    return dnnl_primitive_desc_create(result, &matmul, attributes, engine, NULL);
#else
    return dnnl_matmul_primitive_desc_create(result, engine, m->x, m->weights,
                                             bias ? m->bias : NULL, m->y, attributes);
#endif
}

static dnnl_status_t describe_product(dnnl_engine_t engine, const struct dnn_linear *s,
                                      dnnl_primitive_desc_t *result) {
    bool batched = s->batch > 1;
    int num_dims = batched ? 3 : 2;
    dnnl_format_tag_t plain = batched ? dnnl_abc : dnnl_ab;
    dnnl_dims_t x;
    dnnl_dims_t weights;
    dnnl_dims_t bias;
    dnnl_dims_t y;
    set_matrix(s->batch, s->rows, s->in, x);
    set_matrix(s->batch, s->in, s->out, weights);
    set_matrix(s->batch, 1, s->out, bias);
    set_matrix(s->batch, s->rows, s->out, y);
    struct conv_memory m = {0};
    struct extras extras = {.residual = s->residual, .relu = s->relu};
    dnnl_data_type_t type = operand_type(s->bf16);
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t code = make(&m.x, num_dims, x, type, plain);
    if (code == dnnl_success) code = make(&m.weights, num_dims, weights, type, dnnl_format_tag_any);
    if (code == dnnl_success) code = make(&m.bias, num_dims, bias, dnnl_f32, plain);
    if (code == dnnl_success) code = make(&m.y, num_dims, y, dnnl_f32, plain);
    if (code == dnnl_success) code = make_attributes(&attributes, &extras, DNN_DESCRIPTOR(m.y));
    if (code == dnnl_success) code = create_matmul(engine, &m, s->bias, attributes, result);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    destroy_conv(&m);
    return code;
}

// With AVX2 and no more, a general matrix product sums its last rows in another order than the
// rest. A 1x1 convolution over the rows treats all alike.
dnnl_status_t dnn_linear_descriptor(dnnl_engine_t engine, const struct dnn_linear *s,
                                    dnnl_primitive_desc_t *result) {
    dnnl_status_t code = describe_product(engine, s, result);
    if (code != dnnl_success || s->batch > 1 || !is_by_gemm(*result)) return code;
    const struct dnn_conv conv = {
        .n = 1,
        .h = s->rows,
        .w = 1,
        .in_channels = s->in,
        .out_channels = s->out,
        .groups = 1,
        .kernel = 1,
        .stride = 1,
        .bias = s->bias,
        .residual = s->residual,
        .relu = s->relu,
        .bf16 = s->bf16,
    };
    dnnl_primitive_desc_t other = NULL;
    if (describe(engine, &conv, &other) != dnnl_success) return dnnl_success;
    bool better = !is_by_gemm(other);
    dnnl_primitive_desc_destroy(better ? *result : other);
    if (better) *result = other;
    return dnnl_success;
}

dnnl_status_t dnn_matmul_descriptor(dnnl_engine_t engine, const struct dnn_matmul *s,
                                    dnnl_primitive_desc_t *result) {
    bool batched = s->batch > 1;
    int num_dims = batched ? 3 : 2;
    dnnl_format_tag_t plain = batched ? dnnl_abc : dnnl_ab;
    dnnl_format_tag_t transposed = batched ? dnnl_acb : dnnl_ba;
    dnnl_dims_t a;
    dnnl_dims_t b;
    dnnl_dims_t c;
    set_matrix(s->batch, s->m, s->k, a);
    set_matrix(s->batch, s->k, s->n, b);
    set_matrix(s->batch, s->m, s->n, c);
    struct conv_memory m = {0};
    struct extras extras = {.accumulate = s->accumulate};
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t code = make(&m.x, num_dims, a, dnnl_f32, s->transpose_a ? transposed : plain);
    if (code == dnnl_success) code = make(&m.weights, num_dims, b, dnnl_f32, plain);
    if (code == dnnl_success) code = make(&m.y, num_dims, c, dnnl_f32, plain);
    if (code == dnnl_success) code = make_attributes(&attributes, &extras, DNN_DESCRIPTOR(m.y));
    if (code == dnnl_success) code = create_matmul(engine, &m, false, attributes, result);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    destroy_conv(&m);
    return code;
}

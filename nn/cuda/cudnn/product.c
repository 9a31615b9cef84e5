#include "nn/cuda/cudnn/product.h"

#include <stdio.h>

enum operand { X = 1, WEIGHTS, Y, BIAS, RESIDUAL, SQUARES, BETWEEN, MAX_OPERANDS = 8 };
enum { DIMS = 4, SPATIAL = 2, MAX_OPERATIONS = 6 };

// ---- Tensors ----

// One for what a product reads and writes: for results and biases in float32 beside factors of 16
// bits cuDNN has no compiled kernels.
static cudnnDataType_t type_of(const struct product *product, int64_t number, bool is_virtual) {
    static const cudnnDataType_t TYPES[NUM_NUMBER_TYPES] = {
        [NUMBER_FLOAT32] = CUDNN_DATA_FLOAT,
        [NUMBER_BF16] = CUDNN_DATA_BFLOAT16,
        [NUMBER_FP16] = CUDNN_DATA_HALF,
    };
    if (is_virtual || number == SQUARES) return CUDNN_DATA_FLOAT;
    return TYPES[product->type];
}

static descriptor tensor(struct descriptors *list, const struct product *product, int64_t number,
                         const int64_t *dims, bool is_virtual) {
    const int64_t strides[DIMS] = {dims[1] * dims[2] * dims[3], 1, dims[1] * dims[3], dims[1]};
    const int32_t float_alignment = 4;
    cudnnDataType_t type = type_of(product, number, is_virtual);
    bool is_too_small = is_virtual && product->alignment < float_alignment;
    int32_t alignment = is_too_small ? float_alignment : product->alignment;
    descriptor t = descriptor_create(list, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    descriptor_set(list, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    descriptor_set(list, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, DIMS, dims);
    descriptor_set(list, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, DIMS, strides);
    descriptor_set_int(list, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, number);
    descriptor_set_int(list, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, alignment);
    descriptor_set(list, t, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
    descriptor_finalise(list, t);
    return t;
}

// What the product writes.
static enum operand result_of(const struct product *product) {
    if (product->kind == PRODUCT_FORWARD) return Y;
    return product->kind == PRODUCT_BACKWARD_DATA ? X : WEIGHTS;
}

static void dims_of(const struct dnn_shape *s, enum operand operand, int64_t *dims) {
    const int64_t all[][DIMS] = {
        [X] = {s->n, s->in, s->h, s->w},
        [WEIGHTS] = {s->out, s->in / s->groups, s->kernel, s->kernel},
        [Y] = {s->n, s->out, s->out_h, s->out_w},
        [BIAS] = {1, s->out, 1, 1},
        [SQUARES] = {1, s->out, 1, 1},
    };
    for (int i = 0; i < DIMS; i++)
        dims[i] = all[operand][i];
}

static descriptor operand_of(struct descriptors *list, const struct product *product,
                             enum operand operand) {
    int64_t dims[DIMS];
    dims_of(&product->shape, operand, dims);
    return tensor(list, product, (int64_t)operand, dims, false);
}

// ---- Operations ----

static descriptor convolution(struct descriptors *list, const struct dnn_shape *s) {
    const int64_t paddings[SPATIAL] = {s->padding, s->padding};
    const int64_t strides[SPATIAL] = {s->stride, s->stride};
    const int64_t dilations[SPATIAL] = {1, 1};
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    descriptor c = descriptor_create(list, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    descriptor_set_int(list, c, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, SPATIAL);
    descriptor_set(list, c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    descriptor_set(list, c, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1,
                   &mode);
    descriptor_set(list, c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, SPATIAL,
                   paddings);
    descriptor_set(list, c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, SPATIAL,
                   paddings);
    descriptor_set(list, c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, SPATIAL,
                   strides);
    descriptor_set(list, c, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, SPATIAL, dilations);
    descriptor_finalise(list, c);
    return c;
}

// How each kind of product names its parts.
struct operation {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t convolution, x, weights, y, alpha, beta;
};

static const struct operation OPERATIONS[] = {
    [PRODUCT_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [PRODUCT_BACKWARD_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [PRODUCT_BACKWARD_WEIGHTS] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

// The product itself, with its result in out.
static descriptor multiplication(struct descriptors *list, const struct product *product,
                                 descriptor out) {
    const struct operation *names = &OPERATIONS[product->kind];
    enum operand result = result_of(product);
    descriptor parts[MAX_OPERANDS] = {NULL};
    for (enum operand i = X; i <= Y; i++)
        parts[i] = i == result ? out : operand_of(list, product, i);
    float alpha = 1;
    float beta = product->epilogue & EPILOGUE_ADD ? 1.0f : 0.0f;
    descriptor how = convolution(list, &product->shape);
    descriptor op = descriptor_create(list, names->type);
    descriptor_set_descriptor(list, op, names->convolution, how);
    descriptor_set_descriptor(list, op, names->x, parts[X]);
    descriptor_set_descriptor(list, op, names->weights, parts[WEIGHTS]);
    descriptor_set_descriptor(list, op, names->y, parts[Y]);
    descriptor_set(list, op, names->alpha, CUDNN_TYPE_FLOAT, 1, &alpha);
    descriptor_set(list, op, names->beta, CUDNN_TYPE_FLOAT, 1, &beta);
    descriptor_finalise(list, op);
    return op;
}

// out = a + b, a b, or relu(a) with b NULL.
static descriptor pointwise(struct descriptors *list, cudnnPointwiseMode_t mode, descriptor a,
                            descriptor b, descriptor out) {
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    descriptor how = descriptor_create(list, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    descriptor_set(list, how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    descriptor_set(list, how, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &type);
    descriptor_finalise(list, how);
    descriptor op = descriptor_create(list, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    descriptor_set_descriptor(list, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
    descriptor_set_descriptor(list, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a);
    if (b) descriptor_set_descriptor(list, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    descriptor_set_descriptor(list, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, out);
    descriptor_finalise(list, op);
    return op;
}

// CUDNN_ATTR_REDUCTION_IS_DETERMINISTIC, since cuDNN 9.11, which older headers do not have.
static const int REDUCTION_IS_DETERMINISTIC = 1602;

// out = the sums of a over positions, always in the same order.
static descriptor sums(struct descriptors *list, descriptor a, descriptor out) {
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    cudnnReduceTensorOp_t add = CUDNN_REDUCE_TENSOR_ADD;
    bool always_the_same = true;
    descriptor how = descriptor_create(list, CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
    descriptor_set(list, how, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1,
                   &add);
    descriptor_set(list, how, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    descriptor_set(list, how, (cudnnBackendAttributeName_t)REDUCTION_IS_DETERMINISTIC,
                   CUDNN_TYPE_BOOLEAN, 1, &always_the_same);
    descriptor_finalise(list, how);
    descriptor op = descriptor_create(list, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
    descriptor_set_descriptor(list, op, CUDNN_ATTR_OPERATION_REDUCTION_DESC, how);
    descriptor_set_descriptor(list, op, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, a);
    descriptor_set_descriptor(list, op, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, out);
    descriptor_finalise(list, op);
    return op;
}

// ---- The graph ----

// In the order in which cuDNN has fused kernels for them.
static const int32_t EPILOGUES[] = {EPILOGUE_RESIDUAL, EPILOGUE_BIAS, EPILOGUE_RELU};
enum { NUM_EPILOGUES = sizeof EPILOGUES / sizeof *EPILOGUES };

descriptor product_graph(struct descriptors *list, const struct product *product) {
    int64_t dims[DIMS];
    descriptor operations[MAX_OPERATIONS];
    int count = 0;
    int32_t left = product->epilogue & (EPILOGUE_BIAS | EPILOGUE_RESIDUAL | EPILOGUE_RELU);
    dims_of(&product->shape, result_of(product), dims);
    // Each operation but the last hands its result on in a tensor that is never stored.
    int64_t number = left ? BETWEEN : (int64_t)result_of(product);
    descriptor value = tensor(list, product, number, dims, left != 0);
    operations[count++] = multiplication(list, product, value);
    for (int i = 0; i < NUM_EPILOGUES; i++) {
        if (!(product->epilogue & EPILOGUES[i])) continue;
        left -= EPILOGUES[i];
        descriptor other = NULL;
        if (EPILOGUES[i] == EPILOGUE_BIAS) other = operand_of(list, product, BIAS);
        if (EPILOGUES[i] == EPILOGUE_RESIDUAL) other = tensor(list, product, RESIDUAL, dims, false);
        number = left ? BETWEEN + count : (int64_t)result_of(product);
        descriptor next = tensor(list, product, number, dims, left != 0);
        cudnnPointwiseMode_t mode = other ? CUDNN_POINTWISE_ADD : CUDNN_POINTWISE_RELU_FWD;
        operations[count++] = pointwise(list, mode, value, other, next);
        value = next;
    }
    if (product->epilogue & EPILOGUE_SQUARES) {
        descriptor squares = tensor(list, product, BETWEEN + count, dims, true);
        operations[count++] = pointwise(list, CUDNN_POINTWISE_MUL, value, value, squares);
        operations[count++] = sums(list, squares, operand_of(list, product, SQUARES));
    }
    descriptor graph = descriptor_create(list, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    descriptor_set(list, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count,
                   operations);
    descriptor_finalise(list, graph);
    return graph;
}

int product_operands(const struct product *product, const struct product_data *data,
                     int64_t *numbers, void **addresses) {
    const struct {
        enum operand number;
        int32_t epilogue; // that it belongs to; 0: to all products
        const void *address;
    } all[] = {
        {X, 0, data->x},
        {WEIGHTS, 0, data->weights},
        {Y, 0, data->y},
        {BIAS, EPILOGUE_BIAS, data->bias},
        {RESIDUAL, EPILOGUE_RESIDUAL, data->residual},
        {SQUARES, EPILOGUE_SQUARES, data->squares},
    };
    int count = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].epilogue && !(product->epilogue & all[i].epilogue)) continue;
        numbers[count] = (int64_t)all[i].number;
        addresses[count++] = (void *)all[i].address;
    }
    return count;
}

void product_name(const struct product *product, char *text, size_t bytes) {
    static const char *const NAMES[] = {"convolution", "gradient of the input",
                                        "gradient of the weights"};
    static const char *const TYPES[NUM_NUMBER_TYPES] = {"", ", bfloat16", ", float16"};
    const struct dnn_shape *s = &product->shape;
    snprintf(text, bytes,
             "%s, [%lld, %lld, %lld, %lld] to %lld channels, kernel %lld, stride %lld, padding "
             "%lld, groups %lld%s%s%s%s%s%s",
             NAMES[product->kind], (long long)s->n, (long long)s->h, (long long)s->w,
             (long long)s->in, (long long)s->out, (long long)s->kernel, (long long)s->stride,
             (long long)s->padding, (long long)s->groups,
             product->epilogue & EPILOGUE_BIAS ? ", bias" : "",
             product->epilogue & EPILOGUE_RESIDUAL ? ", residual" : "",
             product->epilogue & EPILOGUE_RELU ? ", ReLU" : "",
             product->epilogue & EPILOGUE_ADD ? ", added" : "",
             product->epilogue & EPILOGUE_SQUARES ? ", sums of squares" : "", TYPES[product->type]);
}

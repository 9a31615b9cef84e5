// What differs between oneDNN 2.6 and 3: descriptors of memory and of computations. Private to
// nn/onednn.c.
#pragma once

#include <dnnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "nn/onednn.h"

#if DNNL_VERSION_MAJOR < 3
typedef dnnl_memory_desc_t dnn_descriptor; // a value
typedef const dnnl_memory_desc_t *const_dnn_descriptor;
#define DNN_DESCRIPTOR(descriptor) (&(descriptor))
#else
typedef dnnl_memory_desc_t dnn_descriptor; // a handle
typedef const_dnnl_memory_desc_t const_dnn_descriptor;
#define DNN_DESCRIPTOR(descriptor) (descriptor)
#endif

// How weights [out, in, height, width] lie in memory, where blocks of outputs are innermost,
// perhaps within blocks of inputs. Strides in floats.
struct dnn_blocking {
    bool known; // false: some other layout
    int64_t out, in, height, width;
    int64_t out_block, in_block;
    int64_t stride_out, stride_in, stride_y, stride_x; // of whole blocks
};

dnnl_status_t dnn_descriptor_copy(dnn_descriptor *copy, const_dnn_descriptor descriptor);
// The plain layout (last dimension innermost) of the same dimensions; for two or three, those of a
// linear layer's weights or of several side by side, which the library sees transposed.
dnnl_status_t dnn_descriptor_plain(dnn_descriptor *plain, const_dnn_descriptor descriptor);
void dnn_descriptor_destroy(dnn_descriptor *descriptor); // zeroed is fine
void dnn_descriptor_blocking(const_dnn_descriptor descriptor, struct dnn_blocking *blocking);

// copies_residual tells that the caller has to put the residual into dst before each run.
dnnl_status_t dnn_conv_descriptor(dnnl_engine_t engine, const struct dnn_conv *shape,
                                  dnnl_primitive_desc_t *result, bool *copies_residual);
dnnl_status_t dnn_linear_descriptor(dnnl_engine_t engine, const struct dnn_linear *shape,
                                    dnnl_primitive_desc_t *result);
dnnl_status_t dnn_matmul_descriptor(dnnl_engine_t engine, const struct dnn_matmul *shape,
                                    dnnl_primitive_desc_t *result);

// The name of the library's implementation.
const char *dnn_descriptor_implementation(const_dnnl_primitive_desc_t descriptor);

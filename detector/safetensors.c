#include "detector/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "detector/safetensors_internal.h"

// ---- Types ----

static const struct {
    const char *name;
    int64_t bytes;
} dtypes[] = {
    [SAFETENSOR_F64] = {"F64", 8},   [SAFETENSOR_F32] = {"F32", 4}, [SAFETENSOR_F16] = {"F16", 2},
    [SAFETENSOR_BF16] = {"BF16", 2}, [SAFETENSOR_I64] = {"I64", 8}, [SAFETENSOR_I32] = {"I32", 4},
    [SAFETENSOR_I16] = {"I16", 2},   [SAFETENSOR_I8] = {"I8", 1},   [SAFETENSOR_U8] = {"U8", 1},
    [SAFETENSOR_BOOL] = {"BOOL", 1},
};

const char *safetensor_dtype_name(enum safetensor_dtype dtype) {
    return dtypes[dtype].name;
}

int64_t safetensor_dtype_bytes(enum safetensor_dtype dtype) {
    return dtypes[dtype].bytes;
}

// ---- Lookups ----

static int compare_name_with_item(const void *name, const void *item) {
    return strcmp(name, ((const struct safetensor *)item)->name);
}

const struct safetensor *safetensors_find(const struct safetensors *file, const char *name) {
    if (!file->count) return NULL;
    return bsearch(name, file->items, (size_t)file->count, sizeof *file->items,
                   compare_name_with_item);
}

static int compare_key_with_text(const void *key, const void *text) {
    return strcmp(key, ((const struct safetensors_text *)text)->key);
}

const char *safetensors_metadata(const struct safetensors *file, const char *key) {
    if (!file->num_metadata) return NULL;
    const struct safetensors_text *text = bsearch(key, file->metadata, (size_t)file->num_metadata,
                                                  sizeof *file->metadata, compare_key_with_text);
    return text ? text->value : NULL;
}

void safetensors_close(struct safetensors *file) {
    file_view_close(&file->view);
    *file = (struct safetensors){0};
}

// ---- Conversion ----

static float float_of_bits(uint32_t bits) {
    float value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// IEEE binary16: a sign, 5 bits of exponent, 10 of fraction. Every value is a float32.
static float float_of_half(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1F;
    uint32_t fraction = half & 0x3FF;
    if (exponent == 0) { // zero and subnormals: multiples of 2^-24
        float magnitude = (float)fraction * 0x1p-24F;
        return sign ? -magnitude : magnitude;
    }
    uint32_t wide = exponent == 0x1F ? 0xFF : exponent + (127 - 15);
    return float_of_bits(sign | wide << 23 | fraction << 13);
}

// BF16 is the upper half of a float32.
static float float_of_bfloat(uint16_t bfloat) {
    return float_of_bits((uint32_t)bfloat << 16);
}

static void convert_halves(const struct safetensor *tensor, float *out,
                           float (*convert)(uint16_t)) {
    const char *data = tensor->data;
    for (int64_t i = 0; i < tensor->count; i++) {
        uint16_t bits = 0;
        memcpy(&bits, data + i * (int64_t)sizeof bits, sizeof bits);
        out[i] = convert(bits);
    }
}

static enum status fail(const struct safetensor *tensor, enum status status, const char *message,
                        struct error *err) {
    return error_set(err, status, "%s%stensor \"%.64s\" %s", tensor->file ? tensor->file : "",
                     tensor->file ? ": " : "", tensor->name, message);
}

static enum status convert_doubles(const struct safetensor *tensor, float *out, struct error *err) {
    const char *data = tensor->data;
    for (int64_t i = 0; i < tensor->count; i++) {
        double value = 0;
        memcpy(&value, data + i * (int64_t)sizeof value, sizeof value);
        out[i] = (float)value;
        if (isfinite(value) && !isfinite(out[i])) {
            char message[96];
            snprintf(message, sizeof message,
                     "holds %.9g, expected a number in the range of float32", value);
            return fail(tensor, STATUS_DATA, message, err);
        }
    }
    return STATUS_OK;
}

enum status safetensor_to_float(const struct safetensor *tensor, float *out, struct error *err) {
    switch (tensor->dtype) {
    case SAFETENSOR_F32:
        if (tensor->bytes) memcpy(out, tensor->data, (size_t)tensor->bytes);
        return STATUS_OK;
    case SAFETENSOR_F16:
        convert_halves(tensor, out, float_of_half);
        return STATUS_OK;
    case SAFETENSOR_BF16:
        convert_halves(tensor, out, float_of_bfloat);
        return STATUS_OK;
    case SAFETENSOR_F64:
        return convert_doubles(tensor, out, err);
    case SAFETENSOR_I64:
    case SAFETENSOR_I32:
    case SAFETENSOR_I16:
    case SAFETENSOR_I8:
    case SAFETENSOR_U8:
    case SAFETENSOR_BOOL:
        break;
    }
    char message[64];
    snprintf(message, sizeof message, "is of type %s, expected F64, F32, F16 or BF16",
             safetensor_dtype_name(tensor->dtype));
    return fail(tensor, STATUS_UNSUPPORTED, message, err);
}

struct safetensor safetensor_of_floats(const char *name, int num_dims, const int64_t *shape,
                                       const float *data) {
    CHECK(num_dims >= 0 && num_dims <= SAFETENSOR_MAX_DIMS);
    struct safetensor tensor = {
        .name = name, .dtype = SAFETENSOR_F32, .num_dims = num_dims, .count = 1, .data = data};
    for (int i = 0; i < num_dims; i++) {
        tensor.shape[i] = shape[i];
        tensor.count *= shape[i];
    }
    tensor.bytes = tensor.count * (int64_t)sizeof *data;
    return tensor;
}

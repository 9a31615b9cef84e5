#include "detector/weights_check.h"

#include <math.h>
#include <string.h>

enum { EXPONENT_BITS = 0x7F800000 };

// All bits of the exponent are set in infinities and NaNs alone. Whole tensors are counted, as that
// is fast: the branch is taken in damaged files only.
static int64_t count_not_finite(const float *values, int64_t count) {
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits = 0;
        memcpy(&bits, &values[i], sizeof bits);
        found += (bits & EXPONENT_BITS) == EXPONENT_BITS;
    }
    return found;
}

static enum status refuse(const struct parameter *p, const char *file, const char *tensor,
                          int64_t index, const char *expected, struct error *err) {
    return error_set(
        err, STATUS_DATA, "%s: tensor \"%.64s\" holds %g (value %lld of %lld), expected %s", file,
        tensor, (double)p->host[index], (long long)index + 1, (long long)p->count, expected);
}

enum status weights_check(const struct parameter *parameter, const char *file, const char *tensor,
                          struct error *err) {
    const float *values = parameter->host;
    if (count_not_finite(values, parameter->count) > 0) {
        int64_t i = 0;
        while (isfinite(values[i]))
            i++;
        return refuse(parameter, file, tensor, i, "finite numbers", err);
    }
    if (parameter->kind != PARAMETER_NORM_VARIANCE) return STATUS_OK;
    for (int64_t i = 0; i < parameter->count; i++)
        if (values[i] < 0) return refuse(parameter, file, tensor, i, "variances of 0 or more", err);
    return STATUS_OK;
}

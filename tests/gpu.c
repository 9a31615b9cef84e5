#include "tests/gpu.h"

#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"

static const char *real_module(void) {
    return getenv("GCTMASK_CUDA_MODULE");
}

const char *tested_cuda_module(const char *emulated) {
    return real_module() ? real_module() : emulated;
}

void skip_without_device(const struct error *err) {
    if (real_module() && err->code == STATUS_DEVICE &&
        strstr(err->message, "no device can be used"))
        skip_case(err->message);
}

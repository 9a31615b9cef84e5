#include "tests/context.h"

#include "tests/gpu.h"
#include "tests/harness.h"

struct nn *tested_context(const struct nn_options *options) {
    struct nn *nn = NULL;
    struct error err;
    enum status status = nn_create(&nn, options, &err);
    if (status != STATUS_OK) skip_without_device(&err);
    EXPECT_OK(status, &err);
    REQUIRE(nn != NULL);
    return nn;
}

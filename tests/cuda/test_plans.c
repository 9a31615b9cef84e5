// Every product of every model in configs/ has a plan in cuDNN, for devices that are not here:
// cuDNN plans from their properties. A100 and H100 are described in a100.json and h100.json, and
// workspaces.txt has the most memory that a plan needs.
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file_view.h"
#include "tests/cuda/model_products.h"
#include "tests/harness.h"

enum { PATH_BYTES = 512, JSON_BYTES = 4096, LINE_BYTES = 512, FIRST_WITH_ORDER = 91100 };

static struct plans *open_plans(const char *device) {
    struct file_view view = {0};
    struct error err = {0};
    char path[PATH_BYTES];
    char json[JSON_BYTES];
    snprintf(path, sizeof path, PLANS_DIR "/%s.json", device);
    EXPECT_OK(file_view_open(&view, path, JSON_BYTES - 1, &err), &err);
    REQUIRE(err.code == STATUS_OK);
    memcpy(json, view.data, (size_t)view.size);
    json[view.size] = 0;
    file_view_close(&view);
    struct plans *plans = NULL;
    enum status status = plans_open(&plans, &(struct plans_options){.device_json = json}, &err);
    if (status == STATUS_DEVICE && strstr(err.message, "cannot open")) skip_case(err.message);
    EXPECT_OK(status, &err);
    REQUIRE(plans != NULL);
    return plans;
}

// ---- Models ----

// Collected once: for every second multiple of 32, and in 16 bits, whose plans take four times as
// long to make, for every sixth.
static const struct product_list *products_of_all(bool in_16_bits) {
    enum { STEP = 64, STEP_IN_16_BITS = 192 };
    static struct product_list lists[2];
    struct product_list *list = &lists[in_16_bits];
    if (list->count) return list;
    DIR *folder = opendir(CONFIGS);
    REQUIRE(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char path[PATH_BYTES];
        if (!strstr(entry->d_name, ".json")) continue;
        snprintf(path, sizeof path, CONFIGS "/%s", entry->d_name);
        collect_products_of_all_sizes(list, path, 0, in_16_bits ? STEP_IN_16_BITS : STEP);
    }
    closedir(folder);
    EXPECT(list->count > 1000);
    return list;
}

// The line of workspaces.txt for this device and precision, or "" if it is of another version.
static void kept_line(int64_t version, const char *start, char *line) {
    char wanted[LINE_BYTES];
    FILE *file = fopen(PLANS_DIR "/workspaces.txt", "r");
    REQUIRE(file != NULL);
    snprintf(wanted, sizeof wanted, "cuDNN %lld %s", (long long)version, start);
    while (fgets(line, LINE_BYTES, file))
        if (strncmp(line, wanted, strlen(wanted)) == 0) break;
    if (feof(file)) line[0] = 0;
    fclose(file);
    line[strcspn(line, "\n")] = 0;
}

static void expect_plans(const char *device, const char *precision, enum number_type type,
                         int32_t rules) {
    struct plans *plans = open_plans(device);
    const struct product_list *list = products_of_all(type != NUMBER_FLOAT32);
    int64_t largest = 0;
    char where[LINE_BYTES / 2] = "";
    for (int64_t i = 0; i < list->count; i++) {
        struct plan *plan = NULL;
        struct error err = {0};
        struct product product = list->items[i];
        product.rules = rules;
        product.type = (int64_t)type;
        EXPECT_OK(plans_find(plans, &product, &plan, &err), &err);
        if (err.code != STATUS_OK || plan_workspace_bytes(plan) <= largest) continue;
        largest = plan_workspace_bytes(plan);
        product_name(&product, where, sizeof where);
    }
    char start[LINE_BYTES / 4];
    char found[LINE_BYTES];
    char kept[LINE_BYTES];
    snprintf(start, sizeof start, "%s %s: ", device, precision);
    snprintf(found, sizeof found, "cuDNN %lld %s%lld bytes, %s", (long long)plans_version(plans),
             start, (long long)largest, where);
    printf("%s (%lld products)\n", found, (long long)list->count);
    kept_line(plans_version(plans), start, kept);
    if (kept[0])
        EXPECT_TEXT(found, kept);
    else
        printf("workspaces.txt has no line of this version\n");
    plans_close(plans);
}

static void a100(void) {
    expect_plans("a100", "float32", NUMBER_FLOAT32, 0);
}

static void a100_tf32(void) {
    expect_plans("a100", "tf32", NUMBER_FLOAT32, PRODUCT_TF32);
}

static void a100_bf16(void) {
    expect_plans("a100", "bfloat16", NUMBER_BF16, 0);
}

static void a100_fp16(void) {
    expect_plans("a100", "float16", NUMBER_FP16, 0);
}

static void h100(void) {
    expect_plans("h100", "float32", NUMBER_FLOAT32, 0);
}

static void h100_tf32(void) {
    expect_plans("h100", "tf32", NUMBER_FLOAT32, PRODUCT_TF32);
}

static void h100_bf16(void) {
    expect_plans("h100", "bfloat16", NUMBER_BF16, 0);
}

static void h100_fp16(void) {
    expect_plans("h100", "float16", NUMBER_FP16, 0);
}

// ---- Rules ----

static const struct product PRODUCT = {
    .shape = {1, 50, 84, 256, 50, 84, 256, 1, 3, 1, 1, 0},
    .kind = PRODUCT_FORWARD,
    .alignment = PRODUCT_MAX_ALIGNMENT,
};

static int64_t engine_under(struct plans *plans, int32_t rules, int32_t alignment) {
    struct plan *plan = NULL;
    struct plan *again = NULL;
    struct error err = {0};
    struct product product = PRODUCT;
    product.rules = rules;
    product.alignment = alignment;
    EXPECT_OK(plans_find(plans, &product, &plan, &err), &err);
    EXPECT_OK(plans_find(plans, &product, &again, &err), &err);
    REQUIRE(plan != NULL);
    EXPECT(again == plan);
    return plan_engine(plan);
}

// What is asked for decides which engine is taken.
static void rules(void) {
    struct plans *plans = open_plans("a100");
    int64_t plain = engine_under(plans, 0, PRODUCT_MAX_ALIGNMENT);
    EXPECT(engine_under(plans, PRODUCT_TF32, PRODUCT_MAX_ALIGNMENT) != plain);
    EXPECT(engine_under(plans, PRODUCT_DIRECT, PRODUCT_MAX_ALIGNMENT) != plain); // no Winograd
    engine_under(plans, 0, 4);
    engine_under(plans, PRODUCT_TF32, 4);
    plans_close(plans);
}

// An odd number of channels leaves an image of a batch with an address that 4 does not divide.
static void alignments(void) {
    static const char *const devices[] = {"a100", "h100"};
    for (int d = 0; d < 2; d++) {
        struct plans *plans = open_plans(devices[d]);
        for (int type = NUMBER_BF16; type <= NUMBER_FP16; type++) {
            struct plan *plan = NULL;
            struct error err = {0};
            struct product product = PRODUCT;
            product.shape.out = 3;
            product.type = type;
            product.alignment = 2;
            EXPECT_OK(plans_find(plans, &product, &plan, &err), &err);
            product.epilogue = EPILOGUE_BIAS;
            EXPECT_OK(plans_find(plans, &product, &plan, &err), &err);
            product.epilogue = 0;
            product.kind = PRODUCT_BACKWARD_DATA;
            EXPECT_OK(plans_find(plans, &product, &plan, &err), &err);
            product.kind = PRODUCT_BACKWARD_WEIGHTS;
            EXPECT_OK(plans_find(plans, &product, &plan, &err), &err);
        }
        plans_close(plans);
    }
}

// cuDNN has no fused kernel for a residual without a bias, and in float32 none is compiled.
static void no_plan(void) {
    struct plans *plans = open_plans("h100");
    struct product product = PRODUCT;
    product.epilogue = EPILOGUE_RESIDUAL;
    for (int i = 0; i < 2; i++) {
        struct plan *plan = NULL;
        struct error err = {0};
        EXPECT_STATUS(plans_find(plans, &product, &plan, &err), STATUS_UNSUPPORTED, &err);
        EXPECT_CONTAINS(err.message, "cuDNN: no plan for a convolution, [1, 50, 84, 256] to 256 "
                                     "channels, kernel 3, stride 1, padding 1, groups 1, residual");
    }
    plans_close(plans);
}

// ---- Compiled kernels ----

// Of a GCT-R50 at 800 x 1344: a block's three convolutions, and one with a stride.
static const struct product WITH_SUMS[] = {
    {{1, 200, 336, 256, 200, 336, 64, 1, 1, 1, 0, 0},
     PRODUCT_FORWARD,
     EPILOGUE_BIAS | EPILOGUE_RELU | EPILOGUE_SQUARES,
     PRODUCT_MAX_ALIGNMENT,
     PRODUCT_TF32,
     NUMBER_FLOAT32},
    {{1, 200, 336, 128, 100, 168, 128, 1, 3, 2, 1, 0},
     PRODUCT_FORWARD,
     EPILOGUE_BIAS | EPILOGUE_RELU | EPILOGUE_SQUARES,
     PRODUCT_MAX_ALIGNMENT,
     0,
     NUMBER_BF16},
    {{1, 50, 84, 256, 50, 84, 1024, 1, 1, 1, 0, 0},
     PRODUCT_FORWARD,
     EPILOGUE_BIAS | EPILOGUE_RESIDUAL | EPILOGUE_RELU | EPILOGUE_SQUARES,
     PRODUCT_MAX_ALIGNMENT,
     0,
     NUMBER_FP16},
};

// cuDNN compiles kernels that sum up squares always in the same order, which needs memory for the
// parts; and none without tensor cores. They want a driver, at least one that stands in.
static void expect_compiled(const char *device) {
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY);
    if (!driver) skip_case("there is no driver of CUDA, nor one that stands in");
    struct plans *plans = open_plans(device);
    if (plans_version(plans) < FIRST_WITH_ORDER) skip_case("this cuDNN sums up in any order");
    for (size_t i = 0; i < sizeof WITH_SUMS / sizeof *WITH_SUMS; i++) {
        struct plan *plan = NULL;
        struct error err = {0};
        struct product product = WITH_SUMS[i];
        EXPECT_OK(plans_find(plans, &product, &plan, &err), &err);
        if (err.code == STATUS_OK) EXPECT(plan_workspace_bytes(plan) > 0);
        product.rules = 0;
        product.type = NUMBER_FLOAT32;
        EXPECT_STATUS(plans_find(plans, &product, &plan, &err), STATUS_UNSUPPORTED, &err);
    }
    plans_close(plans);
}

static void compiled_a100(void) {
    expect_compiled("a100");
}

static void compiled_h100(void) {
    expect_compiled("h100");
}

static void wrong_device(void) {
    struct plans *plans = NULL;
    struct error err = {0};
    plans_close(open_plans("a100")); // skips without cuDNN
    EXPECT_STATUS(plans_open(&plans, &(struct plans_options){.device_json = "{}"}, &err),
                  STATUS_DEVICE, &err);
    EXPECT(plans == NULL);
    EXPECT_CONTAINS(err.message, "cuDNN: the device's properties: ");
}

// On a machine with a device: it is planned for as well, and prints what a file like a100.json says
// of it.
static void here(void) {
    struct plans *plans = NULL;
    struct error err = {0};
    if (plans_open(&plans, &(struct plans_options){0}, &err) != STATUS_OK) skip_case(err.message);
    engine_under(plans, 0, PRODUCT_MAX_ALIGNMENT);
    char *json = plans_device_json(plans);
    EXPECT(json != NULL);
    if (json) printf("%s\n", json);
    free(json);
    plans_close(plans);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"a100", a100},
                                          {"a100_tf32", a100_tf32},
                                          {"a100_bf16", a100_bf16},
                                          {"a100_fp16", a100_fp16},
                                          {"h100", h100},
                                          {"h100_tf32", h100_tf32},
                                          {"h100_bf16", h100_bf16},
                                          {"h100_fp16", h100_fp16},
                                          {"rules", rules},
                                          {"alignments", alignments},
                                          {"no_plan", no_plan},
                                          {"compiled_a100", compiled_a100},
                                          {"compiled_h100", compiled_h100},
                                          {"wrong_device", wrong_device},
                                          {"here", here},
                                          {0}});
}

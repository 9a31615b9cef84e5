// What cuBLASLt is asked for, without a device as far as it goes: all its functions are there, and
// it takes every description that nn/cuda/cublas makes of a product. On a machine with a device
// products of the models' layers have a plan.
#include <stdio.h>

#include "nn/cuda/cublas/plan.h"
#include "tests/harness.h"

enum { NUM_LAYERS = 8, NUM_TYPES = MATMUL_FP16 + 1 };

static struct cublas open_library(void) {
    struct cublas cublas = {0};
    struct error err = {0};
    enum status status = cublas_open(&cublas, &err);
    if (status == STATUS_DEVICE && strstr(err.message, "cannot open")) skip_case(err.message);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
    return cublas;
}

static struct matmul_operand operand_of(int32_t type, int64_t columns) {
    int64_t bytes = type == MATMUL_FLOAT32 ? 4 : 2;
    struct matmul_operand operand = {type, MATMUL_MAX_ALIGNMENT};
    while (columns * bytes % operand.alignment)
        operand.alignment /= 2;
    return operand;
}

// A product of the layers of a box head, or of the convolutions of one pixel on an image of 800 x
// 1344; result: the type of what it writes.
static struct matmul matmul_of(int layer, int32_t kind, int32_t type, int32_t result) {
    static const int64_t EXTENTS[NUM_LAYERS][3] = {
        {256, 12544, 1024}, {256, 1024, 1024}, {256, 1024, 81}, {256, 1024, 324},
        {67200, 64, 256},   {67200, 256, 64},  {67200, 256, 3}, {1050, 2048, 512}};
    const int64_t *extents = EXTENTS[layer];
    struct matmul m = {.rows = extents[0],
                       .in = extents[1],
                       .out = extents[2],
                       .kind = kind,
                       .bias_alignment = MATMUL_MAX_ALIGNMENT};
    m.x = operand_of(kind == MATMUL_INPUT ? result : type, m.in);
    m.weights = operand_of(kind == MATMUL_WEIGHTS ? result : type, m.in);
    m.y = operand_of(kind == MATMUL_FORWARD ? result : type, m.out);
    return m;
}

typedef void matmul_visitor(void *context, const struct matmul *matmul);

// Everything that follows a product, in its result's type.
static void visit_epilogues(matmul_visitor *visit, void *context, struct matmul m) {
    for (m.epilogue = 0; m.epilogue <= MATMUL_BIAS + MATMUL_RELU; m.epilogue++)
        visit(context, &m);
}

static void visit_all(matmul_visitor *visit, void *context) {
    for (int layer = 0; layer < NUM_LAYERS; layer++) {
        for (int32_t type = 0; type < NUM_TYPES; type++) {
            const struct matmul input = matmul_of(layer, MATMUL_INPUT, type, type);
            const struct matmul weights = matmul_of(layer, MATMUL_WEIGHTS, type, MATMUL_FLOAT32);
            visit_epilogues(visit, context, matmul_of(layer, MATMUL_FORWARD, type, type));
            visit_epilogues(visit, context, matmul_of(layer, MATMUL_FORWARD, type, MATMUL_FLOAT32));
            visit(context, &input);
            visit(context, &weights);
        }
        for (int32_t kind = MATMUL_FORWARD; kind <= MATMUL_WEIGHTS; kind++) {
            struct matmul m = matmul_of(layer, kind, MATMUL_FLOAT32, MATMUL_FLOAT32);
            m.rules = MATMUL_TF32;
            visit(context, &m);
        }
    }
}

static void functions(void) {
    struct cublas cublas = open_library();
    struct error err = {0};
    int64_t version = 0;
    EXPECT(cublas.cublasLtMatmul != NULL);
    EXPECT_OK(matmuls_library_version(&version, &err), &err);
    EXPECT(version >= 120000 && version < 140000);
}

static void describe(void *context, const struct matmul *matmul) {
    const struct cublas *cublas = context;
    struct matmul_plan plan = {.matmul = *matmul};
    cublasLtMatmulPreference_t preference = NULL;
    EXPECT_INT(matmul_plan_describe(cublas, &plan), CUBLAS_STATUS_SUCCESS);
    EXPECT_INT(matmul_preference_create(cublas, matmul, &preference), CUBLAS_STATUS_SUCCESS);
    EXPECT(plan.operation && plan.a && plan.b && plan.result && preference);
    EXPECT_INT(cublas->cublasLtMatmulPreferenceDestroy(preference), CUBLAS_STATUS_SUCCESS);
    matmul_plan_destroy(cublas, &plan);
}

static void descriptions(void) {
    struct cublas cublas = open_library();
    visit_all(describe, &cublas);
}

// A size that it does not expect is refused, so the ones above are right.
static void wrong_size(void) {
    struct cublas cublas = open_library();
    cublasLtMatmulPreference_t preference = NULL;
    const uint64_t value = 0;
    EXPECT_INT(cublas.cublasLtMatmulPreferenceCreate(&preference), CUBLAS_STATUS_SUCCESS);
    EXPECT(cublas.cublasLtMatmulPreferenceSetAttribute(
               preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &value, sizeof value) !=
           CUBLAS_STATUS_SUCCESS);
    EXPECT_INT(cublas.cublasLtMatmulPreferenceDestroy(preference), CUBLAS_STATUS_SUCCESS);
}

static void find(void *context, const struct matmul *matmul) {
    struct matmuls *matmuls = context;
    struct matmul_plan *plan = NULL;
    struct matmul_plan *again = NULL;
    struct error err = {0};
    EXPECT_OK(matmuls_find(matmuls, matmul, &plan, &err), &err);
    EXPECT_OK(matmuls_find(matmuls, matmul, &again, &err), &err);
    EXPECT(again == plan);
}

static void plans(void) {
    struct matmuls *matmuls = NULL;
    struct error err = {0};
    open_library();
    if (matmuls_open(&matmuls, &err) != STATUS_OK) {
        EXPECT_CONTAINS(err.message, "cuBLAS: a handle: ");
        EXPECT(matmuls == NULL);
        skip_case(err.message);
    }
    visit_all(find, matmuls);
    matmuls_close(matmuls);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"functions", functions},
                                          {"descriptions", descriptions},
                                          {"wrong size", wrong_size},
                                          {"plans", plans},
                                          {0}});
}

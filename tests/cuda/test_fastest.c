// The race of cuDNN's engines (nn/cuda/cudnn/fastest.c) by times that the test makes up, with the
// library that stands in for cuDNN: of float32 it has the engines 2 and 3, with tensor cores 0,
// too.
#include <math.h>

#include "nn/cuda/cudnn/plans.h"
#include "tests/harness.h"

enum { NUM_ENGINES = 4 };

static const struct product PRODUCT = {
    .shape = {1, 5, 4, 3, 5, 4, 2, 1, 3, 1, 1, 0},
    .kind = PRODUCT_FORWARD,
    .alignment = PRODUCT_MAX_ALIGNMENT,
};

static const double ANY = (double)INFINITY; // seconds that an engine may take

// Seconds of each engine, and which were asked for, as digits.
struct times {
    double seconds[NUM_ENGINES];
    char asked[2 * NUM_ENGINES + 1];
};

static double seconds_of(void *context, const struct plan *plan) {
    struct times *times = context;
    int64_t engine = plan_engine(plan);
    REQUIRE(engine >= 0 && engine < NUM_ENGINES && strlen(times->asked) < 2 * NUM_ENGINES);
    times->asked[strlen(times->asked)] = (char)('0' + engine);
    return times->seconds[engine];
}

static struct plans *plans;

static void open_plans(void) {
    struct error err = {0};
    plans_close(plans);
    enum status status = plans_open(&plans, &(struct plans_options){0}, &err);
    if (status == STATUS_DEVICE && strstr(err.message, "cannot open")) skip_case(err.message);
    EXPECT_OK(status, &err);
    REQUIRE(plans != NULL);
}

// The engine that is found for a product, asking for those in expected_asked; -1 if none is.
static int64_t engine_of(const struct product *product, struct times *times, double most,
                         int max_engines, const char *expected_asked) {
    const struct plan_timer timer = {seconds_of, times, most, max_engines};
    struct plan *plan = NULL;
    struct plan *again = NULL;
    struct error err = {0};
    EXPECT(!plans_know(plans, product));
    enum status status = plans_find_fastest(plans, product, &timer, &plan, &err);
    EXPECT(plans_know(plans, product));
    EXPECT_TEXT(times->asked, expected_asked);
    EXPECT_INT(plans_find_fastest(plans, product, &timer, &again, &err), status);
    EXPECT_TEXT(times->asked, expected_asked); // once
    EXPECT(again == plan);
    if (status == STATUS_OK) return plan_engine(plan);
    EXPECT_STATUS(status, STATUS_UNSUPPORTED, &err);
    EXPECT_CONTAINS(err.message, "no engine is faster than what there is");
    return -1;
}

static void fastest(void) {
    open_plans();
    struct product product = PRODUCT;
    struct times last = {.seconds = {1, 1, 4, 3}};
    struct times first = {.seconds = {1, 1, 3, 4}};
    struct times tensor_cores = {.seconds = {1, 0.5, 3, 2}};
    struct times middle = {.seconds = {3, 0.5, 1, 2}};
    EXPECT_INT(engine_of(&product, &last, ANY, 8, "23"), 3);
    product.kind = PRODUCT_BACKWARD_WEIGHTS;
    EXPECT_INT(engine_of(&product, &first, ANY, 8, "23"), 2);
    product.rules = PRODUCT_TF32;
    EXPECT_INT(engine_of(&product, &tensor_cores, ANY, 8, "023"), 0);
    product.rules = 0;
    product.type = NUMBER_BF16;
    EXPECT_INT(engine_of(&product, &middle, ANY, 8, "023"), 2);
}

// What differs by hardly anything is left to the heuristics.
static void alike(void) {
    open_plans();
    struct product product = PRODUCT;
    struct times times = {.seconds = {1, 1, 1.00, 0.98}};
    EXPECT_INT(engine_of(&product, &times, ANY, 8, "23"), 2);
}

static void few(void) {
    open_plans();
    struct product product = PRODUCT;
    struct times times = {.seconds = {1, 1, 4, 3}};
    EXPECT_INT(engine_of(&product, &times, ANY, 1, "2"), 2);
}

static void failing(void) {
    open_plans();
    struct product product = PRODUCT;
    struct times one = {.seconds = {1, 1, -1, 3}};
    struct times all = {.seconds = {-1, -1, -1, -1}};
    EXPECT_INT(engine_of(&product, &one, ANY, 8, "23"), 3);
    product.kind = PRODUCT_BACKWARD_DATA;
    EXPECT_INT(engine_of(&product, &all, ANY, 8, "23"), 2); // as without a race
}

// Sums of squares: only tensor cores have an engine, and two kernels may take less time.
static void sums(void) {
    open_plans();
    struct product product = PRODUCT;
    struct times faster = {.seconds = {1}};
    struct times slower = {.seconds = {3}};
    struct times failing_one = {.seconds = {-1}};
    product.rules = PRODUCT_TF32;
    product.epilogue = EPILOGUE_BIAS | EPILOGUE_SQUARES;
    EXPECT_INT(engine_of(&product, &faster, 2, 2, "0"), 0);
    product.shape.h = product.shape.out_h = 6;
    EXPECT_INT(engine_of(&product, &slower, 2, 2, "0"), -1);
    product.shape.h = product.shape.out_h = 7;
    EXPECT_INT(engine_of(&product, &failing_one, 2, 2, "0"), -1);
    product.type = NUMBER_FP16;
    product.rules = 0;
    struct times in_16_bits = {.seconds = {1}};
    EXPECT_INT(engine_of(&product, &in_16_bits, 2, 2, "0"), 0);
}

// A fast engine that refuses later gives way to others.
static void replaced(void) {
    open_plans();
    struct times times = {.seconds = {1, 1, 4, 3}};
    const struct plan_timer timer = {seconds_of, &times, ANY, 8};
    struct error err = {0};
    struct plan *plan = NULL;
    struct error why = {0};
    error_set(&why, STATUS_DEVICE, "refused");
    EXPECT_OK(plans_find_fastest(plans, &PRODUCT, &timer, &plan, &err), &err);
    for (int i = 0; i < NUM_ENGINES && err.code == STATUS_OK; i++) {
        plan_replace(plans, plan, &why);
        if (plans_find(plans, &PRODUCT, &plan, &err) != STATUS_OK) break;
    }
    EXPECT_CONTAINS(err.message, "refused"); // there is an end to it
    EXPECT_TEXT(times.asked, "23");
    plans_close(plans);
    plans = NULL;
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"fastest", fastest},
                                          {"alike", alike},
                                          {"few", few},
                                          {"failing", failing},
                                          {"sums", sums},
                                          {"replaced", replaced},
                                          {0}});
}

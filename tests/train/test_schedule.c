// The learning rates that Detectron and maskrcnn-benchmark use at each step, and the linear rule.
#include "train/schedule.h"

#include "tests/harness.h"

static struct arena arena;
static struct options options;
static struct model_config config;
static struct error err;

// The defaults, which are the papers' schedule of 90,000 steps, with settings above them: NAME,
// VALUE, NAME, VALUE, NULL.
static void configure(const char *const *settings) {
    arena_destroy(&arena);
    arena_init(&arena, 1 << 16, 0);
    EXPECT_OK(options_init(&options, MODEL_OPTIONS, &config, &arena, &err), &err);
    for (; *settings; settings += 2)
        EXPECT_OK(
            options_set_text(&options, settings[0], settings[1], (struct option_origin){0}, &err),
            &err);
}

struct rate {
    int64_t step;
    double rate;
};

static void check_rates(const struct rate *rates, size_t count) {
    for (size_t i = 0; i < count; i++)
        EXPECT_NEAR(schedule_learning_rate(&config, rates[i].step), rates[i].rate,
                    1e-12 * rates[i].rate);
}
#define CHECK_RATES(rates) check_rates(rates, sizeof(rates) / sizeof(rates)[0])

// ---- Rates ----

static void papers(void) {
    static const struct rate rates[] = {
        {0, 0.02 / 3},   {100, 0.028 / 3}, {250, 0.04 / 3},    {499, 0.02 * 1498 / 1500},
        {500, 0.02},     {501, 0.02},      {59999, 0.02},      {60000, 0.002},
        {60001, 0.002},  {79999, 0.002},   {80000, 0.0002},    {80001, 0.0002},
        {89999, 0.0002}, {90000, 0.0002},  {10000000, 0.0002},
    };
    configure((const char *const[]){NULL});
    CHECK_RATES(rates);
}

static void without_warmup(void) {
    static const struct rate rates[] = {{0, 1}, {1, 1}, {9, 1}, {10, 0.5}, {11, 0.5}};
    configure((const char *const[]){"schedule.warmup", "0", "schedule.drops", "10",
                                    "schedule.drop_factor", "0.5", "solver.learning_rate", "1",
                                    NULL});
    CHECK_RATES(rates);
}

// Detectron2's 1000 steps from a thousandth, and a drop before the warm-up ends.
static void drop_while_warming(void) {
    static const struct rate rates[] = {
        {0, 0.001}, {500, 0.5005}, {799, 0.799201}, {800, 0.08002}, {999, 0.0999001}, {1000, 0.1},
    };
    configure((const char *const[]){"schedule.warmup", "1000", "schedule.warmup_factor", "0.001",
                                    "schedule.drops", "800", "solver.learning_rate", "1", NULL});
    CHECK_RATES(rates);
}

static void rescale(int64_t batch) {
    EXPECT_OK(schedule_rescale(&config, batch, &arena, &err), &err);
    EXPECT_INT(config.schedule.batch, batch);
}

static void without_drops(void) {
    static const struct rate rates[] = {{500, 0.02}, {60000, 0.02}, {1000000, 0.02}};
    configure((const char *const[]){NULL});
    config.schedule.drops = (struct option_ints){0};
    CHECK_RATES(rates);
    rescale(8);
    EXPECT_INT(config.schedule.drops.count, 0);
    EXPECT_INT(config.schedule.iterations, 180000);
}

// ---- The linear rule ----

// maskrcnn-benchmark's README: one GPU with 2 images.
static void two_images(void) {
    static const struct rate rates[] = {
        {0, 0.0025 / 3},   {250, 0.005 / 3},   {499, 0.0025 * 1498 / 1500},
        {500, 0.0025},     {479999, 0.0025},   {480000, 0.00025},
        {639999, 0.00025}, {640000, 0.000025}, {719999, 0.000025},
    };
    configure((const char *const[]){NULL});
    rescale(2);
    EXPECT_INT(config.schedule.iterations, 720000);
    REQUIRE(config.schedule.drops.count == 2);
    EXPECT_INT(config.schedule.drops.items[0], 480000);
    EXPECT_INT(config.schedule.drops.items[1], 640000);
    EXPECT_INT(config.schedule.warmup, 500);
    EXPECT_INT(config.schedule.group, 2);
    CHECK_RATES(rates);
}

// 60,000 and 80,000 steps of 16 images, and 90,000 in all.
static void batches(void) {
    static const struct {
        int64_t batch, group;
        double rate;
        int64_t drops[2], iterations;
    } cases[] = {
        {1, 1, 0.00125, {960000, 1280000}, 1440000}, {2, 2, 0.0025, {480000, 640000}, 720000},
        {3, 1, 0.00375, {320000, 426667}, 480000},   {4, 2, 0.005, {240000, 320000}, 360000},
        {12, 2, 0.015, {80000, 106667}, 120000},     {16, 2, 0.02, {60000, 80000}, 90000},
        {17, 1, 0.02125, {56471, 75294}, 84706},     {64, 2, 0.08, {15000, 20000}, 22500},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        configure((const char *const[]){NULL});
        rescale(cases[i].batch);
        EXPECT_INT(config.schedule.group, cases[i].group);
        EXPECT_INT(config.schedule.iterations, cases[i].iterations);
        EXPECT_INT(config.schedule.drops.items[0], cases[i].drops[0]);
        EXPECT_INT(config.schedule.drops.items[1], cases[i].drops[1]);
        EXPECT_NEAR(config.solver.learning_rate, cases[i].rate, 1e-15);
    }
}

static void groups(void) {
    static const struct {
        const char *group;
        int64_t batch, expected;
    } cases[] = {
        {"1", 12, 1}, {"2", 12, 2}, {"3", 12, 3}, {"4", 12, 4},   {"5", 12, 4},     {"8", 12, 6},
        {"16", 3, 3}, {"16", 1, 1}, {"4", 6, 3},  {"16", 7, 7},   {"6", 7, 1},      {"4", 9, 3},
        {"8", 20, 5}, {"2", 2, 2},  {"2", 1, 1},  {"16", 16, 16}, {"12", 65536, 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        configure((const char *const[]){"schedule.group", cases[i].group, NULL});
        rescale(cases[i].batch);
        EXPECT_INT(config.schedule.group, cases[i].expected);
    }
}

// However large the batch, there is a step, and a drop does not come before it.
static void at_least_one_step(void) {
    configure((const char *const[]){"schedule.iterations", "10", "schedule.drops", "3", NULL});
    rescale(65536);
    EXPECT_INT(config.schedule.iterations, 1);
    EXPECT_INT(config.schedule.drops.items[0], 1);
}

static void drops_on_one_step(void) {
    configure(
        (const char *const[]){"schedule.iterations", "1000", "schedule.drops", "750,800", NULL});
    rescale(320); // 37.5 and 40
    EXPECT_INT(config.schedule.drops.items[0], 38);
    EXPECT_INT(config.schedule.drops.items[1], 40);
    configure(
        (const char *const[]){"schedule.iterations", "1000", "schedule.drops", "750,800", NULL});
    EXPECT_STATUS(schedule_rescale(&config, 8000, &arena, &err), STATUS_USAGE, &err);
    EXPECT_TEXT(err.message,
                "schedule.drops: with 8000 images in a step instead of 16, the drops at 750 and "
                "800 fall on the same step, 2; take a smaller batch or set other drops");
    EXPECT_INT(config.schedule.batch, 16);
    EXPECT_INT(config.schedule.iterations, 1000);
    EXPECT_INT(config.schedule.drops.items[0], 750);
    EXPECT_NEAR(config.solver.learning_rate, 0.02, 0);
}

// The drops of before belong to others.
static void leaves_lists_alone(void) {
    configure((const char *const[]){NULL});
    const struct option_ints before = config.schedule.drops;
    rescale(8);
    EXPECT(config.schedule.drops.items != before.items);
    EXPECT_INT(before.items[0], 60000);
    EXPECT_INT(before.items[1], 80000);
}

static void memory(void) {
    struct arena tiny;
    configure((const char *const[]){NULL});
    arena_init(&tiny, 1, 1);
    EXPECT_STATUS(schedule_rescale(&config, 2, &tiny, &err), STATUS_MEMORY, &err);
    EXPECT_INT(config.schedule.batch, 16);
    EXPECT_NEAR(config.solver.learning_rate, 0.02, 0);
    arena_destroy(&tiny);
    arena_destroy(&arena);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"papers", papers},
                         {"without warm-up", without_warmup},
                         {"drop while warming", drop_while_warming},
                         {"without drops", without_drops},
                         {"two images", two_images},
                         {"batches", batches},
                         {"groups", groups},
                         {"at least one step", at_least_one_step},
                         {"drops on one step", drops_on_one_step},
                         {"leaves lists alone", leaves_lists_alone},
                         {"memory", memory},
                         {0},
                     });
}

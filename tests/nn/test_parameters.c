#include "nn/parameters.h"

#include <math.h>

#include "tests/harness.h"

static struct arena arena;
static struct parameters parameters;

static void fresh(int64_t limit_bytes) {
    arena_destroy(&arena);
    arena_init(&arena, 1 << 16, limit_bytes);
    parameters_init(&parameters, &arena);
}

static struct parameter *add(const char *name, enum parameter_kind kind, int64_t count,
                             struct initial initial) {
    return parameter_add(&parameters, kind, 1, &count, initial, "%s", name);
}

static void allocate(bool with_gradients) {
    struct error err;
    EXPECT_OK(parameters_allocate(&parameters, with_gradients, &err), &err);
    REQUIRE(parameters.data);
}

static void shapes_and_names(void) {
    fresh(0);
    struct parameter *p = parameter_add(&parameters, PARAMETER_WEIGHT, 4, (int64_t[]){8, 4, 3, 3},
                                        (struct initial){0}, "layer%d.%d.conv%d.weight", 1, 0, 2);
    EXPECT_TEXT(p->name, "layer1.0.conv2.weight");
    EXPECT_INT(p->count, 8 * 4 * 9);
    EXPECT_INT(p->num_dims, 4);
    EXPECT(p->trainable && p->owner == &parameters);
    EXPECT(!p->data && !p->grad);
    EXPECT(parameters_find(&parameters, "layer1.0.conv2.weight") == p);
    EXPECT(!parameters_find(&parameters, "layer1.0.conv2"));
    for (int i = 0; i < 600; i++) // the list grows
        parameter_add(&parameters, PARAMETER_BIAS, 1, (int64_t[]){1}, (struct initial){0}, "b%d",
                      i);
    EXPECT_INT(parameters.count, 601);
    EXPECT(parameters.items[0] == p);
    EXPECT_TEXT(parameters.items[600]->name, "b599");
    arena_destroy(&arena);
}

// All in one buffer, the trained ones first, each at a multiple of 16 floats, none overlapping.
static void layout(void) {
    fresh(0);
    struct initial none = {0};
    struct parameter *mean = add("mean", PARAMETER_NORM_MEAN, 5, none);
    struct parameter *a = add("a", PARAMETER_WEIGHT, 17, none);
    struct parameter *variance = add("variance", PARAMETER_NORM_VARIANCE, 16, none);
    struct parameter *b = add("b", PARAMETER_GATE_BETA, 1, none);
    struct parameter *frozen = add("frozen", PARAMETER_WEIGHT, 3, none);
    EXPECT(!mean->trainable && !variance->trainable);
    frozen->trainable = false;
    allocate(true);
    EXPECT_INT(parameters.num_trainable_floats, 32 + 16);
    EXPECT_INT(parameters.num_floats, 32 + 16 + 16 + 16 + 16);
    EXPECT_INT(a->data - parameters.data, 0);
    EXPECT_INT(b->data - parameters.data, 32);
    EXPECT_INT(mean->data - parameters.data, 48);
    EXPECT_INT(variance->data - parameters.data, 64);
    EXPECT_INT(frozen->data - parameters.data, 80);
    EXPECT_INT(a->grad - parameters.grad, 0);
    EXPECT_INT(b->grad - parameters.grad, 32);
    EXPECT(!mean->grad && !variance->grad && !frozen->grad);
    for (int64_t i = 0; i < parameters.num_floats; i++)
        EXPECT(parameters.data[i] == 0);
    for (int64_t i = 0; i < parameters.num_trainable_floats; i++)
        EXPECT(parameters.grad[i] == 0);
    arena_destroy(&arena);
}

static void without_gradients(void) {
    fresh(0);
    const struct parameter *a = add("a", PARAMETER_WEIGHT, 17, (struct initial){0});
    allocate(false);
    EXPECT(a->data && !a->grad && !parameters.grad);
    parameters_clear_gradients(&parameters);
    arena_destroy(&arena);
}

// Mapped values stay where they are, and the buffer holds the others.
static void mapped(void) {
    static float values[40];
    const struct file_view file = {.data = (const char *)values, .size = sizeof values};
    fresh(0);
    struct parameter *a = add("a", PARAMETER_WEIGHT, 17, (struct initial){0});
    struct parameter *b = add("b", PARAMETER_WEIGHT, 18, (struct initial){0});
    struct parameter *c = add("c", PARAMETER_BIAS, 19, (struct initial){0});
    b->is_packed = true;
    parameter_map(&parameters, b, &file, "file", values + 22);
    EXPECT(b->is_mapped && b->data == values + 22 && !a->is_mapped);
    allocate(false);
    EXPECT(b->data == values + 22);
    EXPECT_INT(a->data - parameters.data, 0);
    EXPECT_INT(c->data - parameters.data, 32);
    EXPECT_INT(parameters.num_floats, 32 + 32);
    EXPECT(parameters.file == &file);
    struct error err;
    EXPECT_OK(parameter_check(a, &err), &err);
    parameter_drop(a); // nothing happens
    arena_destroy(&arena);
}

static void none_at_all(void) {
    fresh(0);
    struct error err;
    EXPECT_OK(parameters_allocate(&parameters, true, &err), &err);
    parameters_initialise(&parameters, 1);
    parameters_clear_gradients(&parameters);
    EXPECT(!parameters_find(&parameters, "a"));
    arena_destroy(&arena);
}

static void initial_values(void) {
    enum { COUNT = 20000 };
    fresh(0);
    const struct parameter *constant =
        add("constant", PARAMETER_GATE_ALPHA, 20, (struct initial){INITIAL_CONSTANT, 1.5});
    const struct parameter *normal =
        add("normal", PARAMETER_WEIGHT, COUNT, (struct initial){INITIAL_NORMAL, 0.25});
    const struct parameter *uniform =
        add("uniform", PARAMETER_WEIGHT, COUNT, (struct initial){INITIAL_UNIFORM, 2});
    allocate(true);
    parameters_initialise(&parameters, 11);
    for (int i = 0; i < 20; i++)
        EXPECT(constant->data[i] == 1.5f);
    double sums[4] = {0};
    double largest = 0;
    for (int i = 0; i < COUNT; i++) {
        sums[0] += (double)normal->data[i] / COUNT;
        sums[1] += (double)normal->data[i] * (double)normal->data[i] / COUNT;
        sums[2] += (double)uniform->data[i] / COUNT;
        sums[3] += (double)uniform->data[i] * (double)uniform->data[i] / COUNT;
        largest = fmax(largest, fabs((double)uniform->data[i]));
    }
    EXPECT_NEAR(sums[0], 0, 0.01);
    EXPECT_NEAR(sqrt(sums[1]), 0.25, 0.01);
    EXPECT_NEAR(sums[2], 0, 0.05);
    EXPECT_NEAR(sums[3], 4.0 / 3, 0.05);
    EXPECT(largest <= 2 && largest > 1.99);
    arena_destroy(&arena);
}

// Values follow from seed and name, not from what other parameters there are.
static void values_follow_from_the_name(void) {
    struct initial initial = {INITIAL_NORMAL, 1};
    float first[8];
    fresh(0);
    const struct parameter *a = add("a", PARAMETER_WEIGHT, 8, initial);
    allocate(false);
    parameters_initialise(&parameters, 5);
    memcpy(first, a->data, sizeof first);
    fresh(0);
    const struct parameter *b = add("b", PARAMETER_WEIGHT, 8, initial);
    a = add("a", PARAMETER_WEIGHT, 8, initial);
    allocate(true);
    parameters_initialise(&parameters, 5);
    EXPECT(equal_bits(first, a->data, sizeof first));
    EXPECT(!equal_bits(first, b->data, sizeof first));
    parameters_initialise(&parameters, 6);
    EXPECT(!equal_bits(first, a->data, sizeof first));
    arena_destroy(&arena);
}

static void versions_and_gradients(void) {
    fresh(0);
    const struct parameter *a = add("a", PARAMETER_WEIGHT, 8, (struct initial){0});
    allocate(true);
    EXPECT(parameters.version != 0); // 0 is what nothing was made from
    uint64_t version = parameters.version;
    parameters_initialise(&parameters, 5);
    EXPECT(parameters.version != version);
    version = parameters.version;
    parameters_changed(&parameters);
    EXPECT(parameters.version != version);
    version = parameters.version;
    a->grad[7] = 3;
    parameters_clear_gradients(&parameters);
    EXPECT(a->grad[7] == 0);
    EXPECT(parameters.version == version);
    arena_destroy(&arena);
}

// Memory that runs out while building or allocating is told once, at the end.
static void out_of_memory(void) {
    struct error err;
    for (int64_t limit = 1; limit < 400000; limit += 9973) {
        fresh(limit);
        for (int i = 0; i < 300; i++) {
            const struct parameter *p =
                parameter_add(&parameters, PARAMETER_WEIGHT, 1, (int64_t[]){64},
                              (struct initial){0}, "weight.%d", i);
            REQUIRE(p != NULL);
        }
        enum status status = parameters_allocate(&parameters, true, &err);
        if (limit < 100000) EXPECT_STATUS(status, STATUS_MEMORY, &err);
        if (status == STATUS_OK) EXPECT(parameters.items[299]->grad != NULL);
        if (status != STATUS_OK) EXPECT_CONTAINS(err.message, "memory");
    }
    arena_destroy(&arena);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"shapes_and_names", shapes_and_names},
                         {"layout", layout},
                         {"without_gradients", without_gradients},
                         {"mapped", mapped},
                         {"none_at_all", none_at_all},
                         {"initial_values", initial_values},
                         {"values_follow_from_the_name", values_follow_from_the_name},
                         {"versions_and_gradients", versions_and_gradients},
                         {"out_of_memory", out_of_memory},
                         {0},
                     });
}

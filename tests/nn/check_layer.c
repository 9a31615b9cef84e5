#include "tests/nn/check_layer.h"

#include <string.h>

enum { MAX_READERS = 2 };

struct setting {
    bool residual, relu;
    bool input_frozen, parameters_frozen;
    int readers; // of x
    int num_threads;
    int64_t first_image, num_images;
};

// Copies of everything that a step computed; NULL where there is nothing.
struct outcome {
    double *x, *residual, *seeds; // the inputs
    double *y;
    double *dx, *dresidual;
    double *dparameters[LAYER_MAX_PARAMETERS];
};

// Each image is filled by itself, so that it can be had alone.
static struct tensor *filled_images(struct nn *nn, const struct layer_check *check,
                                    const struct setting *setting, uint64_t seed, double low,
                                    double high) {
    struct tensor *t = nn_tensor(nn, setting->num_images, check->h, check->w, check->c);
    int64_t size = check->h * check->w * check->c;
    for (int64_t i = 0; i < t->n; i++)
        fill(t->data + i * size, size, seed + 100 * (uint64_t)(setting->first_image + i), low,
             high);
    return t;
}

static double *copy_of(const float *values, int64_t count) {
    return values ? doubles_of(values, count) : NULL;
}

static void freeze(const struct layer_check *check, float **grads) {
    for (int i = 0; i < check->num_parameters; i++) {
        grads[i] = check->parameters[i]->grad;
        check->parameters[i]->grad = NULL;
    }
}

static void unfreeze(const struct layer_check *check, float *const *grads) {
    for (int i = 0; i < check->num_parameters; i++)
        check->parameters[i]->grad = grads[i];
}

static void backward(struct nn *nn, struct tensor *const *y, struct tensor *const *seeds,
                     int readers) {
    for (int i = 0; i < readers; i++)
        seed_gradient(nn, y[i], seeds[i]->data);
    nn_backward(nn);
    struct error err;
    EXPECT_OK(nn_status(nn, &err), &err);
    nn_check_guards(nn);
}

// What a guarded buffer takes.
static int64_t buffer_bytes(const float *data, int64_t count) {
    int64_t bytes = (count + 16) * (int64_t)sizeof *data;
    return data ? (bytes + HEAP_ALIGNMENT - 1) / HEAP_ALIGNMENT * HEAP_ALIGNMENT : 0;
}

static struct outcome run(struct nn *nn, const struct layer_check *check,
                          const struct setting *setting) {
    nn->num_threads = setting->num_threads;
    nn_begin(nn, NN_TRAINING);
    parameters_clear_gradients(fresh_parameters());
    float *grads[LAYER_MAX_PARAMETERS] = {NULL};
    struct outcome o = {0};
    if (setting->parameters_frozen) freeze(check, grads);
    struct tensor *x = filled_images(nn, check, setting, 1, check->low, check->high);
    x->wants_grad = !setting->input_frozen;
    int64_t count = tensor_count(x);
    struct tensor *residual = NULL;
    if (setting->residual) residual = filled_images(nn, check, setting, 2, -1, 1);
    if (residual) residual->wants_grad = true;
    o.x = copy_of(x->data, count);
    o.seeds = new_doubles(count);
    if (residual) o.residual = copy_of(residual->data, count);
    struct tensor *y[MAX_READERS] = {NULL};
    struct tensor *seeds[MAX_READERS] = {NULL};
    REQUIRE(setting->readers >= 1);
    for (int i = 0; i < setting->readers; i++) {
        seeds[i] = filled_images(nn, check, setting, 3 + (uint64_t)i, -1, 1);
        for (int64_t k = 0; k < count; k++)
            o.seeds[k] += (double)seeds[i]->data[k];
    }
    int64_t used = nn->heap.used_bytes;
    for (int i = 0; i < setting->readers; i++)
        y[i] = check->forward(nn, check->layer, x, residual, setting->relu);
    REQUIRE(y[0] != NULL);
    o.y = copy_of(y[0]->data, count);
    backward(nn, y, seeds, setting->readers);
    used += buffer_bytes(x->grad, count) + buffer_bytes(x->embedding, x->n * x->c);
    if (residual) used += buffer_bytes(residual->grad, count);
    EXPECT_INT(nn->heap.used_bytes, used);
    o.dx = copy_of(x->grad, count);
    if (residual) o.dresidual = copy_of(residual->grad, count);
    for (int i = 0; i < check->num_parameters; i++)
        o.dparameters[i] = copy_of(check->parameters[i]->grad, check->parameters[i]->count);
    if (setting->parameters_frozen) unfreeze(check, grads);
    return o;
}

// ---- Against the reference ----

struct problem {
    const struct layer_check *check;
    const struct outcome *outcome;
    bool relu;
    double *y;
};

static double loss_of(void *context) {
    struct problem *p = context;
    const struct layer_check *check = p->check;
    int64_t count = check->n * check->h * check->w * check->c;
    check->reference(check, p->outcome->x, p->y);
    double loss = 0;
    for (int64_t i = 0; i < count; i++) {
        if (p->outcome->residual) p->y[i] += p->outcome->residual[i];
        if (p->relu && p->y[i] < 0) p->y[i] = 0;
        loss += p->y[i] * p->outcome->seeds[i];
    }
    return loss;
}

static const float *floats_of(const double *values, int64_t count) {
    float *copy = (float *)(void *)new_doubles(count);
    for (int64_t i = 0; i < count; i++)
        copy[i] = (float)values[i];
    return copy;
}

static void expect_one(struct nn *nn, struct layer_check *check, const struct setting *setting) {
    struct outcome o = run(nn, check, setting);
    int64_t count = check->n * check->h * check->w * check->c;
    for (int i = 0; i < check->num_parameters; i++)
        check->values[i] = doubles_of(check->parameters[i]->data, check->parameters[i]->count);
    struct problem problem = {check, &o, setting->relu, new_doubles(count)};
    loss_of(&problem);
    expect_close(floats_of(o.y, count), problem.y, count, check->tolerance, "y");
    struct variable variables[LAYER_MAX_PARAMETERS + 2];
    int num_variables = 0;
    REQUIRE(o.dx != NULL);
    variables[num_variables++] = (struct variable){"x", o.x, count, floats_of(o.dx, count)};
    if (o.residual)
        variables[num_variables++] =
            (struct variable){"residual", o.residual, count, floats_of(o.dresidual, count)};
    for (int i = 0; i < check->num_parameters; i++) {
        const struct parameter *p = check->parameters[i];
        variables[num_variables++] = (struct variable){p->name, check->values[i], p->count,
                                                       floats_of(o.dparameters[i], p->count)};
    }
    expect_gradients(loss_of, &problem, variables, num_variables, check->gradient_tolerance);
}

static struct setting usual(const struct layer_check *check) {
    return (struct setting){.readers = 1, .num_threads = 2, .num_images = check->n};
}

bool layer_is_small(const struct layer_check *check) {
    return check->n * check->h * check->w * check->c <= 2000;
}

void expect_layer(struct nn *nn, struct layer_check *check, bool residual, bool relu) {
    struct setting setting = usual(check);
    setting.residual = residual;
    setting.relu = relu;
    setting.readers = 2;
    expect_one(nn, check, &setting);
}

// ---- What every layer promises ----

static void expect_same(const double *a, const double *b, int64_t count, const char *what) {
    bool same = (!a && !b) || (a && b && memcmp(a, b, (size_t)count * sizeof *a) == 0);
    EXPECT_TEXT(same ? "" : what, "");
}

static void expect_same_outcomes(const struct layer_check *check, const struct outcome *a,
                                 const struct outcome *b) {
    int64_t count = check->n * check->h * check->w * check->c;
    expect_same(a->y, b->y, count, "y");
    expect_same(a->dx, b->dx, count, "the gradient of x");
    expect_same(a->dresidual, b->dresidual, count, "the gradient of residual");
    for (int i = 0; i < check->num_parameters; i++)
        expect_same(a->dparameters[i], b->dparameters[i], check->parameters[i]->count,
                    check->parameters[i]->name);
}

static void expect_inference(struct nn *nn, const struct layer_check *check,
                             const struct outcome *expected) {
    nn_begin(nn, NN_INFERENCE);
    struct setting setting = usual(check);
    int64_t used = nn->heap.used_bytes;
    struct tensor *x = filled_images(nn, check, &setting, 1, check->low, check->high);
    struct tensor *residual = filled_images(nn, check, &setting, 2, -1, 1);
    struct tensor *y = check->forward(nn, check->layer, x, residual, true);
    expect_same(copy_of(y->data, tensor_count(y)), expected->y, tensor_count(y), "y");
    nn_release(nn, y);
    nn_release(nn, residual);
    nn_release(nn, x);
    EXPECT_INT(nn->heap.used_bytes, used);
}

void expect_layer_holds(struct nn *nn, struct layer_check *check) {
    struct setting setting = usual(check);
    setting.residual = true;
    setting.relu = true;
    struct outcome all = run(nn, check, &setting);
    expect_inference(nn, check, &all);
    for (int threads = 1; threads <= 5; threads += 4) {
        setting.num_threads = threads;
        struct outcome o = run(nn, check, &setting);
        expect_same_outcomes(check, &all, &o);
    }
    setting.num_threads = 2;

    setting.parameters_frozen = true;
    struct outcome frozen = run(nn, check, &setting);
    for (int i = 0; i < check->num_parameters; i++) {
        EXPECT(!frozen.dparameters[i]);
        frozen.dparameters[i] = all.dparameters[i];
    }
    expect_same_outcomes(check, &all, &frozen);
    setting.parameters_frozen = false;

    setting.input_frozen = true;
    struct outcome deaf = run(nn, check, &setting);
    EXPECT(!deaf.dx);
    deaf.dx = all.dx;
    expect_same_outcomes(check, &all, &deaf);
    setting.input_frozen = false;

    int64_t size = check->h * check->w * check->c;
    setting.num_images = 1;
    for (int64_t i = 0; i < check->n; i++) {
        setting.first_image = i;
        struct outcome alone = run(nn, check, &setting);
        expect_same(alone.y, all.y + i * size, size, "y of one image");
        expect_same(alone.dx, all.dx + i * size, size, "the gradient of one image");
    }
    setting.num_images = 0;
    struct outcome none = run(nn, check, &setting);
    for (int i = 0; i < check->num_parameters; i++)
        for (int64_t k = 0; k < check->parameters[i]->count; k++)
            EXPECT(none.dparameters[i][k] == 0);
}

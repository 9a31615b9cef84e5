#include "train/schedule.h"

#include <math.h>

#include "base/check.h"

double schedule_learning_rate(const struct model_config *config, int64_t step) {
    double rate = config->solver.learning_rate;
    const struct option_ints *drops = &config->schedule.drops;
    for (int64_t i = 0; i < drops->count && drops->items[i] <= step; i++)
        rate *= config->schedule.drop_factor;
    if (step >= config->schedule.warmup) return rate;
    double risen = (double)step / (double)config->schedule.warmup;
    return rate * (config->schedule.warmup_factor * (1 - risen) + risen);
}

static int64_t scaled(int64_t steps, double factor) {
    int64_t result = llround((double)steps * factor);
    return result < 1 ? 1 : result;
}

enum status schedule_rescale(struct model_config *config, int64_t batch, struct arena *arena,
                             struct error *err) {
    CHECK(batch >= 1);
    double factor = (double)config->schedule.batch / (double)batch;
    struct option_ints *drops = &config->schedule.drops;
    int64_t *items = arena_alloc(arena, drops->count, sizeof *items);
    if (!items) return error_memory(err, "a schedule", drops->count * (long long)sizeof *items);
    for (int64_t i = 0; i < drops->count; i++)
        items[i] = scaled(drops->items[i], factor);
    drops->items = items;
    config->solver.learning_rate /= factor;
    config->schedule.iterations = scaled(config->schedule.iterations, factor);
    config->schedule.batch = batch;
    if (config->schedule.group > batch) config->schedule.group = batch;
    while (batch % config->schedule.group != 0)
        config->schedule.group--;
    return STATUS_OK;
}

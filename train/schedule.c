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

// Drops on one step would be one drop.
static enum status check_drops(const struct model_config *config, int64_t batch,
                               const int64_t *scaled_drops, struct error *err) {
    const struct option_ints *drops = &config->schedule.drops;
    for (int64_t i = 1; i < drops->count; i++)
        if (scaled_drops[i] <= scaled_drops[i - 1])
            return error_set(err, STATUS_USAGE,
                             "schedule.drops: with %lld images in a step instead of %lld, the "
                             "drops at %lld and %lld fall on the same step, %lld; take a smaller "
                             "batch or set other drops",
                             (long long)batch, (long long)config->schedule.batch,
                             (long long)drops->items[i - 1], (long long)drops->items[i],
                             (long long)scaled_drops[i]);
    return STATUS_OK;
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
    TRY(check_drops(config, batch, items, err));
    drops->items = items;
    config->solver.learning_rate /= factor;
    config->schedule.iterations = scaled(config->schedule.iterations, factor);
    config->schedule.batch = batch;
    if (config->schedule.group > batch) config->schedule.group = batch;
    while (batch % config->schedule.group != 0)
        config->schedule.group--;
    return STATUS_OK;
}

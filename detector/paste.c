#include "detector/paste.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

enum { MAX_SIZE = 128 + 2 }; // of a mask, with a border

// Where a pixel's value comes from along one axis.
struct sample {
    int low, high; // positions of the mask
    float low_weight, high_weight;
};

// One axis of a box: samples[i] belongs to pixel begin + i of the image.
struct axis {
    int32_t begin, end;
    struct sample *samples;
};

// The nearest position from 0 to limit.
static int32_t clamp(float position, int32_t limit) {
    return (int32_t)fminf(fmaxf(position, 0), (float)limit);
}

static enum status allocate(struct axis *axis, struct arena *arena, struct error *err) {
    if (axis->end < axis->begin) axis->end = axis->begin;
    int64_t count = axis->end - axis->begin;
    axis->samples = arena_alloc(arena, count, sizeof *axis->samples);
    if (axis->samples) return STATUS_OK;
    return error_memory(err, "pasting a mask", count * (int64_t)sizeof *axis->samples);
}

// parity: detectron2, mask_ops.py: a pixel's centre is looked up in the mask; outside it is zero.
// Pixels outside the box need no look: with their centres beyond its border, the outermost cells
// have less than half of the weight, and no probability reaches the threshold.
static enum status pixel_centres(struct axis *axis, float low, float high, int64_t size,
                                 int32_t limit, struct arena *arena, struct error *err) {
    axis->begin = clamp(floorf(low), limit);
    axis->end = clamp(ceilf(high), limit);
    TRY(allocate(axis, arena, err));
    for (int32_t i = axis->begin; i < axis->end; i++) {
        float position = ((float)i + 0.5f - low) / (high - low) * (float)size - 0.5f;
        float floor = floorf(position);
        struct sample *s = &axis->samples[i - axis->begin];
        *s = (struct sample){.low_weight = 0, .high_weight = 0};
        if (!(position > -1 && position < (float)size)) continue;
        s->low = (int)floor;
        s->high = s->low + 1;
        s->high_weight = position - floor;
        s->low_weight = 1 - s->high_weight;
        if (s->low < 0) s->low_weight = 0;
        if (s->high >= (int)size) s->high_weight = 0;
        s->low = s->low < 0 ? 0 : s->low;
        s->high = s->high >= (int)size ? (int)size - 1 : s->high;
    }
    return STATUS_OK;
}

// parity: torchvision, roi_heads.py, expand_boxes and paste_mask_in_image: the box, enlarged by the
// mask's border and cut to whole pixels, is what the mask is resized to.
static enum status whole_box(struct axis *axis, float low, float high, int64_t size, int32_t limit,
                             struct arena *arena, struct error *err) {
    float scale = (float)size / (float)(size - 2);
    float half = (high - low) * 0.5f * scale;
    float centre = (high + low) * 0.5f;
    float first = truncf(centre - half);
    float last = truncf(centre + half);
    float length = fmaxf(last - first + 1, 1);
    axis->begin = clamp(first, limit);
    axis->end = clamp(last + 1, limit);
    TRY(allocate(axis, arena, err));
    float step = (float)size / length;
    for (int32_t i = axis->begin; i < axis->end; i++) {
        float position = fmaxf(step * ((float)i - first + 0.5f) - 0.5f, 0);
        int cell = (int)position < (int)size ? (int)position : (int)size - 1;
        float high_weight = fminf(position - (float)cell, 1);
        axis->samples[i - axis->begin] = (struct sample){
            .low = cell,
            .high = cell + (cell < (int)size - 1),
            .low_weight = 1 - high_weight,
            .high_weight = high_weight,
        };
    }
    return STATUS_OK;
}

// Runs of one image, made pixel by pixel in column order.
struct runs {
    uint32_t *items;
    int64_t count;
    bool value;
    uint32_t length; // of the run that is not written yet
};

static void extend(struct runs *runs, bool value, uint32_t length) {
    if (length == 0) return;
    if (value != runs->value) {
        runs->items[runs->count++] = runs->length;
        runs->value = value;
        runs->length = 0;
    }
    runs->length += length;
}

static void paste_column(struct runs *runs, const float *mask, int64_t size, struct sample across,
                         const struct axis *down, uint32_t height) {
    float column[MAX_SIZE];
    for (int64_t i = 0; i < size; i++)
        column[i] = across.low_weight * mask[i * size + across.low] +
                    across.high_weight * mask[i * size + across.high];
    extend(runs, false, (uint32_t)down->begin);
    for (int32_t i = 0; i < down->end - down->begin; i++) {
        const struct sample *s = &down->samples[i];
        float value = s->low_weight * column[s->low] + s->high_weight * column[s->high];
        extend(runs, value >= 0.5f, 1);
    }
    extend(runs, false, height - (uint32_t)down->end);
}

// The most runs that a mask can have: between two cells of the mask a column's values lie on a
// line, which crosses the threshold once at most.
static int64_t most_runs(const struct axis *across, const struct axis *down, int64_t size) {
    int64_t columns = across->end - across->begin;
    int64_t rows = down->end - down->begin;
    return columns * ((rows < size + 2 ? rows : size + 2) + 2) + 3;
}

static enum status paste(const float *mask, int64_t size, const struct axis *across,
                         const struct axis *down, struct extent image, struct arena *arena,
                         struct rle *rle, struct error *err) {
    int64_t capacity = most_runs(across, down, size);
    struct runs runs = {.items = arena_alloc(arena, capacity, sizeof *runs.items)};
    if (!runs.items) return error_memory(err, "a mask", capacity * (int64_t)sizeof *runs.items);
    uint32_t height = (uint32_t)image.height;
    int32_t end = down->end > down->begin ? across->end : across->begin;
    extend(&runs, false, height * (uint32_t)across->begin);
    for (int32_t x = across->begin; x < end; x++)
        paste_column(&runs, mask, size, across->samples[x - across->begin], down, height);
    extend(&runs, false, height * (uint32_t)(image.width - end));
    runs.items[runs.count++] = runs.length;
    CHECK(runs.count <= capacity);
    *rle = (struct rle){image.height, image.width, runs.count, runs.items};
    return STATUS_OK;
}

enum status paste_mask(enum paste_rule rule, const float *mask, int64_t size, const float box[4],
                       struct extent image, struct arena *arena, struct rle *rle,
                       struct error *err) {
    CHECK(size + 2 <= MAX_SIZE && size >= 1);
    TRY(rle_check_size(image.height, image.width, err));
    struct axis across = {0};
    struct axis down = {0};
    if (rule == PASTE_PIXEL_CENTRES) {
        TRY(pixel_centres(&across, box[0], box[2], size, image.width, arena, err));
        TRY(pixel_centres(&down, box[1], box[3], size, image.height, arena, err));
        return paste(mask, size, &across, &down, image, arena, rle, err);
    }
    float bordered[MAX_SIZE * MAX_SIZE] = {0};
    for (int64_t y = 0; y < size; y++)
        memcpy(bordered + (y + 1) * (size + 2) + 1, mask + y * size, (size_t)size * sizeof *mask);
    TRY(whole_box(&across, box[0], box[2], size + 2, image.width, arena, err));
    TRY(whole_box(&down, box[1], box[3], size + 2, image.height, arena, err));
    return paste(bordered, size + 2, &across, &down, image, arena, rle, err);
}

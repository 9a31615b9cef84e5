#include "eval/metric.h"

#include <math.h>

#include "base/check.h"
#include "eval/accumulate.h"
#include "eval/verdicts.h"

// ---- Settings ----

void metric_set_threshold_range(struct metric_settings *settings, double low, double high,
                                double step) {
    int64_t count = (int64_t)rint((high - low) / step) + 1;
    CHECK(count >= 1 && count <= METRIC_MAX_THRESHOLDS);
    settings->num_thresholds = count;
    settings->thresholds[0] = low;
    for (int64_t i = 1; i < count; i++)
        settings->thresholds[i] = (double)i * ((high - low) / (double)(count - 1)) + low;
    if (count > 1) settings->thresholds[count - 1] = high;
}

struct metric_settings metric_default_settings(enum iou_kind iou) {
    const double everything = 1e5 * 1e5;
    const double small = 32 * 32;
    const double large = 96 * 96;
    struct metric_settings settings = {
        .iou = iou,
        .areas = {{"all", 0, everything},
                  {"small", 0, small},
                  {"medium", small, large},
                  {"large", large, everything}},
        .num_areas = 4,
        .max_dets = {1, 10, 100},
        .dilation_ratio = 0.02,
    };
    metric_set_threshold_range(&settings, 0.5, 0.95, 0.05);
    return settings;
}

// ---- Results ----

static void fill(double *values, int64_t count, double value) {
    for (int64_t i = 0; i < count; i++)
        values[i] = value;
}

static enum status allocate_values(struct metric *metric, struct error *err) {
    const struct metric_settings *settings = &metric->settings;
    int64_t curves = settings->num_thresholds * metric->num_classes * settings->num_areas;
    int64_t num_precisions = curves * METRIC_NUM_RECALLS;
    int64_t num_recalls = curves * METRIC_NUM_MAX_DETS;
    metric->precision = arena_alloc(&metric->arena, num_precisions, sizeof(double));
    metric->recall = arena_alloc(&metric->arena, num_recalls, sizeof(double));
    if (!metric->precision || !metric->recall)
        return error_memory(err, "precision", num_precisions * 8);
    fill(metric->precision, num_precisions, -1);
    fill(metric->recall, num_recalls, -1);
    if (settings->max_dets[METRIC_NUM_MAX_DETS - 1] == 100) {
        metric->precision_at_100 = metric->precision;
    } else if (settings->max_dets[0] == 100 || settings->max_dets[1] == 100) {
        metric->precision_at_100 = arena_alloc(&metric->arena, num_precisions, sizeof(double));
        if (!metric->precision_at_100) return error_memory(err, "precision", num_precisions * 8);
        fill(metric->precision_at_100, num_precisions, -1);
    }
    return STATUS_OK;
}

static enum status list_classes(struct metric *metric, const struct cells *cells,
                                struct error *err) {
    metric->num_images = cells->num_images;
    metric->num_classes = cells->num_categories;
    metric->classes =
        arena_alloc_zero(&metric->arena, cells->num_categories, sizeof *metric->classes);
    if (!metric->classes) return error_memory(err, "classes", cells->num_categories);
    for (int64_t k = 0; k < cells->num_categories; k++) {
        struct metric_class *class = &metric->classes[k];
        class->category_id = cells->category_ids[k];
        class->name = coco_find_category(metric->truth, class->category_id)->name;
        for (int64_t c = cells->category_begins[k]; c < cells->category_begins[k + 1]; c++) {
            const struct cell *cell = &cells->cells[c];
            int64_t num_objects = 0;
            for (int64_t i = 0; i < cell->num_truths; i++)
                num_objects +=
                    !metric->truth->annotations[cells->truths[cell->truth_begin + i]].is_crowd;
            class->num_images += num_objects > 0;
            class->num_objects += num_objects;
            class->num_results += cell->num_results;
        }
    }
    return STATUS_OK;
}

static void accumulate_one(void *context, int64_t category, int worker) {
    accumulate_category(context, category, worker);
}

// The most results that one category has, with those that max_dets cut.
static int64_t largest_category(const struct cells *cells) {
    int64_t largest = 0;
    for (int64_t k = 0; k < cells->num_categories; k++) {
        int64_t begin = cells->category_begins[k];
        int64_t end = cells->category_begins[k + 1];
        if (begin == end) continue;
        const struct cell *last = &cells->cells[end - 1];
        int64_t count = last->result_begin + last->num_results - cells->cells[begin].result_begin;
        if (count > largest) largest = count;
    }
    return largest;
}

static enum status accumulate(struct metric *metric, const struct verdicts *verdicts,
                              struct workers *workers, struct arena *arena, struct error *err) {
    int num_workers = workers_count(workers);
    int64_t max_results = largest_category(&verdicts->cells);
    struct accumulation_scratch *scratch = arena_alloc(arena, num_workers, sizeof *scratch);
    if (!scratch) return error_memory(err, "accumulation", num_workers);
    for (int i = 0; i < num_workers; i++)
        TRY(accumulation_scratch_init(&scratch[i], max_results, arena, err));
    struct accumulation accumulation = {&verdicts->cells, verdicts->verdicts, metric, scratch};
    workers_run(workers, verdicts->cells.num_categories, 1, accumulate_one, &accumulation);
    return STATUS_OK;
}

static enum status evaluate(struct metric *metric, struct workers *workers, struct arena *arena,
                            struct error *err) {
    struct verdicts verdicts;
    TRY(verdicts_compute(&verdicts, metric->truth, metric->results, &metric->settings, workers,
                         arena, err));
    TRY(list_classes(metric, &verdicts.cells, err));
    TRY(allocate_values(metric, err));
    return accumulate(metric, &verdicts, workers, arena, err);
}

enum status metric_compute(struct metric *metric, const struct coco_set *truth,
                           const struct coco_set *results, const struct metric_settings *settings,
                           struct workers *workers, struct error *err) {
    enum { BLOCK_BYTES = 1 << 16 };
    CHECK(settings->num_thresholds >= 1 && settings->num_thresholds <= METRIC_MAX_THRESHOLDS);
    CHECK(settings->num_areas >= 1 && settings->num_areas <= METRIC_MAX_AREAS);
    *metric = (struct metric){.settings = *settings, .truth = truth, .results = results};
    arena_init(&metric->arena, BLOCK_BYTES, 0);
    struct arena arena;
    arena_init(&arena, BLOCK_BYTES, 0);
    enum status status = evaluate(metric, workers, &arena, err);
    arena_destroy(&arena);
    if (status != STATUS_OK) metric_destroy(metric);
    return status;
}

void metric_destroy(struct metric *metric) {
    arena_destroy(&metric->arena);
    *metric = (struct metric){0};
}

#include "eval/compare.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"
#include "eval/resample.h"
#include "eval/summary.h"

// A value that a resample does not have: no object was drawn.
#define ABSENT (-2.0)

// What is compared: three means over classes, then each class's AP.
enum { ROW_AP, ROW_AP50, ROW_AP75, ROW_CLASSES };

struct compare_worker {
    int32_t *weights; // of images
    double *values;   // of the results, one for each row
    double *others;
    double *precisions; // [num_thresholds]
    struct resample_scratch scratch;
};

struct compare_job {
    const struct metric_settings *settings;
    struct ranking results;
    struct ranking other;
    int64_t num_rows;
    int64_t num_resamples;
    uint64_t seed;
    int64_t threshold50; // position of that threshold, or -1
    int64_t threshold75;
    double *differences; // [num_rows, num_resamples]
    struct compare_worker *workers;
};

static int64_t find_threshold(const struct metric_settings *settings, double threshold) {
    for (int64_t t = 0; t < settings->num_thresholds; t++)
        if (settings->thresholds[t] == threshold) return t;
    return -1;
}

static double mean(const double *values, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

// Fills all rows of one of the rankings.
static void score(double *rows, const struct compare_job *job, const struct ranking *ranking,
                  const struct compare_worker *worker) {
    double sums[ROW_CLASSES] = {0};
    int64_t num_classes = 0;
    for (int64_t k = 0; k < ranking->num_classes; k++) {
        const double *precisions = worker->precisions;
        rows[ROW_CLASSES + k] = ABSENT;
        if (!resample_class(worker->precisions, ranking, k, worker->weights, &worker->scratch))
            continue;
        double ap = mean(precisions, ranking->num_thresholds);
        rows[ROW_CLASSES + k] = ap;
        sums[ROW_AP] += ap;
        if (job->threshold50 >= 0) sums[ROW_AP50] += precisions[job->threshold50];
        if (job->threshold75 >= 0) sums[ROW_AP75] += precisions[job->threshold75];
        num_classes++;
    }
    for (int row = 0; row < ROW_CLASSES; row++)
        rows[row] = num_classes ? sums[row] / (double)num_classes : ABSENT;
    if (job->threshold50 < 0) rows[ROW_AP50] = ABSENT;
    if (job->threshold75 < 0) rows[ROW_AP75] = ABSENT;
}

static void score_both(const struct compare_job *job, const struct compare_worker *worker) {
    score(worker->values, job, &job->results, worker);
    score(worker->others, job, &job->other, worker);
}

static void draw_resample(void *context, int64_t index, int worker_number) {
    const struct compare_job *job = context;
    const struct compare_worker *worker = &job->workers[worker_number];
    int64_t num_images = job->results.num_images;
    struct random random = random_stream(job->seed, (uint64_t)index);
    if (num_images) memset(worker->weights, 0, (size_t)num_images * sizeof *worker->weights);
    for (int64_t i = 0; i < num_images; i++)
        worker->weights[random_below(&random, num_images)]++;
    score_both(job, worker);
    for (int64_t row = 0; row < job->num_rows; row++) {
        bool is_absent = worker->values[row] < -1;
        job->differences[row * job->num_resamples + index] =
            is_absent ? ABSENT : worker->values[row] - worker->others[row];
    }
}

// ---- From resamples to intervals ----

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

// Between the two nearest of the sorted values, as numpy.percentile does.
static double quantile(const double *sorted, int64_t count, double share) {
    double place = share * (double)(count - 1);
    int64_t below = (int64_t)place;
    if (below >= count - 1) return sorted[count - 1];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

// differences: of all resamples; sorted in place. num_images: that show objects.
static void describe(struct compared_value *compared, double value, double other,
                     int64_t num_images, double *differences, int64_t count) {
    *compared = (struct compared_value){.value = -1, .other = -1};
    if (value < -1) return;
    compared->value = value;
    compared->other = other;
    compared->difference = value - other;
    if (count == 0) return;
    qsort(differences, (size_t)count, sizeof *differences, compare_doubles);
    while (count > 0 && *differences < -1.5) { // absent
        differences++;
        count--;
    }
    if (count == 0) return;
    compared->low = quantile(differences, count, 0.025);
    compared->high = quantile(differences, count, 0.975);
    int64_t num_better = 0;
    for (int64_t i = 0; i < count; i++)
        num_better += differences[i] > 0;
    compared->share_better = (double)num_better / (double)count;
    compared->is_clear =
        (compared->low > 0 || compared->high < 0) && num_images >= COMPARISON_MIN_IMAGES;
}

static void describe_row(struct compared_value *compared, const struct compare_job *job,
                         int64_t row, int64_t num_images) {
    const struct compare_worker *worker = &job->workers[0];
    describe(compared, worker->values[row], worker->others[row], num_images,
             job->differences + row * job->num_resamples, job->num_resamples);
}

// The APs themselves: every image counts once.
static void fill_comparison(struct comparison *comparison, const struct compare_job *job) {
    const struct compare_worker *worker = &job->workers[0];
    for (int64_t i = 0; i < comparison->num_images; i++)
        worker->weights[i] = 1;
    score_both(job, worker);
    describe_row(&comparison->ap, job, ROW_AP, comparison->num_images);
    describe_row(&comparison->ap50, job, ROW_AP50, comparison->num_images);
    describe_row(&comparison->ap75, job, ROW_AP75, comparison->num_images);
    for (int64_t k = 0; k < comparison->num_classes; k++) {
        struct compared_class *class = &comparison->classes[k];
        describe_row(&class->ap, job, ROW_CLASSES + k, class->num_images);
    }
}

static enum status prepare(struct comparison *comparison, struct compare_job *job,
                           const struct coco_set *truth, struct workers *workers,
                           struct arena *arena, struct error *err) {
    job->num_rows = ROW_CLASSES + job->results.num_classes;
    int64_t count = job->num_rows * job->num_resamples;
    int num_workers = workers_count(workers);
    job->differences = arena_alloc(arena, count, sizeof *job->differences);
    job->workers = arena_alloc(arena, num_workers, sizeof *job->workers);
    if (!job->differences || !job->workers) return error_memory(err, "a comparison", count * 8);
    int64_t max_results = job->results.max_results > job->other.max_results
                              ? job->results.max_results
                              : job->other.max_results;
    for (int i = 0; i < num_workers; i++) {
        struct compare_worker *worker = &job->workers[i];
        worker->weights = arena_alloc(arena, job->results.num_images, sizeof *worker->weights);
        worker->values = arena_alloc(arena, job->num_rows, sizeof *worker->values);
        worker->others = arena_alloc(arena, job->num_rows, sizeof *worker->others);
        worker->precisions = arena_alloc(arena, job->results.num_thresholds, sizeof(double));
        if (!worker->weights || !worker->values || !worker->others || !worker->precisions)
            return error_memory(err, "a comparison", job->results.num_images * 4);
        TRY(resample_scratch_init(&worker->scratch, max_results, arena, err));
    }
    comparison->num_images = job->results.num_images;
    comparison->num_classes = job->results.num_classes;
    comparison->classes =
        arena_alloc_zero(&comparison->arena, comparison->num_classes, sizeof *comparison->classes);
    if (!comparison->classes) return error_memory(err, "a comparison", comparison->num_classes);
    for (int64_t k = 0; k < comparison->num_classes; k++) {
        struct compared_class *class = &comparison->classes[k];
        class->category_id = job->results.category_ids[k];
        class->name = coco_find_category(truth, class->category_id)->name;
        const struct ranked_class *ranked = &job->results.classes[k];
        class->num_objects = ranked->num_objects;
        for (int64_t i = 0; i < ranked->num_objects; i++) // which stand by image
            class->num_images += i == 0 || ranked->object_images[i] != ranked->object_images[i - 1];
    }
    return STATUS_OK;
}

static enum status compare(struct comparison *comparison, struct compare_job *job,
                           const struct coco_set *truth, const struct coco_set *results,
                           const struct coco_set *other, struct workers *workers,
                           struct arena *arena, struct error *err) {
    TRY(ranking_build(&job->results, truth, results, job->settings, workers, arena, err));
    TRY(ranking_build(&job->other, truth, other, job->settings, workers, arena, err));
    TRY(prepare(comparison, job, truth, workers, arena, err));
    workers_run(workers, job->num_resamples, 1, draw_resample, job);
    fill_comparison(comparison, job);
    return STATUS_OK;
}

// AP needs one area range.
static void choose_area(struct metric_settings *settings) {
    for (int64_t a = 0; a < settings->num_areas; a++)
        if (strcmp(settings->areas[a].name, "all") == 0) settings->areas[0] = settings->areas[a];
    settings->num_areas = 1;
}

enum status comparison_compute(struct comparison *comparison, const struct coco_set *truth,
                               const struct coco_set *results, const struct coco_set *other,
                               const struct metric_settings *settings, int64_t num_resamples,
                               uint64_t seed, struct workers *workers, struct error *err) {
    enum { BLOCK_BYTES = 1 << 16 };
    CHECK(num_resamples >= 0);
    *comparison = (struct comparison){.iou = settings->iou,
                                      .other_path = other->path,
                                      .num_resamples = num_resamples,
                                      .seed = seed};
    arena_init(&comparison->arena, BLOCK_BYTES, 0);
    struct metric_settings one_area = *settings;
    choose_area(&one_area);
    struct compare_job job = {.settings = &one_area,
                              .num_resamples = num_resamples,
                              .seed = seed,
                              .threshold50 = find_threshold(settings, 0.5),
                              .threshold75 = find_threshold(settings, 0.75)};
    struct arena arena;
    arena_init(&arena, BLOCK_BYTES, 0);
    enum status status = compare(comparison, &job, truth, results, other, workers, &arena, err);
    arena_destroy(&arena);
    if (status != STATUS_OK) comparison_destroy(comparison);
    return status;
}

void comparison_destroy(struct comparison *comparison) {
    arena_destroy(&comparison->arena);
    *comparison = (struct comparison){0};
}

// ---- Text and JSON ----

static void print_value(const char *name, const struct compared_value *value, struct output *out) {
    output_printf(out, " %-24s", name);
    if (value->value < 0) {
        output_printf(out, " %8s %8s %8s\n", "-", "-", "-");
        return;
    }
    output_printf(out, " %8.2f %8.2f %+8.2f  %+7.2f ..%+7.2f  %5.1f %%%s\n", 100 * value->other,
                  100 * value->value, 100 * value->difference, 100 * value->low, 100 * value->high,
                  100 * value->share_better, value->is_clear ? "  *" : "");
}

void comparison_print(const struct comparison *comparison, bool with_classes, struct output *out) {
    output_printf(out, "%s compared with %s\n", iou_kind_name(comparison->iou),
                  comparison->other_path);
    output_printf(out, " %-24s %8s %8s %8s  %-17s  %s\n", "", "before", "now", "change",
                  "95 % interval", "better in");
    print_value("AP", &comparison->ap, out);
    print_value("AP50", &comparison->ap50, out);
    print_value("AP75", &comparison->ap75, out);
    for (int64_t k = 0; with_classes && k < comparison->num_classes; k++)
        if (comparison->classes[k].num_objects)
            print_value(comparison->classes[k].name, &comparison->classes[k].ap, out);
    output_printf(out,
                  " * clear: the interval leaves out 0; %lld resamples of %lld images, seed %llu\n",
                  (long long)comparison->num_resamples, (long long)comparison->num_images,
                  (unsigned long long)comparison->seed);
}

static void write_value(struct json_writer *w, const struct compared_value *value) {
    json_write_begin_object(w);
    json_write_key_double(w, "value", value->value);
    json_write_key_double(w, "other", value->other);
    json_write_key_double(w, "difference", value->difference);
    json_write_key_double(w, "low", value->low);
    json_write_key_double(w, "high", value->high);
    json_write_key_double(w, "share_better", value->share_better);
    json_write_key_bool(w, "clear", value->is_clear);
    json_write_end_object(w);
}

void comparison_write_json(const struct comparison *comparison, struct json_writer *w) {
    json_write_begin_object(w);
    json_write_key_text(w, "other", comparison->other_path);
    json_write_key_int64(w, "images", comparison->num_images);
    json_write_key_int64(w, "resamples", comparison->num_resamples);
    json_write_key_int64(w, "seed", (int64_t)comparison->seed);
    json_write_key(w, "AP");
    write_value(w, &comparison->ap);
    json_write_key(w, "AP50");
    write_value(w, &comparison->ap50);
    json_write_key(w, "AP75");
    write_value(w, &comparison->ap75);
    json_write_key(w, "per_class");
    json_write_begin_array(w);
    for (int64_t k = 0; k < comparison->num_classes; k++) {
        const struct compared_class *class = &comparison->classes[k];
        json_write_begin_object(w);
        json_write_key_int64(w, "id", class->category_id);
        json_write_key_text(w, "name", class->name);
        json_write_key_int64(w, "objects", class->num_objects);
        json_write_key_int64(w, "images", class->num_images);
        json_write_key(w, "AP");
        write_value(w, &class->ap);
        json_write_end_object(w);
    }
    json_write_end_array(w);
    json_write_end_object(w);
}

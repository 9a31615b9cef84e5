// Comparisons against metric_compute, which is pycocotools number for number: the APs themselves,
// and each resample against a file in which images are really repeated.
#include "eval/compare.h"

#include "base/random.h"
#include "eval/resample.h"
#include "eval/summary.h"
#include "tests/eval/loaded_case.h"

static struct metric compute_metric(const struct loaded_case *loaded, enum iou_kind iou) {
    struct metric metric;
    struct error err = {0};
    struct metric_settings settings = metric_default_settings(iou);
    EXPECT_OK(
        metric_compute(&metric, &loaded->truth, &loaded->results, &settings, loaded->workers, &err),
        &err);
    REQUIRE(err.code == STATUS_OK);
    return metric;
}

static struct comparison compare_with(const struct loaded_case *loaded,
                                      const struct coco_set *other, enum iou_kind iou,
                                      int64_t num_resamples, struct workers *workers) {
    struct comparison comparison;
    struct error err = {0};
    struct metric_settings settings = metric_default_settings(iou);
    EXPECT_OK(comparison_compute(&comparison, &loaded->truth, &loaded->results, other, &settings,
                                 num_resamples, 1, workers, &err),
              &err);
    REQUIRE(err.code == STATUS_OK);
    return comparison;
}

static void finds_the_metrics_values(void) {
    static const char *const names[][2] = {
        {"breakdown", "plain"},        {"breakdown", "ties"},   {"breakdown", "crowds"},
        {"breakdown", "many"},         {"cases", "area_edges"}, {"cases", "boxes_and_masks"},
        {"cases", "over_100_results"}, {"cases", "crowds"}};
    for (size_t i = 0; i < 2 * sizeof names / sizeof *names; i++) {
        enum iou_kind iou = i % 2 ? IOU_MASK : IOU_BOX;
        char path[512];
        snprintf(path, sizeof path, "%s/eval/%s/%s/ann.json", TESTS_DIR, names[i / 2][0],
                 names[i / 2][1]);
        FILE *file = fopen(path, "r");
        if (!file) continue; // a case of another test that is not there any more
        fclose(file);
        struct loaded_case loaded;
        load_case(&loaded, names[i / 2][0], names[i / 2][1]);
        struct metric metric = compute_metric(&loaded, iou);
        struct summary summary = summary_of(&metric, ALL_CLASSES);
        struct comparison comparison =
            compare_with(&loaded, &loaded.results, iou, 20, loaded.workers);
        EXPECT_NEAR(comparison.ap.value, summary.ap, 1e-12);
        EXPECT_NEAR(comparison.ap50.value, summary.ap50, 1e-12);
        EXPECT_NEAR(comparison.ap75.value, summary.ap75, 1e-12);
        for (int64_t k = 0; k < metric.num_classes; k++)
            EXPECT_NEAR(comparison.classes[k].ap.value, summary_of(&metric, k).ap, 1e-12);
        // Compared with themselves, results are neither better nor worse, ever.
        EXPECT_NEAR(comparison.ap.difference, 0, 0);
        EXPECT_NEAR(comparison.ap.low, 0, 0);
        EXPECT_NEAR(comparison.ap.high, 0, 0);
        EXPECT_NEAR(comparison.ap.share_better, 0, 0);
        EXPECT(!comparison.ap.is_clear);
        comparison_destroy(&comparison);
        metric_destroy(&metric);
        unload_case(&loaded);
    }
}

// ---- Files with repeated images ----

enum { MAX_COPIES = 100 };

static void write_box(struct json_writer *w, const struct coco_box *box) {
    json_write_key(w, "bbox");
    json_write_begin_array(w);
    json_write_double(w, box->x);
    json_write_double(w, box->y);
    json_write_double(w, box->width);
    json_write_double(w, box->height);
    json_write_end_array(w);
}

// Writes each annotation as often as its image counts, under ids of the copies, which stand side by
// side.
static void write_copies(struct json_writer *w, const struct coco_set *set, bool results,
                         const struct coco_set *truth, const int32_t *weights) {
    int64_t id = 1;
    json_write_begin_array(w);
    for (int64_t i = 0; i < set->num_annotations; i++) {
        const struct coco_annotation *annotation = &set->annotations[i];
        int64_t image = coco_find_image(truth, annotation->image_id) - truth->images;
        for (int32_t copy = 0; copy < weights[image]; copy++) {
            json_write_begin_object(w);
            if (!results) json_write_key_int64(w, "id", id++);
            json_write_key_int64(w, "image_id", annotation->image_id * MAX_COPIES + copy);
            json_write_key_int64(w, "category_id", annotation->category_id);
            write_box(w, &annotation->box);
            if (results)
                json_write_key_double(w, "score", annotation->score);
            else
                json_write_key_double(w, "area", annotation->area);
            if (!results) json_write_key_int64(w, "iscrowd", annotation->is_crowd);
            json_write_end_object(w);
        }
    }
    json_write_end_array(w);
}

static void write_truth(struct json_writer *w, const struct coco_set *truth,
                        const int32_t *weights) {
    json_write_begin_object(w);
    json_write_key(w, "images");
    json_write_begin_array(w);
    for (int64_t i = 0; i < truth->num_images; i++) {
        for (int32_t copy = 0; copy < weights[i]; copy++) {
            json_write_begin_object(w);
            json_write_key_int64(w, "id", truth->images[i].id * MAX_COPIES + copy);
            json_write_end_object(w);
        }
    }
    json_write_end_array(w);
    json_write_key(w, "categories");
    json_write_begin_array(w);
    for (int64_t k = 0; k < truth->num_categories; k++) {
        json_write_begin_object(w);
        json_write_key_int64(w, "id", truth->categories[k].id);
        json_write_end_object(w);
    }
    json_write_end_array(w);
    json_write_key(w, "annotations");
    write_copies(w, truth, false, truth, weights);
    json_write_end_object(w);
}

// The metric of the file with the images repeated.
static void check_resample(const struct loaded_case *loaded, const struct ranking *ranking,
                           const struct resample_scratch *scratch, const int32_t *weights) {
    struct output truth_text;
    struct output results_text;
    struct json_writer w;
    output_open_memory(&truth_text);
    output_open_memory(&results_text);
    json_writer_init(&w, &truth_text, 0);
    write_truth(&w, &loaded->truth, weights);
    json_writer_init(&w, &results_text, 0);
    write_copies(&w, &loaded->results, true, &loaded->truth, weights);
    struct loaded_case copies;
    parse_case(&copies, truth_text.data, results_text.data);
    struct metric metric = compute_metric(&copies, IOU_BOX);
    for (int64_t k = 0; k < ranking->num_classes; k++) {
        double precisions[METRIC_MAX_THRESHOLDS];
        struct summary expected = summary_of(&metric, k);
        if (!resample_class(precisions, ranking, k, weights, scratch)) {
            EXPECT_NEAR(expected.ap, -1, 0);
            continue;
        }
        double ap = 0;
        for (int64_t t = 0; t < ranking->num_thresholds; t++)
            ap += precisions[t] / (double)ranking->num_thresholds;
        EXPECT_NEAR(ap, expected.ap, 1e-12);
        EXPECT_NEAR(precisions[0], expected.ap50, 1e-12);
    }
    metric_destroy(&metric);
    unload_case(&copies);
    output_discard(&truth_text);
    output_discard(&results_text);
}

static void resamples_as_if_images_were_repeated(void) {
    static const char *const names[] = {"plain", "crowds"}; // without ties
    struct arena arena;
    arena_init(&arena, 1 << 16, 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct loaded_case loaded;
        load_case(&loaded, "breakdown", names[i]);
        struct metric_settings settings = metric_default_settings(IOU_BOX);
        settings.num_areas = 1;
        struct ranking ranking;
        struct resample_scratch scratch;
        EXPECT_OK(ranking_build(&ranking, &loaded.truth, &loaded.results, &settings, loaded.workers,
                                &arena, NULL),
                  NULL);
        EXPECT_OK(resample_scratch_init(&scratch, ranking.max_results, &arena, NULL), NULL);
        for (uint64_t seed = 0; seed < 20; seed++) {
            struct random random = random_stream(3, seed);
            int32_t weights[16] = {0};
            REQUIRE(loaded.truth.num_images <= 16);
            for (int64_t draw = 0; draw < loaded.truth.num_images; draw++)
                weights[random_below(&random, loaded.truth.num_images)]++;
            check_resample(&loaded, &ranking, &scratch, weights);
        }
        unload_case(&loaded);
    }
    arena_destroy(&arena);
}

// ---- Intervals ----

// Results that are worse: every third is left out.
static char *worse_results(const struct loaded_case *loaded, struct output *out) {
    struct json_writer w;
    output_open_memory(out);
    json_writer_init(&w, out, 0);
    json_write_begin_array(&w);
    for (int64_t i = 0; i < loaded->results.num_annotations; i++) {
        const struct coco_annotation *result = &loaded->results.annotations[i];
        if (i % 3 == 0) continue;
        json_write_begin_object(&w);
        json_write_key_int64(&w, "image_id", result->image_id);
        json_write_key_int64(&w, "category_id", result->category_id);
        write_box(&w, &result->box);
        json_write_key_double(&w, "score", result->score);
        json_write_end_object(&w);
    }
    json_write_end_array(&w);
    return out->data;
}

static void gives_the_same_interval_with_any_threads(void) {
    struct loaded_case loaded;
    load_case(&loaded, "breakdown", "plain");
    struct output text;
    struct loaded_case other;
    parse_case(&other, EMPTY_ANNOTATIONS, worse_results(&loaded, &text));
    struct comparison comparisons[2];
    for (int i = 0; i < 2; i++) {
        struct workers *workers = NULL;
        EXPECT_OK(workers_create(&workers, i ? 3 : 1, NULL), NULL);
        comparisons[i] = compare_with(&loaded, &other.results, IOU_BOX, 500, workers);
        workers_destroy(workers);
    }
    const struct compared_value *ap = &comparisons[0].ap;
    EXPECT_NEAR(comparisons[1].ap.difference, ap->difference, 0);
    EXPECT_NEAR(comparisons[1].ap.low, ap->low, 0);
    EXPECT_NEAR(comparisons[1].ap.high, ap->high, 0);
    EXPECT_NEAR(comparisons[1].ap.share_better, ap->share_better, 0);
    EXPECT(ap->low < ap->difference && ap->difference < ap->high);
    EXPECT_NEAR(ap->value - ap->other, ap->difference, 1e-15);
    EXPECT(ap->share_better > 0.5 && ap->share_better <= 1);
    EXPECT_INT(comparisons[0].num_images, 8);

    // The other way round, all signs change.
    struct metric_settings settings = metric_default_settings(IOU_BOX);
    struct comparison reversed;
    EXPECT_OK(comparison_compute(&reversed, &loaded.truth, &other.results, &loaded.results,
                                 &settings, 500, 1, loaded.workers, NULL),
              NULL);
    EXPECT_NEAR(reversed.ap.difference, -ap->difference, 1e-15);
    EXPECT_NEAR(reversed.ap.low, -ap->high, 1e-15);
    EXPECT_NEAR(reversed.ap.high, -ap->low, 1e-15);

    struct output out;
    output_open_memory(&out);
    comparison_print(&comparisons[0], true, &out);
    EXPECT_CONTAINS(out.data, "500 resamples of 8 images, seed 1");
    EXPECT_CONTAINS(out.data, " bird ");
    output_discard(&out);
    output_open_memory(&out);
    struct json_writer w;
    json_writer_init(&w, &out, 0);
    comparison_write_json(&comparisons[0], &w);
    EXPECT_CONTAINS(out.data, "\"resamples\":500,\"seed\":1,\"AP\":{\"value\":");
    output_discard(&out);
    for (int i = 0; i < 2; i++)
        comparison_destroy(&comparisons[i]);
    comparison_destroy(&reversed);
    output_discard(&text);
    unload_case(&other);
    unload_case(&loaded);
}

static void works_on_nothing(void) {
    static const char one_image[] = "{\"images\":[{\"id\":1}],\"annotations\":[],"
                                    "\"categories\":[{\"id\":1}]}";
    for (int i = 0; i < 2; i++) {
        struct loaded_case loaded;
        parse_case(&loaded, i ? one_image : EMPTY_ANNOTATIONS, EMPTY_RESULTS);
        for (int64_t num_resamples = 0; num_resamples < 3; num_resamples++) {
            struct comparison comparison =
                compare_with(&loaded, &loaded.results, IOU_BOX, num_resamples, loaded.workers);
            EXPECT_NEAR(comparison.ap.value, -1, 0);
            EXPECT_NEAR(comparison.ap.low, 0, 0);
            struct output out;
            output_open_memory(&out);
            comparison_print(&comparison, true, &out);
            struct json_writer w;
            json_writer_init(&w, &out, 0);
            comparison_write_json(&comparison, &w);
            EXPECT_OK(output_finish(&out, NULL), NULL);
            output_discard(&out);
            comparison_destroy(&comparison);
        }
        unload_case(&loaded);
    }
}

int main(int argc, char **argv) {
    return run_cases(
        argc, argv,
        (struct test_case[]){
            {"finds_the_metrics_values", finds_the_metrics_values},
            {"resamples_as_if_images_were_repeated", resamples_as_if_images_were_repeated},
            {"gives_the_same_interval_with_any_threads", gives_the_same_interval_with_any_threads},
            {"works_on_nothing", works_on_nothing},
            {0},
        });
}

// Confusions against supervision 0.18's ConfusionMatrix, calibration against scikit-learn's
// calibration_curve over tidecv's true positives, and what the list of label errors contains.
#include "eval/calibration.h"
#include "eval/confusion.h"
#include "eval/label_errors.h"
#include "tests/eval/loaded_case.h"

static void counts_as_supervision_does(void) {
    static const int64_t expected[5][5] = {
        {1, 1, 0, 1, 6}, {0, 5, 0, 0, 2}, {0, 2, 4, 0, 4}, {0, 0, 0, 0, 0}, {6, 6, 9, 4, 0}};
    struct loaded_case loaded;
    load_case(&loaded, "breakdown", "plain");
    build_scenes(&loaded, IOU_BOX);
    struct confusion confusion;
    EXPECT_OK(confusion_compute(&confusion, &loaded.scenes, 0.3, NULL), NULL);
    for (int object = 0; object < 5; object++)
        for (int result = 0; result < 5; result++)
            EXPECT_INT(confusion_at(&confusion, object, result), expected[object][result]);
    EXPECT_INT(confusion.num_objects, 26);
    EXPECT_INT(confusion.num_results, 39);
    EXPECT_INT(confusion.num_right, 10);
    EXPECT_INT(confusion.num_confused, 4);
    struct confused_pair pairs[3];
    EXPECT_INT(confusion_top(&confusion, false, pairs, 3), 3);
    EXPECT_INT(pairs[0].object_class, 2);
    EXPECT_INT(pairs[0].result_class, 1);
    EXPECT_INT(pairs[1].object_class, 0); // the first of equals
    EXPECT_INT(confusion_top(&confusion, true, pairs, 3), 3);
    EXPECT_INT(pairs[0].object_class, 4);
    EXPECT_INT(pairs[0].result_class, 2);
    EXPECT_INT(pairs[0].count, 9);
    EXPECT_INT(pairs[1].count, 6);
    EXPECT_INT(pairs[2].count, 6);

    struct output out;
    output_open_memory(&out);
    confusion_print(&confusion, &out);
    EXPECT_CONTAINS(out.data, "10 of 26 objects found under their class, 4 under another");
    EXPECT_CONTAINS(out.data, "bird                     dog                            2");
    output_discard(&out);
    output_open_memory(&out);
    struct json_writer w;
    json_writer_init(&w, &out, 0);
    confusion_write_json(&confusion, &w);
    EXPECT_CONTAINS(out.data, "[2,3,1]");
    EXPECT_CONTAINS(out.data, "[null,9,4]");
    output_discard(&out);
    confusion_destroy(&confusion);
    unload_case(&loaded);
}

// Whatever the threshold, every object that is no crowd is in its row once, and every result that
// scores enough in its column once, but for those on crowds.
static void counts_everything_once(void) {
    static const char *const names[] = {"plain", "ties", "crowds", "many"};
    for (int i = 0; i < 8; i++) {
        struct loaded_case loaded;
        load_case(&loaded, "breakdown", names[i / 2]);
        build_scenes(&loaded, i % 2 ? IOU_MASK : IOU_BOX);
        for (int quarters = 0; quarters < 5; quarters++) {
            struct confusion confusion;
            EXPECT_OK(confusion_compute(&confusion, &loaded.scenes, quarters / 4.0, NULL), NULL);
            int64_t num_results = 0;
            for (int64_t k = 0; k <= confusion.num_classes; k++) {
                int64_t row = 0;
                int64_t num_objects = 0;
                for (int64_t r = 0; r <= confusion.num_classes; r++) {
                    row += confusion_at(&confusion, k, r);
                    if (r < confusion.num_classes) num_results += confusion_at(&confusion, k, r);
                }
                for (int64_t t = 0; t < loaded.scenes.num_truths; t++)
                    num_objects += loaded.scenes.truths[t].class_index == k &&
                                   !loaded.scenes.truths[t].annotation->is_crowd;
                if (k < confusion.num_classes) EXPECT_INT(row, num_objects);
            }
            EXPECT(num_results <= confusion.num_results);
            if (i < 2) EXPECT_INT(num_results, confusion.num_results);
            confusion_destroy(&confusion);
        }
        unload_case(&loaded);
    }
}

static void calibrates_as_scikit_learn_does(void) {
    static const struct {
        const char *name;
        int64_t counts[CALIBRATION_BINS];
        double precision[CALIBRATION_BINS];
        double mean_score[CALIBRATION_BINS];
        double expected_error, largest_error;
    } rows[] = {
        {"plain",
         {3, 5, 4, 8, 6, 4, 5, 2, 6, 8},
         {0.6666666666666666, 0.2, 0.0, 0.0, 0.0, 0.5, 0.0, 1.0, 0.5, 0.5},
         {0.054700000000000006, 0.14592, 0.23965, 0.338075, 0.45411666666666667, 0.5508500000000001,
          0.63042, 0.7839499999999999, 0.8508833333333333, 0.9683375},
         0.35556470588235295,
         0.63042},
        {"many",
         {0, 5, 13, 15, 8, 14, 10, 8, 12, 11},
         {0, 0.2, 0.23076923076923078, 0.06666666666666667, 0.5, 0.14285714285714285, 0.3, 0.5,
          0.16666666666666666, 0.36363636363636365},
         {0, 0.1807, 0.23868461538461538, 0.33798666666666666, 0.4474625, 0.559757142857143,
          0.63664, 0.7542249999999999, 0.8455833333333334, 0.9604636363636364},
         0.31915,
         0.6789166666666667},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct loaded_case loaded;
        load_case(&loaded, "breakdown", rows[i].name);
        build_scenes(&loaded, IOU_MASK);
        struct breakdown breakdown;
        EXPECT_OK(breakdown_compute(&breakdown, &loaded.scenes, NULL), NULL);
        struct calibration calibration = calibration_compute(&loaded.scenes, &breakdown);
        for (int b = 0; b < CALIBRATION_BINS; b++) {
            EXPECT_INT(calibration.bins[b].num_results, rows[i].counts[b]);
            EXPECT_NEAR(calibration.bins[b].precision, rows[i].precision[b], 1e-12);
            EXPECT_NEAR(calibration.bins[b].mean_score, rows[i].mean_score[b], 1e-12);
        }
        EXPECT_NEAR(calibration.expected_error, rows[i].expected_error, 1e-12);
        EXPECT_NEAR(calibration.largest_error, rows[i].largest_error, 1e-12);
        struct output out;
        output_open_memory(&out);
        calibration_print(&calibration, &out);
        EXPECT_CONTAINS(out.data, i ? "0.0-0.1            0          -" : "0.9-1.0            8");
        output_discard(&out);
        breakdown_destroy(&breakdown);
        unload_case(&loaded);
    }
}

static void lists_likely_label_errors(void) {
    static const char ann[] =
        "{\"images\":[{\"id\":7,\"width\":100,\"height\":100}],"
        "\"categories\":[{\"id\":1,\"name\":\"cat\"},{\"id\":2}],"
        "\"annotations\":["
        "{\"id\":11,\"image_id\":7,\"category_id\":1,\"bbox\":[0,0,10,10],\"area\":100},"
        "{\"id\":12,\"image_id\":7,\"category_id\":2,\"bbox\":[50,50,10,10],\"area\":100},"
        "{\"id\":13,\"image_id\":7,\"category_id\":1,\"bbox\":[80,80,10,10],\"area\":100},"
        "{\"id\":14,\"image_id\":7,\"category_id\":2,\"bbox\":[0,80,10,10],\"area\":100,"
        "\"iscrowd\":1}]}";
    static const char results[] =
        "[{\"image_id\":7,\"category_id\":1,\"bbox\":[0,0,10,10],\"score\":0.99},"  // right
        "{\"image_id\":7,\"category_id\":2,\"bbox\":[0,0,10,10],\"score\":0.98},"   // found anyway
        "{\"image_id\":7,\"category_id\":1,\"bbox\":[50,50,10,9],\"score\":0.95},"  // swapped
        "{\"image_id\":7,\"category_id\":1,\"bbox\":[80,80,10,4],\"score\":0.97},"  // misplaced
        "{\"image_id\":7,\"category_id\":1,\"bbox\":[80,80,10,3],\"score\":0.96},"  // once more
        "{\"image_id\":7,\"category_id\":2,\"bbox\":[30,10,10,10],\"score\":0.91}," // overlooked
        "{\"image_id\":7,\"category_id\":2,\"bbox\":[60,10,10,10],\"score\":0.5},"  // not sure
        "{\"image_id\":7,\"category_id\":1,\"bbox\":[1,81,8,8],\"score\":0.94}]";   // on a crowd
    struct loaded_case loaded;
    parse_case(&loaded, ann, results);
    build_scenes(&loaded, IOU_BOX);
    struct breakdown breakdown;
    struct label_errors errors;
    EXPECT_OK(breakdown_compute(&breakdown, &loaded.scenes, NULL), NULL);
    EXPECT_OK(label_errors_find(&errors, &loaded.scenes, &breakdown, 0.9, NULL), NULL);
    REQUIRE(errors.count == 3);
    EXPECT_INT(errors.errors[0].kind, LABEL_MISPLACED);
    EXPECT_INT(errors.errors[0].truth, 2);
    EXPECT_NEAR(errors.errors[0].iou, 0.4, 1e-12);
    EXPECT_INT(errors.errors[1].kind, LABEL_SWAPPED);
    EXPECT_INT(errors.errors[2].kind, LABEL_OVERLOOKED);
    EXPECT_INT(errors.errors[2].truth, -1);

    struct output out;
    output_open_memory(&out);
    label_errors_print(&errors, &loaded.scenes, 2, &out);
    EXPECT_CONTAINS(out.data, "Likely label errors: 3 at score 0.90 or more");
    EXPECT_CONTAINS(out.data, "annotated as class 2, found as cat");
    EXPECT_CONTAINS(out.data, "and 1 more");
    output_discard(&out);
    output_open_memory(&out);
    struct json_writer w;
    json_writer_init(&w, &out, 0);
    label_errors_write_json(&errors, &loaded.scenes, &w);
    EXPECT_CONTAINS(out.data,
                    "\"kind\":\"swapped\",\"image_id\":7,\"annotation_id\":12,\"result\":2,"
                    "\"category_id\":1,");
    EXPECT_CONTAINS(out.data, "\"kind\":\"overlooked\",\"image_id\":7,\"annotation_id\":null,");
    output_discard(&out);
    label_errors_destroy(&errors);
    breakdown_destroy(&breakdown);
    unload_case(&loaded);
}

static void works_on_nothing(void) {
    struct loaded_case loaded;
    parse_case(&loaded, EMPTY_ANNOTATIONS, EMPTY_RESULTS);
    build_scenes(&loaded, IOU_MASK);
    struct breakdown breakdown;
    struct confusion confusion;
    struct label_errors errors;
    EXPECT_OK(breakdown_compute(&breakdown, &loaded.scenes, NULL), NULL);
    EXPECT_OK(confusion_compute(&confusion, &loaded.scenes, 0.5, NULL), NULL);
    EXPECT_OK(label_errors_find(&errors, &loaded.scenes, &breakdown, 0.9, NULL), NULL);
    struct calibration calibration = calibration_compute(&loaded.scenes, &breakdown);
    EXPECT_NEAR(calibration.expected_error, -1, 0);
    struct output out;
    output_open_memory(&out);
    confusion_print(&confusion, &out);
    calibration_print(&calibration, &out);
    label_errors_print(&errors, &loaded.scenes, 5, &out);
    struct json_writer w;
    json_writer_init(&w, &out, 0);
    json_write_begin_array(&w);
    confusion_write_json(&confusion, &w);
    calibration_write_json(&calibration, &w);
    label_errors_write_json(&errors, &loaded.scenes, &w);
    json_write_end_array(&w);
    EXPECT_OK(output_finish(&out, NULL), NULL);
    output_discard(&out);
    confusion_destroy(&confusion);
    label_errors_destroy(&errors);
    breakdown_destroy(&breakdown);
    unload_case(&loaded);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"counts_as_supervision_does", counts_as_supervision_does},
                         {"counts_everything_once", counts_everything_once},
                         {"calibrates_as_scikit_learn_does", calibrates_as_scikit_learn_does},
                         {"lists_likely_label_errors", lists_likely_label_errors},
                         {"works_on_nothing", works_on_nothing},
                         {0},
                     });
}

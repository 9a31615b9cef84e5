// The breakdown of errors against tidecv 1.0.1: counts and deltas of every kind, on made cases with
// ties, crowds and more than 100 results in one image; and on hand-made ones.
#include "eval/breakdown.h"

#include "tests/eval/loaded_case.h"

static void agrees_with_tidecv(void) {
    // In tidecv's order: Cls, Loc, Both, Dupe, Bkg, Miss; then FalsePos and FalseNeg.
    static const struct {
        const char *name;
        enum iou_kind iou;
        double ap;
        int64_t counts[NUM_ERROR_KINDS];
        double deltas[NUM_ERROR_KINDS];
        double false_positive_delta, false_negative_delta;
    } rows[] = {
        {"plain",
         IOU_BOX,
         0.32581918906176355,
         {6, 8, 5, 6, 10, 6},
         {0.04336276589843855, 0.08514065692283523, 0.0006794797126770647, 0.009046440358321561,
          0.038495992456388704, 0.08807755775577554},
         0.15190358321546413,
         0.18166548797736864},
        {"plain",
         IOU_MASK,
         0.28279113625648294,
         {4, 6, 8, 6, 13, 7},
         {0.02150715071507122, 0.09389929619982035, 0.03181282413955703, 0.00506836397925511,
          0.040594059405940894, 0.07764026402640255},
         0.1429514380009428,
         0.2040664780763786},
        {"ties",
         IOU_BOX,
         0.06784535596416787,
         {3, 9, 5, 0, 12, 7},
         {0.006824611032531767, 0.21159240924092415, 0.0, 0.0, 0.00950612918434695,
          0.01988841741316973},
         0.17225365393682224,
         0.11271019959138746},
        {"ties",
         IOU_MASK,
         0.06784535596416787,
         {2, 6, 4, 0, 17, 9},
         {0.0, 0.11912423385195664, 1.768033946250469e-05, 0.0, 0.017550683639792498,
          0.029789407512179674},
         0.17225365393682224,
         0.11271019959138746},
        {"crowds",
         IOU_BOX,
         0.05247524752475248,
         {3, 8, 8, 0, 17, 3},
         {0.14224422442244222, 0.06262376237623758, 0.0, 0.0, 0.04158415841584158,
          0.02747524752475248},
         0.08366336633663365,
         0.12252475247524743},
        {"crowds",
         IOU_MASK,
         0.0,
         {3, 8, 5, 0, 22, 3},
         {0.09405940594059409, 0.11209335219236205, 0.0, 0.0, 0.0, 0.0},
         0.0,
         0.0},
        {"many",
         IOU_BOX,
         0.21654211603287013,
         {12, 42, 12, 7, 1, 5},
         {0.029229984124786234, 0.35412369243269, 0.00939958880384367, 0.0067598666379245385,
          0.00034915991599159923, 0.021729197806658468},
         0.17949748792752598,
         0.16694948991505446},
        {"many",
         IOU_MASK,
         0.17201110799339034,
         {6, 42, 18, 8, 2, 6},
         {0.003932496244668684, 0.3839574799368314, 0.030421272573282004, 0.003676301696103721,
          0.000429129451406709, 0.024766505954624804},
         0.19185027814522357,
         0.17309269822297402},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct loaded_case loaded;
        load_case(&loaded, "breakdown", rows[i].name);
        build_scenes(&loaded, rows[i].iou);
        struct breakdown breakdown;
        EXPECT_OK(breakdown_compute(&breakdown, &loaded.scenes, NULL), NULL);
        EXPECT_NEAR(breakdown.ap, rows[i].ap, 1e-12);
        for (int kind = 0; kind < NUM_ERROR_KINDS; kind++) {
            EXPECT_INT(breakdown.errors[kind].count, rows[i].counts[kind]);
            EXPECT_NEAR(breakdown.errors[kind].delta_ap, rows[i].deltas[kind], 1e-12);
        }
        EXPECT_NEAR(breakdown.false_positive_delta, rows[i].false_positive_delta, 1e-12);
        EXPECT_NEAR(breakdown.false_negative_delta, rows[i].false_negative_delta, 1e-12);
        breakdown_destroy(&breakdown);
        unload_case(&loaded);
    }
}

// One object of class 1, one of class 2, and one result of every kind.
static void names_every_kind(void) {
    static const char ann[] =
        "{\"images\":[{\"id\":1,\"width\":100,\"height\":100}],"
        "\"categories\":[{\"id\":1,\"name\":\"cat\"},{\"id\":2,\"name\":\"dog\"}],"
        "\"annotations\":["
        "{\"id\":11,\"image_id\":1,\"category_id\":1,\"bbox\":[0,0,10,10],\"area\":100},"
        "{\"id\":12,\"image_id\":1,\"category_id\":2,\"bbox\":[50,50,10,10],\"area\":100},"
        "{\"id\":13,\"image_id\":1,\"category_id\":2,\"bbox\":[80,80,10,10],\"area\":100},"
        "{\"id\":14,\"image_id\":1,\"category_id\":1,\"bbox\":[30,0,20,20],\"area\":400,"
        "\"iscrowd\":1}]}";
    static const char results[] =
        "[{\"image_id\":1,\"category_id\":1,\"bbox\":[0,0,10,10],\"score\":0.9},"  // correct
        "{\"image_id\":1,\"category_id\":1,\"bbox\":[0,0,10,9],\"score\":0.8},"    // duplicate
        "{\"image_id\":1,\"category_id\":1,\"bbox\":[50,50,10,10],\"score\":0.7}," // class
        "{\"image_id\":1,\"category_id\":2,\"bbox\":[50,50,10,3],\"score\":0.6},"  // location
        "{\"image_id\":1,\"category_id\":1,\"bbox\":[50,50,10,3],\"score\":0.5},"  // both
        "{\"image_id\":1,\"category_id\":1,\"bbox\":[20,70,10,10],\"score\":0.4}," // background
        "{\"image_id\":1,\"category_id\":1,\"bbox\":[32,2,4,4],\"score\":0.3}]";   // on a crowd
    static const enum judgement expected[] = {
        JUDGED_CORRECT, JUDGED_DUPLICATE,  JUDGED_CLASS,     JUDGED_LOCALISATION,
        JUDGED_BOTH,    JUDGED_BACKGROUND, JUDGED_BACKGROUND};
    struct loaded_case loaded;
    parse_case(&loaded, ann, results);
    build_scenes(&loaded, IOU_BOX);
    struct breakdown breakdown;
    EXPECT_OK(breakdown_compute(&breakdown, &loaded.scenes, NULL), NULL);
    EXPECT_INT(loaded.scenes.num_results, 7);
    for (int r = 0; r < 7; r++) {
        EXPECT_TEXT(error_kind_name(breakdown.results[r].judgement), error_kind_name(expected[r]));
        EXPECT(breakdown.results[r].is_ignored == (r == 6));
    }
    EXPECT_INT(breakdown.results[1].truth, 0);
    EXPECT_NEAR(breakdown.results[1].iou, 0.9, 1e-12);
    EXPECT_INT(breakdown.results[5].truth, -1);
    EXPECT(breakdown.truths[0].is_found && !breakdown.truths[0].is_missed);
    EXPECT_INT(breakdown.truths[1].best_error, 2);
    EXPECT(breakdown.truths[2].is_missed);
    EXPECT(!breakdown.truths[3].is_missed); // a crowd
    EXPECT_INT(breakdown.num_objects, 3);
    EXPECT_INT(breakdown.num_correct, 1);
    EXPECT_INT(breakdown.num_ignored, 1);
    EXPECT_INT(breakdown.errors[JUDGED_MISSED].count, 1);

    struct output out;
    output_open_memory(&out);
    breakdown_print(&breakdown, &out);
    EXPECT_CONTAINS(out.data, "localisation             1");
    EXPECT_CONTAINS(out.data, "1 of 3 objects found");
    output_discard(&out);
    output_open_memory(&out);
    struct json_writer w;
    json_writer_init(&w, &out, 0);
    breakdown_write_json(&breakdown, &w);
    EXPECT_CONTAINS(out.data, "\"duplicate\":{\"count\":1,\"delta_AP50\":");
    output_discard(&out);
    breakdown_destroy(&breakdown);
    unload_case(&loaded);
}

// Nothing at all, objects without results, results without objects.
static void works_on_nothing(void) {
    static const char one_image[] =
        "{\"images\":[{\"id\":1,\"width\":9,\"height\":9}],\"annotations\":[],"
        "\"categories\":[{\"id\":1}]}";
    static const char one_object[] =
        "{\"images\":[{\"id\":1,\"width\":9,\"height\":9}],\"annotations\":[{\"id\":1,"
        "\"image_id\":1,\"category_id\":1,\"bbox\":[0,0,5,5],\"area\":25}],"
        "\"categories\":[{\"id\":1}]}";
    static const char one_result[] =
        "[{\"image_id\":1,\"category_id\":1,\"bbox\":[0,0,5,5],\"score\":1}]";
    static const struct {
        const char *ann, *results;
        double ap, missed, false_positives;
    } rows[] = {
        {EMPTY_ANNOTATIONS, EMPTY_RESULTS, -1, 0, 0},
        {one_image, EMPTY_RESULTS, -1, 0, 0},
        {one_object, EMPTY_RESULTS, 0, 1, 0},
        {one_image, one_result, 0, 0, 0},
        {one_object, one_result, 1, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct loaded_case loaded;
        parse_case(&loaded, rows[i].ann, rows[i].results);
        build_scenes(&loaded, IOU_BOX);
        struct breakdown breakdown;
        EXPECT_OK(breakdown_compute(&breakdown, &loaded.scenes, NULL), NULL);
        EXPECT_NEAR(breakdown.ap, rows[i].ap, 1e-12);
        EXPECT_NEAR(breakdown.errors[JUDGED_MISSED].delta_ap, rows[i].missed, 1e-12);
        EXPECT_NEAR(breakdown.false_positive_delta, rows[i].false_positives, 1e-12);
        struct output out;
        output_open_memory(&out);
        breakdown_print(&breakdown, &out);
        struct json_writer w;
        json_writer_init(&w, &out, 2);
        breakdown_write_json(&breakdown, &w);
        EXPECT_OK(output_finish(&out, NULL), NULL);
        output_discard(&out);
        breakdown_destroy(&breakdown);
        unload_case(&loaded);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"agrees_with_tidecv", agrees_with_tidecv},
                         {"names_every_kind", names_every_kind},
                         {"works_on_nothing", works_on_nothing},
                         {0},
                     });
}

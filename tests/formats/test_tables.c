// NDJSON and CSV, out and back.
#include <stdio.h>
#include <stdlib.h>

#include "formats/csv.h"
#include "formats/ndjson.h"
#include "tests/formats/check_set.h"
#include "tests/harness.h"

static void save(const char *name, const char *text) {
    struct output out;
    struct error err;
    open_scratch(&out, name);
    output_text(&out, text);
    EXPECT_OK(output_commit(&out, &err), &err);
}

static void ndjson_back(void) {
    struct annotated_set set;
    struct annotated_set back;
    struct output out;
    struct error err;
    make_set(&set);
    open_scratch(&out, "a.ndjson");
    for (int64_t i = 0; i < set.num_images; i++)
        EXPECT_OK(ndjson_write(&out, &set.images[i], &set.classes, &err), &err);
    EXPECT_OK(output_commit(&out, &err), &err);
    annotated_set_init(&back);
    EXPECT_OK(ndjson_read(&back, scratch_file("a.ndjson"), &err), &err);
    expect_same_set(&back, &set, MASKS_ALL);
    annotated_set_destroy(&back);
    annotated_set_destroy(&set);
}

static void ndjson_refusals(void) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{\"file_name\":\"a\",\"objects\":[]}", "before the image's width and height"},
        {"{\"width\":3,\"height\":0}", "a side of 0 pixels"},
        {"{\"width\":3,\"height\":2}", "without file_name"},
        {"{\"file_name\":\"a\",\"width\":3}", "without file_name, width or height"},
        {"{\"file_name\":\"a\",\"width\":3,\"height\":2,\"objects\":[{\"bbox\":[1,1,1,1]}],"
         "\"width\":2}",
         "width or height behind the objects"},
        {"{\"file_name\":\"a\",\"width\":3,\"height\":2,\"objects\":[{\"class\":\"x\"}]}",
         "neither segmentation nor bbox"},
        {"{\"file_name\":\"a\",\"width\":3,\"height\":2,\"objects\":[{\"segmentation\":{\"size\":"
         "[2,2],\"counts\":\"4\"}}]}",
         "a mask of size [2, 2]"},
        {"{\"file_name\":\"a\",\"width\":3,\"height\":2,\"objects\":[{\"bbox\":[1,2,3]}]}",
         "a box of 3 numbers"},
        {"{\"file_name\":\"a\"} x", "record 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct annotated_set set;
        struct error err = {0};
        save("bad.ndjson", cases[i].text);
        annotated_set_init(&set);
        EXPECT_STATUS(ndjson_read(&set, scratch_file("bad.ndjson"), &err), STATUS_DATA, &err);
        EXPECT_CONTAINS(err.message, cases[i].message);
        annotated_set_destroy(&set);
    }
}

// Each mask comes back as its box, and the IoU that was reported says how much that is.
static void csv_back(void) {
    struct annotated_set set;
    struct annotated_set back;
    struct output out;
    struct error err;
    double ious[9][16] = {{0}};
    make_set(&set);
    open_scratch(&out, "a.csv");
    csv_begin(&out);
    for (int64_t i = 0; i < set.num_images; i++)
        csv_write(&out, &set.images[i], &set.classes, ious[i]);
    EXPECT_OK(output_commit(&out, &err), &err);
    annotated_set_init(&back);
    EXPECT_OK(csv_read(&back, scratch_file("a.csv"), &err), &err);
    // An image without objects has no row.
    REQUIRE(back.num_images == set.num_images - 1);
    for (int64_t i = 0; i < back.num_images; i++) {
        const struct annotated_image *a = &back.images[i];
        const struct annotated_image *b = &set.images[i];
        int64_t n = 0;
        EXPECT_TEXT(a->name, b->name);
        EXPECT_INT(a->width, b->width);
        for (int64_t k = 0; k < b->num_objects; k++) {
            const struct annotated_object *expected = &b->objects[k];
            if (rle_area(&expected->mask) == 0) continue;
            REQUIRE(n < a->num_objects);
            const struct annotated_object *got = &a->objects[n++];
            EXPECT_TEXT(back.classes.items[got->class_index].name,
                        set.classes.items[expected->class_index].name);
            EXPECT(got->has_score == expected->has_score && got->score == expected->score);
            EXPECT_NEAR(ious[i][k], rle_iou(&got->mask, &expected->mask, false), 1e-12);
        }
        EXPECT_INT(n, a->num_objects);
    }
    annotated_set_destroy(&back);
    annotated_set_destroy(&set);
}

static void csv_refusals(void) {
    static const char HEAD[] = "file_name,width,height,class,x,y,box_width,box_height\n";
    static const struct {
        const char *rows, *message;
    } cases[] = {
        {"a,3,2,c,0,0,1\n", "line 2: too few fields"},
        {"a,3,2,c,0,0,1,1,1\n", "line 2: too many fields"},
        {"a,3,2,c,0,0,1,1\nb,0,2,c,0,0,1,1\n", "line 3: a width or height"},
        {"a,3,2,c,zero,0,1,1\n", "line 2: a field that is not a number"},
        {"\"a,3,2,c,0,0,1,1\n", "a quote that is not closed"},
        {"\"a\"b,3,2,c,0,0,1,1\n", "text behind a closing quote"},
    };
    static const char *const TABLES[] = {"file_name,width\n", ""};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct annotated_set set;
        struct error err = {0};
        char text[512];
        snprintf(text, sizeof text, "%s%s", HEAD, cases[i].rows);
        save("bad.csv", text);
        annotated_set_init(&set);
        EXPECT_STATUS(csv_read(&set, scratch_file("bad.csv"), &err), STATUS_DATA, &err);
        EXPECT_CONTAINS(err.message, cases[i].message);
        annotated_set_destroy(&set);
    }
    for (size_t i = 0; i < sizeof TABLES / sizeof TABLES[0]; i++) {
        struct annotated_set set;
        struct error err = {0};
        save("bad.csv", TABLES[i]);
        annotated_set_init(&set);
        EXPECT_STATUS(csv_read(&set, scratch_file("bad.csv"), &err), STATUS_DATA, &err);
        EXPECT_CONTAINS(err.message, "line 1: no column \"");
        annotated_set_destroy(&set);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"ndjson back", ndjson_back},
                         {"ndjson refusals", ndjson_refusals},
                         {"csv back", csv_back},
                         {"csv refusals", csv_refusals},
                         {0},
                     });
}

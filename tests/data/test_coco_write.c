// The writers of COCO's files: what they write is what the loader reads, byte for byte the expected
// text, and there only once it is complete.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file_view.h"
#include "base/random.h"
#include "data/coco_write.h"
#include "tests/harness.h"

enum { PATH_BYTES = 512 };

static const char *scratch_path(const char *name) {
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

static void expect_file(const char *path, const char *expected) {
    struct file_view view;
    struct error err;
    REQUIRE(file_view_open(&view, path, 0, &err) == STATUS_OK);
    EXPECT_INT(view.size, (int64_t)strlen(expected));
    bool same = view.size == (int64_t)strlen(expected) &&
                memcmp(view.data, expected, (size_t)view.size) == 0;
    if (!same) printf("%.*s\n", (int)view.size, view.data);
    EXPECT(same);
    file_view_close(&view);
}

static void annotation_file(void) {
    const char *path = scratch_path("set.json");
    struct error err;
    struct coco_writer w;
    const double points[] = {0, 0, 2.5, 0, 2.5, 1};
    const struct polygon polygons[] = {{points, 3}, {points, 2}};
    const int64_t counts[] = {2, 3, 1};
    REQUIRE(coco_writer_open_set(&w, path, "a \"set\"", &err) == STATUS_OK);
    coco_write_image(&w, &(struct coco_image){3, 640, 480, "caf\xC3\xA9\n.jpg", 0, 0});
    coco_write_image(&w, &(struct coco_image){.id = -1, .exif_orientation = 1});
    coco_write_image(&w, &(struct coco_image){.id = 4, .exif_orientation = 8});
    coco_write_annotation(
        &w, &(struct coco_annotation){
                .id = INT64_C(900100000257),
                .image_id = 3,
                .category_id = 9,
                .box = {0.1, 25, 3, 1e-7},
                .area = 123456.789,
                .has_box = true,
                .has_area = true,
                .segment = {.kind = SEGMENT_POLYGONS, .count = 2, .polygons = polygons}});
    coco_write_annotation(
        &w,
        &(struct coco_annotation){
            .id = 2,
            .is_crowd = true,
            .segment = {
                .kind = SEGMENT_COUNTS, .height = 2, .width = 3, .count = 3, .counts = counts}});
    coco_write_category(&w, &(struct coco_category){9, "thing", "kind", 0});
    EXPECT(access(path, F_OK) != 0); // not before it is complete
    EXPECT_OK(coco_writer_commit(&w, &err), &err);
    expect_file(
        path,
        "{\"info\":{\"description\":\"a \\\"set\\\"\"},\"images\":["
        "{\"id\":3,\"width\":640,\"height\":480,\"file_name\":\"caf\xC3\xA9\\n.jpg\"}\n"
        ",{\"id\":-1}\n,{\"id\":4,\"exif_orientation\":8}\n],\"annotations\":["
        "{\"id\":900100000257,\"image_id\":3,\"category_id\":9,\"bbox\":[0.1,25,3,1e-07],"
        "\"area\":123456.789,\"iscrowd\":0,\"segmentation\":[[0,0,2.5,0,2.5,1],[0,0,2.5,0]]}\n"
        ",{\"id\":2,\"image_id\":0,\"category_id\":0,\"iscrowd\":1,"
        "\"segmentation\":{\"size\":[2,3],\"counts\":[2,3,1]}}\n],\"categories\":["
        "{\"id\":9,\"name\":\"thing\",\"supercategory\":\"kind\"}\n]}\n");
}

static void results_file(void) {
    const char *path = scratch_path("results.json");
    struct error err;
    struct coco_writer w;
    REQUIRE(coco_writer_open_results(&w, path, &err) == STATUS_OK);
    coco_write_result(&w, &(struct coco_annotation){.image_id = 42,
                                                    .category_id = 18,
                                                    .score = 0.236,
                                                    .has_box = true,
                                                    .box = {1, 2, 3, 4}});
    coco_write_result(
        &w,
        &(struct coco_annotation){
            .image_id = 43,
            .category_id = 1,
            .score = 1,
            .segment = {
                .kind = SEGMENT_STRING, .height = 9, .width = 8, .count = 4, .string = "a\\b1"}});
    EXPECT_OK(coco_writer_commit(&w, &err), &err);
    expect_file(path, "[{\"image_id\":42,\"category_id\":18,\"bbox\":[1,2,3,4],\"score\":0.236}\n"
                      ",{\"image_id\":43,\"category_id\":1,\"score\":1,"
                      "\"segmentation\":{\"size\":[9,8],\"counts\":\"a\\\\b1\"}}\n]\n");
}

static void empty_files(void) {
    const char *path = scratch_path("empty.json");
    struct error err;
    struct coco_writer w;
    REQUIRE(coco_writer_open_set(&w, path, "", &err) == STATUS_OK);
    EXPECT_OK(coco_writer_commit(&w, &err), &err);
    expect_file(path, "{\"info\":{\"description\":\"\"},\"images\":[],\"annotations\":[],"
                      "\"categories\":[]}\n");
    REQUIRE(coco_writer_open_results(&w, path, &err) == STATUS_OK);
    EXPECT_OK(coco_writer_commit(&w, &err), &err);
    expect_file(path, "[]\n");
}

static void discarded(void) {
    const char *path = scratch_path("kept.json");
    struct error err;
    struct coco_writer w;
    REQUIRE(output_save(path, "old", 3, &err) == STATUS_OK);
    REQUIRE(coco_writer_open_set(&w, path, "new", &err) == STATUS_OK);
    coco_write_image(&w, &(struct coco_image){.id = 1});
    coco_writer_discard(&w);
    coco_writer_discard(&w);
    expect_file(path, "old");
    w = (struct coco_writer){0};
    coco_writer_discard(&w);
}

static void unwritable(void) {
    struct error err;
    struct coco_writer w;
    EXPECT_STATUS(coco_writer_open_set(&w, scratch_path("no/such/folder.json"), "", &err),
                  STATUS_CANNOT_WRITE, &err);
    EXPECT_CONTAINS(err.message, "no/such/folder.json");
}

// ---- Round trips of random masks ----

static void random_mask(struct random *random, uint8_t *mask, int64_t num_pixels) {
    uint8_t value = 0;
    for (int64_t i = 0; i < num_pixels; i++) {
        if (random_below(random, 5) == 0) value = !value;
        mask[i] = value;
    }
}

static bool same_mask(const struct rle *a, const struct rle *b) {
    return a->height == b->height && a->width == b->width && a->num_runs == b->num_runs &&
           memcmp(a->runs, b->runs, (size_t)a->num_runs * sizeof *a->runs) == 0;
}

static void masks_come_back(void) {
    enum { MAX_SIDE = 40, NUM_MASKS = 60 };
    const char *path = scratch_path("masks.json");
    struct random random = random_stream(3, 0);
    struct rle masks[NUM_MASKS];
    struct error err;
    struct arena arena;
    struct coco_writer w;
    arena_init(&arena, 1 << 14, 0);
    REQUIRE(coco_writer_open_results(&w, path, &err) == STATUS_OK);
    for (int i = 0; i < NUM_MASKS; i++) {
        uint8_t pixels[MAX_SIDE * MAX_SIDE];
        int32_t height = 1 + (int32_t)random_below(&random, MAX_SIDE);
        int32_t width = 1 + (int32_t)random_below(&random, MAX_SIDE);
        random_mask(&random, pixels, (int64_t)height * width);
        REQUIRE(rle_encode(&masks[i], pixels, height, width, &arena, &err) == STATUS_OK);
        struct coco_annotation result = {.image_id = i, .score = random_uniform(&random)};
        result.box.x = random_normal(&random);
        result.has_box = true;
        EXPECT_OK(coco_segment_from_rle(&result.segment, &masks[i],
                                        i % 2 ? SEGMENT_STRING : SEGMENT_COUNTS, &arena, &err),
                  &err);
        coco_write_result(&w, &result);
    }
    EXPECT_OK(coco_writer_commit(&w, &err), &err);
    struct coco_set set;
    const struct coco_load_options options = {0};
    REQUIRE(coco_load_results(&set, path, &options, &err) == STATUS_OK);
    REQUIRE(set.num_annotations == NUM_MASKS);
    struct random again = random_stream(3, 0);
    for (int i = 0; i < NUM_MASKS; i++) {
        struct rle rle;
        uint8_t pixels[MAX_SIDE * MAX_SIDE];
        int64_t num_pixels = 1 + random_below(&again, MAX_SIDE);
        num_pixels *= 1 + random_below(&again, MAX_SIDE);
        random_mask(&again, pixels, num_pixels);
        EXPECT(set.annotations[i].score == random_uniform(&again)); // to the last bit
        EXPECT(set.annotations[i].box.x == random_normal(&again));
        EXPECT_INT(set.annotations[i].segment.kind, i % 2 ? SEGMENT_STRING : SEGMENT_COUNTS);
        EXPECT_OK(coco_segment_to_rle(&rle, &set.annotations[i].segment, 0, 0, &arena, &err), &err);
        EXPECT(same_mask(&rle, &masks[i]));
    }
    coco_destroy(&set);
    arena_destroy(&arena);
}

// Loading a real file and writing it again gives a file that loads as the same set.
static void real_data_comes_back(void) {
    const char *source = shared_path("data/coco-mini/annotations/instances_train.json");
    if (!source) skip_case("no coco-mini beside the checkout");
    struct error err;
    struct coco_set set;
    struct coco_set again;
    struct coco_writer w;
    const struct coco_load_options options = {0};
    REQUIRE(coco_load_annotations(&set, source, &options, &err) == STATUS_OK);
    const char *path = scratch_path("copy.json");
    REQUIRE(coco_writer_open_set(&w, path, "copy", &err) == STATUS_OK);
    for (int64_t i = 0; i < set.num_annotations; i++) // any order of the arrays will do
        coco_write_annotation(&w, &set.annotations[i]);
    for (int64_t i = 0; i < set.num_images; i++)
        coco_write_image(&w, &set.images[i]);
    for (int64_t i = 0; i < set.num_categories; i++)
        coco_write_category(&w, &set.categories[i]);
    EXPECT_OK(coco_writer_commit(&w, &err), &err);
    REQUIRE(coco_load_annotations(&again, path, &options, &err) == STATUS_OK);
    REQUIRE(again.num_annotations == set.num_annotations && again.num_images == set.num_images);
    for (int64_t i = 0; i < set.num_annotations; i++) {
        const struct coco_annotation *a = &set.annotations[i];
        const struct coco_annotation *b = &again.annotations[i];
        EXPECT(a->id == b->id && a->area == b->area && a->box.width == b->box.width);
        EXPECT(a->is_crowd == b->is_crowd && a->segment.count == b->segment.count);
        if (a->segment.kind != SEGMENT_POLYGONS) continue;
        for (int64_t k = 0; k < a->segment.count; k++) {
            const struct polygon *p = &a->segment.polygons[k];
            EXPECT_INT(b->segment.polygons[k].num_points, p->num_points);
            EXPECT(memcmp(p->points, b->segment.polygons[k].points,
                          (size_t)p->num_points * 2 * sizeof(double)) == 0);
        }
    }
    EXPECT_TEXT(again.images[7].file_name, set.images[7].file_name);
    EXPECT_TEXT(again.categories[79].name, set.categories[79].name);
    coco_destroy(&set);
    coco_destroy(&again);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"annotation_file", annotation_file},
                                          {"results_file", results_file},
                                          {"empty_files", empty_files},
                                          {"discarded", discarded},
                                          {"unwritable", unwritable},
                                          {"masks_come_back", masks_come_back},
                                          {"real_data_comes_back", real_data_comes_back},
                                          {0}});
}

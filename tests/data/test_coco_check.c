// The checks of annotation sets: each fault is found under its word, and nothing else is.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/output.h"
#include "data/coco_check.h"
#include "data/image.h"
#include "tests/harness.h"

enum { PATH_BYTES = 512 };

// All that was found, as "word word*2", in the order of reports. Holds until the next call.
static const char *words(const struct coco_report *report) {
    static char text[2048];
    int used = 0;
    text[0] = '\0';
    for (enum coco_problem_kind kind = 0; kind < NUM_PROBLEM_KINDS; kind++) {
        int64_t total = report->problems.totals[kind];
        if (total == 0) continue;
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%s", used ? " " : "",
                         coco_problem_word(kind));
        if (total > 1)
            used += snprintf(text + used, sizeof text - (size_t)used, "*%lld", (long long)total);
    }
    return text;
}

struct checked {
    struct coco_set set;
    struct coco_report report;
};

static void check(struct checked *checked, const char *document, const char *image_folder,
                  int64_t max_per_kind) {
    const struct coco_load_options load_options = {0};
    const struct coco_check_options options = {image_folder, max_per_kind, NULL};
    struct error err = {0};
    enum status status = coco_parse_annotations(&checked->set, document, (int64_t)strlen(document),
                                                "a.json", &load_options, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
    status = coco_check(&checked->report, &checked->set, &options, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
}

static void discard(struct checked *checked) {
    coco_report_destroy(&checked->report);
    coco_destroy(&checked->set);
}

static void expect_words(const char *document, const char *image_folder, const char *expected) {
    struct checked checked;
    check(&checked, document, image_folder, 100);
    if (strcmp(words(&checked.report), expected) != 0) printf("%s\n", document);
    EXPECT_TEXT(words(&checked.report), expected);
    discard(&checked);
}

#define IMAGE    "{\"id\":1,\"width\":100,\"height\":80,\"file_name\":\"a.jpg\"}"
#define CATEGORY "{\"id\":1,\"name\":\"thing\"}"
#define IDS      "\"id\":1,\"image_id\":1,\"category_id\":1"
#define BOX      "\"bbox\":[10,10,20,20]"
#define AREA     "\"area\":400"
#define SQUARE   "[10,10,30,10,30,30,10,30]"
#define SEGMENT  "\"segmentation\":[" SQUARE "]"
#define GOOD     "{" IDS "," BOX "," AREA "," SEGMENT "}"

static void expect_document(const char *images, const char *categories, const char *annotations,
                            const char *expected) {
    char *text = NULL;
    REQUIRE(asprintf(&text, "{\"images\":[%s],\"categories\":[%s],\"annotations\":[%s]}", images,
                     categories, annotations) > 0);
    expect_words(text, NULL, expected);
    free(text);
}

static const struct {
    const char *record;
    const char *words;
} FAULTY_ANNOTATIONS[] = {
    {GOOD, ""},
    {"{" IDS "," BOX "," AREA "," SEGMENT ",\"iscrowd\":0,\"extra\":[{}]}", ""},
    // Ids and references.
    {"{\"image_id\":1,\"category_id\":1," BOX "," AREA "," SEGMENT "}", "annotation_id_missing"},
    {"{\"id\":\"1\",\"image_id\":1,\"category_id\":1," BOX "," AREA "," SEGMENT "}",
     "annotation_id_missing"},
    {"{\"id\":0,\"image_id\":1,\"category_id\":1," BOX "," AREA "," SEGMENT "}",
     "zero_annotation_id"},
    {"{\"id\":2147483648,\"image_id\":1,\"category_id\":1," BOX "," AREA "," SEGMENT "}",
     "large_id"},
    {"{\"id\":9007199254740993,\"image_id\":1,\"category_id\":1," BOX "," AREA "," SEGMENT "}",
     "annotation_id_missing"},
    {"{\"id\":1,\"image_id\":2,\"category_id\":1," BOX "," AREA "," SEGMENT "}", "unknown_image"},
    {"{\"id\":1,\"category_id\":1," BOX "," AREA "," SEGMENT "}", "unknown_image"},
    {"{\"id\":1,\"image_id\":1,\"category_id\":2," BOX "," AREA "," SEGMENT "}",
     "unknown_category"},
    {"{\"id\":1,\"image_id\":1," BOX "," AREA "," SEGMENT "}", "unknown_category"},
    {GOOD "," GOOD, "duplicate_annotation_id duplicate_annotation"},
    {GOOD ",{\"id\":2,\"image_id\":1,\"category_id\":1," BOX "," AREA "," SEGMENT "}",
     "duplicate_annotation"},
    // Crowds.
    {"{" IDS "," BOX "," AREA "," SEGMENT ",\"iscrowd\":1}", "crowd_with_polygons"},
    {"{" IDS "," BOX "," AREA "," SEGMENT ",\"iscrowd\":2}", "crowd_malformed"},
    {"{" IDS "," BOX "," AREA "," SEGMENT ",\"iscrowd\":\"0\"}", "crowd_malformed"},
    // Boxes.
    {"{" IDS "," AREA "," SEGMENT "}", "box_missing"},
    {"{" IDS ",\"bbox\":[]," AREA "," SEGMENT "}", "box_missing"},
    {"{" IDS ",\"bbox\":[1,2,3]," AREA "," SEGMENT "}", "box_malformed"},
    {"{" IDS ",\"bbox\":[1,2,3,null]," AREA "," SEGMENT "}", "box_malformed"},
    {"{" IDS ",\"bbox\":[10,10,0,20]," AREA "," SEGMENT "}", "box_without_area box_differs"},
    {"{" IDS ",\"bbox\":[30,30,-20,-20]," AREA "," SEGMENT "}", "box_negative"},
    {"{" IDS ",\"bbox\":[100,10,20,20]," AREA "," SEGMENT "}", "box_outside_image box_differs"},
    {"{" IDS ",\"bbox\":[-50,10,20,20]," AREA "," SEGMENT "}", "box_outside_image box_differs"},
    {"{" IDS ",\"bbox\":[10,1e9,20,20]," AREA "," SEGMENT "}", "box_outside_image box_differs"},
    {"{" IDS ",\"bbox\":[90,70,10.5,10.5],\"area\":100,"
     "\"segmentation\":[[90,70,100,70,100,80,90,80]]}",
     ""},
    {"{" IDS ",\"bbox\":[90,70,15,10],\"area\":100,"
     "\"segmentation\":[[90,70,100,70,100,80,90,80]]}",
     "box_over_border"},
    {"{" IDS ",\"bbox\":[40,40,60,60],\"area\":400,"
     "\"segmentation\":[[40,40,60,40,60,60,40,60]]}",
     "box_over_border box_holds_corners"},
    {"{" IDS ",\"bbox\":[50,50,20,20]," AREA "," SEGMENT "}", "box_differs"},
    {"{" IDS ",\"bbox\":[12,12,20,20]," AREA "," SEGMENT "}", ""},
    // Areas.
    {"{" IDS "," BOX "," SEGMENT "}", "area_missing"},
    {"{" IDS "," BOX ",\"area\":\"400\"," SEGMENT "}", "area_malformed"},
    {"{" IDS "," BOX ",\"area\":4000," SEGMENT "}", "area_differs"},
    {"{" IDS "," BOX ",\"area\":100," SEGMENT "}", "area_differs"},
    {"{" IDS "," BOX ",\"area\":0," SEGMENT "}", "area_differs"},
    {"{" IDS "," BOX ",\"area\":-400," SEGMENT "}", "area_differs"},
    {"{" IDS "," BOX ",\"area\":350.5," SEGMENT "}", ""},
    // Polygons.
    {"{" IDS "," BOX "," AREA "}", "segment_missing"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":null}", "segment_missing"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[]}", "segment_missing"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":\"x\"}", "segment_malformed"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[[1,2,3,4,5,\"6\"]]}", "segment_malformed"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[10,10,30,10,30,30]}", "segment_malformed"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[[]]}", "polygon_too_short"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[[1]]}", "polygon_odd_numbers"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[[1,2]]}", "polygon_too_short"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[[1,2,3]]}", "polygon_odd_numbers"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[[1,2,3,4]]}", "polygon_too_short"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[[1,2,3,4,5]]}", "polygon_odd_numbers"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[" SQUARE ",[1,2,3,4]]}", "polygon_too_short"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[" SQUARE ",[1,2,3]]}", "polygon_odd_numbers"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[[10,10,10,10,10,10]]}", "mask_empty"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[[110,10,130,10,130,30]]}",
     "polygon_outside_image"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[" SQUARE ",[-9,-9,-1,-9,-1,-1]]}",
     "polygon_outside_image"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":[[10,10,1e300,10,30,30]]}",
     "polygon_outside_image"},
    {"{" IDS ",\"bbox\":[90,10,10,20],\"area\":200,"
     "\"segmentation\":[[90,10,110,10,110,30,90,30]]}",
     "polygon_over_border"},
    {"{" IDS ",\"bbox\":[90,10,10,20],\"area\":200,"
     "\"segmentation\":[[90,10,100.9,10,100.9,30,90,30]]}",
     ""},
    // Run lengths: the square is columns 10..29, rows 10..29 of an image of height 80.
    {"{" IDS ",\"bbox\":[10,0,5,80],\"area\":400,"
     "\"segmentation\":{\"size\":[80,100],\"counts\":[800,400,6800]}}",
     ""},
    {"{" IDS ",\"bbox\":[10,0,5,80],\"area\":400,"
     "\"segmentation\":{\"size\":[80,100],\"counts\":[800,400,6799]}}",
     "rle_sum_differs"},
    {"{" IDS ",\"bbox\":[10,0,5,80],\"area\":400,"
     "\"segmentation\":{\"size\":[80,100],\"counts\":[]}}",
     "rle_sum_differs"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":{\"size\":[80,100],\"counts\":[9,-1,7992]}}",
     "rle_malformed"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":{\"size\":[80,100],\"counts\":[1e12]}}",
     "rle_malformed"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":{\"size\":[80,100]}}", "rle_malformed"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":{\"size\":[0,100],\"counts\":[0]}}",
     "rle_malformed"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":{\"size\":[100,80],\"counts\":[8000]}}",
     "rle_size_differs"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":{\"size\":[100,80],\"counts\":[1]}}",
     "rle_size_differs rle_sum_differs"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":{\"size\":[80,100],\"counts\":[8000]}}",
     "mask_empty"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":{\"size\":[80,100],\"counts\":\"01\"}}",
     "rle_sum_differs"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":{\"size\":[80,100],\"counts\":\"0!1\"}}",
     "rle_malformed"},
    {"{" IDS "," BOX "," AREA ",\"segmentation\":{\"size\":[80,100],\"counts\":\"01P\"}}",
     "rle_malformed"},
};

static void annotations(void) {
    for (size_t i = 0; i < sizeof FAULTY_ANNOTATIONS / sizeof *FAULTY_ANNOTATIONS; i++)
        expect_document(IMAGE, CATEGORY, FAULTY_ANNOTATIONS[i].record, FAULTY_ANNOTATIONS[i].words);
}

static void images(void) {
    static const struct {
        const char *records;
        const char *words;
    } cases[] = {
        {IMAGE, ""},
        {IMAGE ",{\"id\":2,\"width\":5,\"height\":5,\"file_name\":\"b/c.jpg\"}", ""},
        {IMAGE "," IMAGE, "duplicate_image_id duplicate_file_name"},
        {IMAGE ",{\"width\":5,\"height\":5,\"file_name\":\"b.jpg\"}", "image_id_missing"},
        {IMAGE ",{\"id\":3000000000,\"width\":5,\"height\":5,\"file_name\":\"b.jpg\"}", "large_id"},
        {IMAGE ",{\"id\":2,\"height\":5,\"file_name\":\"b.jpg\"}", "image_size_missing"},
        {IMAGE ",{\"id\":2,\"width\":0,\"height\":5,\"file_name\":\"b\"}", "image_size_missing"},
        {IMAGE ",{\"id\":2,\"width\":70000,\"height\":5,\"file_name\":\"b\"}",
         "image_size_missing"},
        {IMAGE ",{\"id\":2,\"width\":5,\"height\":5}", "file_name_missing"},
        {IMAGE ",{\"id\":2,\"width\":5,\"height\":5,\"file_name\":\"\"}", "file_name_missing"},
        {IMAGE ",{\"id\":2,\"width\":5,\"height\":5,\"file_name\":7}", "name_not_text"},
        {IMAGE ",{\"id\":2,\"width\":5,\"height\":5,\"file_name\":\"a\\nb\"}", "name_unprintable"},
        {IMAGE ",{\"id\":2,\"width\":5,\"height\":5,\"file_name\":\"/etc/a.jpg\"}",
         "file_name_leaves_folder"},
        {IMAGE ",{\"id\":2,\"width\":5,\"height\":5,\"file_name\":\"a/../../b.jpg\"}",
         "file_name_leaves_folder"},
        {IMAGE ",{\"id\":2,\"width\":5,\"height\":5,\"file_name\":\"..\"}",
         "file_name_leaves_folder"},
        {IMAGE ",{\"id\":2,\"width\":5,\"height\":5,\"file_name\":\"a..b/...jpg\"}", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_document(cases[i].records, CATEGORY, GOOD, cases[i].words);
}

static void categories(void) {
    expect_document(IMAGE, CATEGORY "," CATEGORY, GOOD,
                    "duplicate_category_id duplicate_category_name");
    expect_document(IMAGE, CATEGORY ",{\"id\":2,\"name\":\"thing\"}", GOOD,
                    "duplicate_category_name");
    expect_document(IMAGE, CATEGORY ",{\"id\":2}", GOOD, "name_missing");
    expect_document(IMAGE, CATEGORY ",{\"id\":2,\"name\":[]}", GOOD, "name_not_text");
    expect_document(IMAGE, CATEGORY ",{\"name\":\"x\"}", GOOD, "category_id_missing");
    expect_document(IMAGE, CATEGORY ",{\"id\":2,\"name\":\"two\\nlines\"}", GOOD,
                    "name_unprintable");
    expect_document(IMAGE, CATEGORY ",{\"id\":2,\"name\":\"\\u007f\"}", GOOD, "name_unprintable");
    char name[4200];
    int prefix = snprintf(name, sizeof name, "%s,{\"id\":2,\"name\":\"", CATEGORY);
    memset(name + prefix, 'n', 4096);
    snprintf(name + prefix + 4096, sizeof name - (size_t)prefix - 4096, "\"}");
    expect_document(IMAGE, name, GOOD, "name_too_long");
}

static void empty_sets(void) {
    expect_words("{}", NULL, "no_images no_categories no_annotations");
    expect_document(IMAGE, CATEGORY, "", "no_annotations");
}

static void counts(void) {
    struct checked checked;
    check(&checked,
          "{\"images\":[" IMAGE ",{\"id\":2,\"width\":300,\"height\":300,\"file_name\":\"b\"},"
          "{\"id\":3,\"width\":9,\"height\":9,\"file_name\":\"c\"}],"
          "\"categories\":[" CATEGORY ",{\"id\":9,\"name\":\"rare\"},{\"id\":5,\"name\":\"none\"}],"
          "\"annotations\":[" GOOD
          ",{\"id\":2,\"image_id\":2,\"category_id\":9,\"bbox\":[0,0,200,200],\"area\":9216,"
          "\"segmentation\":[[0,0,200,0,200,200]]},"
          "{\"id\":3,\"image_id\":2,\"category_id\":9,\"bbox\":[0,0,50,50],"
          "\"segmentation\":[[0,0,50,0,50,50,0,50]]},"
          "{\"id\":4,\"image_id\":1,\"category_id\":1,\"bbox\":[0,0,100,80],\"area\":8000,"
          "\"iscrowd\":1,\"segmentation\":{\"size\":[80,100],\"counts\":[0,8000]}}]}",
          NULL, 10);
    const struct coco_report *report = &checked.report;
    EXPECT_INT(report->num_crowds, 1);
    EXPECT_INT(report->num_images_without_annotations, 1);
    EXPECT_INT(report->num_categories_without_annotations, 1);
    EXPECT_INT(report->sizes.small, 1);  // 400
    EXPECT_INT(report->sizes.medium, 1); // 2500, by the mask
    EXPECT_INT(report->sizes.large, 1);  // 9216
    EXPECT_INT(report->category_counts[0], 1);
    EXPECT_INT(report->category_crowds[0], 1);
    EXPECT_INT(report->category_counts[1], 2);
    EXPECT_INT(report->category_counts[2], 0);
    discard(&checked);
}

static void places_and_texts(void) {
    struct checked checked;
    check(&checked,
          "{\"images\":[" IMAGE "],\"categories\":[" CATEGORY "],\"annotations\":[" GOOD
          ",{\"id\":77,\"image_id\":5,\"category_id\":1,\"bbox\":[1,2,-3,4]," AREA "," SEGMENT
          "}]}",
          NULL, 10);
    const struct problem_list *list = &checked.report.problems;
    REQUIRE(list->count == 2);
    EXPECT_INT(list->items[0].kind, PROBLEM_UNKNOWN_IMAGE);
    EXPECT_INT(list->items[0].array, COCO_ANNOTATIONS);
    EXPECT_INT(list->items[0].index, 1);
    EXPECT_INT(list->items[0].id, 77);
    EXPECT_TEXT(list->items[0].text, "no image has the id 5");
    EXPECT_TEXT(list->items[1].text, "bbox [1, 2, -3, 4] has a negative side");
    EXPECT_INT(problem_list_total(list, SEVERITY_ERROR), 2);
    EXPECT_INT(problem_list_total(list, SEVERITY_WARNING), 0);
    discard(&checked);
}

// A large set with a fault in every third record.
static void make_large(struct output *out, int num_annotations) {
    output_open_memory(out);
    output_text(out,
                "{\"images\":[" IMAGE "],\"categories\":[" CATEGORY "],\"annotations\":[" GOOD);
    for (int i = 2; i <= num_annotations; i++)
        output_printf(out,
                      ",{\"id\":%d,\"image_id\":%d,\"category_id\":1,\"bbox\":[10,10,20,20.%05d],"
                      "\"area\":%d,\"segmentation\":[" SQUARE "]}",
                      i, i % 3 ? 1 : 2, i, i % 5 ? 400 : 4000);
    output_text(out, "]}");
}

static void limits(void) {
    enum { NUM_ANNOTATIONS = 20000, LIMIT = 7 };
    struct output document;
    make_large(&document, NUM_ANNOTATIONS);
    struct checked checked;
    check(&checked, document.data, NULL, LIMIT);
    const struct problem_list *list = &checked.report.problems;
    EXPECT_INT(list->totals[PROBLEM_UNKNOWN_IMAGE], NUM_ANNOTATIONS / 3);
    EXPECT_INT(list->count, 2 * LIMIT);
    for (int i = 0; i < LIMIT && i < list->count; i++)
        EXPECT_INT(list->items[i].id, 3 * (i + 1)); // the first ones
    discard(&checked);
    check(&checked, document.data, NULL, 0);
    EXPECT_INT(checked.report.problems.count, 0);
    EXPECT_INT(checked.report.problems.totals[PROBLEM_UNKNOWN_IMAGE], NUM_ANNOTATIONS / 3);
    discard(&checked);
    output_discard(&document);
}

static void threads_agree(void) {
    enum { NUM_ANNOTATIONS = 20000, LIMIT = 1000 };
    struct output document;
    make_large(&document, NUM_ANNOTATIONS);
    struct checked alone;
    check(&alone, document.data, NULL, LIMIT);
    for (int threads = 1; threads <= 5; threads += 2) {
        struct error err;
        struct coco_report report;
        struct coco_check_options options = {NULL, LIMIT, NULL};
        REQUIRE(workers_create(&options.workers, threads, &err) == STATUS_OK);
        REQUIRE(coco_check(&report, &alone.set, &options, &err) == STATUS_OK);
        EXPECT_TEXT(words(&report), "unknown_image*6666 area_differs*2667");
        EXPECT_INT(report.sizes.small, alone.report.sizes.small);
        EXPECT_INT(report.problems.count, alone.report.problems.count);
        for (int64_t i = 0; i < report.problems.count; i++) {
            EXPECT_INT(report.problems.items[i].id, alone.report.problems.items[i].id);
            EXPECT_TEXT(report.problems.items[i].text, alone.report.problems.items[i].text);
        }
        coco_report_destroy(&report);
        workers_destroy(options.workers);
    }
    discard(&alone);
    output_discard(&document);
}

// ---- Image files ----

static const char *scratch_path(const char *name) {
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

// A grey JPEG of the size, with an EXIF block behind its first marker if orientation is not 0.
static void save_jpeg(const char *name, int32_t width, int32_t height, int orientation) {
    uint8_t exif[] = {0xFF, 0xE1, 0, 34, 'E', 'x', 'i', 'f', 0,    0,    'M', 'M',
                      0,    42,   0, 0,  0,   8,   0,   1,   0x01, 0x12, 0,   3,
                      0,    0,    0, 1,  0,   0,   0,   0,   0,    0,    0,   0};
    enum { ORIENTATION_BYTE = 29, START_BYTES = 2 };
    exif[ORIENTATION_BYTE] = (uint8_t)orientation;
    struct error err;
    struct output jpeg;
    struct arena arena;
    arena_init(&arena, 1 << 16, 0);
    struct image image = {width, height, arena_alloc_zero(&arena, 3 * width * height, 1)};
    output_open_memory(&jpeg);
    EXPECT_OK(image_write_jpeg(&image, 90, &jpeg, &err), &err);
    FILE *file = fopen(scratch_path(name), "wb");
    REQUIRE(file);
    fwrite(jpeg.data, 1, START_BYTES, file);
    if (orientation) fwrite(exif, 1, sizeof exif, file);
    fwrite(jpeg.data + START_BYTES, 1, (size_t)jpeg.size - START_BYTES, file);
    fclose(file);
    output_discard(&jpeg);
    arena_destroy(&arena);
}

static void expect_file(const char *name, const char *expected) {
    char document[8192];
    snprintf(document, sizeof document,
             "{\"images\":[{\"id\":1,\"width\":100,\"height\":80,\"file_name\":\"%s\"}],"
             "\"categories\":[" CATEGORY "],\"annotations\":[" GOOD "]}",
             name);
    expect_words(document, scratch_folder(), expected);
}

static void image_files(void) {
    struct error err;
    save_jpeg("good.jpg", 100, 80, 0);
    save_jpeg("upright.jpg", 100, 80, 1);
    save_jpeg("small.jpg", 50, 40, 0);
    save_jpeg("flipped.jpg", 100, 80, 3);
    save_jpeg("turned.jpg", 80, 100, 6);     // 100 x 80 once it is upright
    save_jpeg("turned-raw.jpg", 100, 80, 6); // the set describes the pixels before the turn
    REQUIRE(output_save(scratch_path("empty.jpg"), "", 0, &err) == STATUS_OK);
    REQUIRE(output_save(scratch_path("text.jpg"), "no image", 8, &err) == STATUS_OK);
    REQUIRE(output_save(scratch_path("cut.jpg"), "\xFF\xD8\xFF\xE0\0", 5, &err) == STATUS_OK);
    expect_file("good.jpg", "");
    expect_file("upright.jpg", "");
    expect_file("small.jpg", "image_size_differs");
    expect_file("flipped.jpg", "exif_rotated");
    expect_file("turned.jpg", "exif_rotated");
    expect_file("turned-raw.jpg", "image_size_differs exif_rotated");
    expect_file("absent.jpg", "missing_image_file");
    expect_file("empty.jpg", "unreadable_image");
    expect_file("text.jpg", "unreadable_image");
    expect_file("cut.jpg", "unreadable_image");
}

static void strange_files(void) {
    char name[4200];
    REQUIRE(mkdir(scratch_path("folder.jpg"), 0700) == 0);
    expect_file("folder.jpg", "unreadable_image");
    REQUIRE(symlink("circle.jpg", scratch_path("circle.jpg")) == 0);
    expect_file("circle.jpg", "missing_image_file");
    REQUIRE(symlink("nowhere.jpg", scratch_path("dangling.jpg")) == 0);
    expect_file("dangling.jpg", "missing_image_file");
    REQUIRE(mkfifo(scratch_path("pipe.jpg"), 0600) == 0);
    expect_file("pipe.jpg", "unreadable_image");
    memset(name, 'a', sizeof name);
    name[300] = '\0'; // longer than file systems take
    expect_file(name, "missing_image_file name_too_long");
    name[300] = 'a';
    name[4150] = '\0'; // longer than the system takes
    expect_file(name, "missing_image_file name_too_long");
    expect_file("line\\nbreak.jpg", "missing_image_file name_unprintable");
}

static void unreadable_folder(void) {
    struct error err = {0};
    struct coco_report report;
    const struct coco_set set = {0};
    struct coco_check_options options = {.image_folder = scratch_path("no-such-folder")};
    EXPECT_STATUS(coco_check(&report, &set, &options, &err), STATUS_NO_INPUT, &err);
    EXPECT_CONTAINS(err.message, "no-such-folder: cannot read the folder of images: No such file");
    REQUIRE(symlink("loop", scratch_path("loop")) == 0);
    options.image_folder = scratch_path("loop");
    EXPECT_STATUS(coco_check(&report, &set, &options, &err), STATUS_NO_INPUT, &err);
    REQUIRE(output_save(scratch_path("file"), "x", 1, &err) == STATUS_OK);
    options.image_folder = scratch_path("file");
    EXPECT_STATUS(coco_check(&report, &set, &options, &err), STATUS_NO_INPUT, &err);
    EXPECT_CONTAINS(err.message, "Not a directory");
}

static void real_data(void) {
    static const char *const names[] = {"instances_train.json", "instances_val.json"};
    for (int i = 0; i < 2; i++) {
        char path[PATH_BYTES];
        char folder[PATH_BYTES];
        const char *root = shared_path("data/coco-mini");
        if (!root) skip_case("no coco-mini beside the checkout");
        snprintf(folder, sizeof folder, "%s/images", root);
        snprintf(path, sizeof path, "%s/annotations/%s", root, names[i]);
        struct error err;
        struct checked checked;
        const struct coco_load_options load_options = {0};
        const struct coco_check_options options = {folder, 10, NULL};
        REQUIRE(coco_load_annotations(&checked.set, path, &load_options, &err) == STATUS_OK);
        REQUIRE(coco_check(&checked.report, &checked.set, &options, &err) == STATUS_OK);
        EXPECT_TEXT(words(&checked.report), i ? "large_id*4" : "large_id*7"); // of crowds
        EXPECT_INT(checked.report.num_images_without_annotations, 1);
        EXPECT_INT(checked.report.sizes.small, i ? 118 : 334);
        EXPECT_INT(checked.report.sizes.medium, i ? 89 : 155);
        EXPECT_INT(checked.report.sizes.large, i ? 59 : 107);
        discard(&checked);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"annotations", annotations},
                                          {"images", images},
                                          {"categories", categories},
                                          {"empty_sets", empty_sets},
                                          {"counts", counts},
                                          {"places_and_texts", places_and_texts},
                                          {"limits", limits},
                                          {"threads_agree", threads_agree},
                                          {"image_files", image_files},
                                          {"strange_files", strange_files},
                                          {"unreadable_folder", unreadable_folder},
                                          {"real_data", real_data},
                                          {0}});
}

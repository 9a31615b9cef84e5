// The loader of COCO's files: what it keeps, what it forgives, what it refuses, and that threads do
// not change any of it.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_writer.h"
#include "base/output.h"
#include "base/random.h"
#include "data/coco.h"
#include "tests/harness.h"

static const struct coco_load_options plain = {0};

static enum status parse(struct coco_set *set, const char *text, struct error *err) {
    return coco_parse_annotations(set, text, (int64_t)strlen(text), "a.json", &plain, err);
}

static enum status parse_results(struct coco_set *set, const char *text, struct error *err) {
    return coco_parse_results(set, text, (int64_t)strlen(text), "r.json", &plain, err);
}

// A document around one annotation.
static enum status parse_annotation(struct coco_set *set, const char *annotation,
                                    struct error *err) {
    char text[4096];
    snprintf(text, sizeof text, "{\"images\":[],\"categories\":[],\"annotations\":[%s]}",
             annotation);
    return parse(set, text, err);
}

// ---- What is kept ----

static void whole_document(void) {
    const char *text =
        "{\"info\": {\"year\": 2017, \"x\": [1, {\"images\": []}]}, \"licenses\": [],\n"
        " \"categories\": [{\"id\": 90, \"name\": \"toothbrush\", \"supercategory\": \"indoor\"},\n"
        "                  {\"id\": 0, \"name\": \"caf\\u00e9\"}],\n"
        " \"annotations\": [{\"id\": 900100000257, \"image_id\": 257, \"category_id\": 90,\n"
        "   \"bbox\": [0.1, 2.5e1, 3, 4.125], \"area\": 123456.789, \"iscrowd\": 0,\n"
        "   \"segmentation\": [[1, 2, 3, 4.5, 5, 6], [7, 8, 9, 10, 11, 12, 13, 14]]}],\n"
        " \"images\": [{\"id\": 257, \"width\": 640, \"height\": 480, \"file_name\": \"a/b.jpg\",\n"
        "              \"license\": 4, \"coco_url\": null},\n"
        "             {\"id\": 0, \"width\": 1, \"height\": 65535, \"file_name\": \"\"}]}\n";
    struct coco_set set;
    struct error err;
    EXPECT_OK(parse(&set, text, &err), &err);
    REQUIRE(set.num_images == 2 && set.num_categories == 2 && set.num_annotations == 1);
    EXPECT_TEXT(set.path, "a.json");
    EXPECT_TEXT(set.images[0].file_name, "a/b.jpg");
    EXPECT_INT(set.images[0].width, 640);
    EXPECT_INT(set.images[1].height, 65535);
    EXPECT(coco_find_image(&set, 0) == &set.images[1]);
    EXPECT(coco_find_image(&set, 257) == &set.images[0]);
    EXPECT(!coco_find_image(&set, 1));
    EXPECT_TEXT(coco_find_category(&set, 0)->name, "caf\xC3\xA9");
    EXPECT_TEXT(coco_find_category(&set, 0)->supercategory, "");
    EXPECT_TEXT(coco_find_category(&set, 90)->supercategory, "indoor");
    const struct coco_annotation *a = &set.annotations[0];
    EXPECT_INT(a->id, INT64_C(900100000257));
    EXPECT(a->has_box && a->box.x == 0.1 && a->box.y == 25 && a->box.width == 3);
    EXPECT(a->has_area && a->area == 123456.789);
    EXPECT(!a->is_crowd);
    EXPECT_INT(a->defects & ~(unsigned)DEFECT_SCORE, 0);
    REQUIRE(a->segment.kind == SEGMENT_POLYGONS && a->segment.count == 2);
    EXPECT_INT(a->segment.polygons[1].num_points, 4);
    EXPECT(a->segment.polygons[0].points[3] == 4.5);
    EXPECT_OK(coco_require(&set, ~(unsigned)DEFECT_SCORE, &err), &err);
    coco_destroy(&set);
}

static void run_lengths(void) {
    struct coco_set set;
    struct error err;
    EXPECT_OK(parse_annotation(&set,
                               "{\"id\":1,\"image_id\":1,\"category_id\":1,\"iscrowd\":1,"
                               "\"segmentation\":{\"size\":[3,2],\"counts\":[1,2,3]}},"
                               "{\"id\":2,\"image_id\":1,\"category_id\":1,"
                               "\"segmentation\":{\"counts\":\"a\\\\b\\u0031\",\"size\":[7,9]}}",
                               &err),
              &err);
    REQUIRE(set.num_annotations == 2);
    const struct coco_segment *counts = &set.annotations[0].segment;
    EXPECT(set.annotations[0].is_crowd);
    REQUIRE(counts->kind == SEGMENT_COUNTS && counts->count == 3);
    EXPECT_INT(counts->height, 3);
    EXPECT_INT(counts->width, 2);
    EXPECT_INT(counts->counts[2], 3);
    const struct coco_segment *string = &set.annotations[1].segment;
    REQUIRE(string->kind == SEGMENT_STRING && string->count == 4);
    EXPECT(memcmp(string->string, "a\\b1", 4) == 0);
    EXPECT_INT(string->height, 7);
    coco_destroy(&set);
}

static void absent_keys(void) {
    struct coco_set set;
    struct error err;
    EXPECT_OK(parse(&set, "{}", &err), &err);
    EXPECT_INT(set.num_images + set.num_annotations + set.num_categories, 0);
    coco_destroy(&set);
    EXPECT_OK(parse(&set, "{\"images\":[{\"id\":1}],\"annotations\":[{}]}", &err), &err);
    REQUIRE(set.num_images == 1 && set.num_annotations == 1);
    EXPECT(!set.images[0].file_name && set.images[0].width == 0);
    EXPECT_INT(set.images[0].defects, 0);
    EXPECT(!set.annotations[0].has_box && !set.annotations[0].has_area);
    EXPECT_INT(set.annotations[0].segment.kind, SEGMENT_NONE);
    EXPECT_INT(set.annotations[0].defects,
               DEFECT_ID | DEFECT_IMAGE_ID | DEFECT_CATEGORY_ID | DEFECT_SCORE);
    coco_destroy(&set);
}

static void escaped_keys(void) {
    struct coco_set set;
    struct error err;
    EXPECT_OK(parse(&set, "{\"im\\u0061ges\":[{\"\\u0069d\":5,\"file_name\":\"x\\ny\"}]}", &err),
              &err);
    REQUIRE(set.num_images == 1);
    EXPECT_INT(set.images[0].id, 5);
    EXPECT_TEXT(set.images[0].file_name, "x\ny");
    coco_destroy(&set);
}

static void results(void) {
    struct coco_set set;
    struct error err;
    EXPECT_OK(parse_results(&set,
                            "[{\"image_id\":42,\"category_id\":18,\"bbox\":[258.15,41.29,348.26,"
                            "243.78],\"score\":0.236},{\"image_id\":42,\"category_id\":18,\"id\":9,"
                            "\"segmentation\":{\"size\":[1,1],\"counts\":\"01\"},\"score\":1}]",
                            &err),
              &err);
    REQUIRE(set.num_annotations == 2);
    EXPECT(set.annotations[0].score == 0.236);
    EXPECT_INT(set.annotations[0].id, 1);
    EXPECT_INT(set.annotations[1].id, 2); // by order, as pycocotools does, whatever the file says
    EXPECT_INT(set.annotations[0].defects | set.annotations[1].defects, 0);
    coco_destroy(&set);
    EXPECT_OK(parse_results(&set, "[]", &err), &err);
    EXPECT_INT(set.num_annotations, 0);
    coco_destroy(&set);
}

static void segments_left_out(void) {
    struct coco_set set;
    struct error err;
    const struct coco_load_options options = {.skip_segments = true};
    const char *text = "{\"annotations\":[{\"id\":1,\"segmentation\":[[1]]}]}";
    EXPECT_OK(coco_parse_annotations(&set, text, (int64_t)strlen(text), "a", &options, &err), &err);
    EXPECT_INT(set.annotations[0].segment.kind, SEGMENT_NONE);
    EXPECT_INT(set.annotations[0].defects & DEFECT_SEGMENT, 0);
    coco_destroy(&set);
}

// ---- What is forgiven: one defect for each kind of mistake ----

static void defects(void) {
    enum { USUAL = DEFECT_ID | DEFECT_IMAGE_ID | DEFECT_CATEGORY_ID | DEFECT_SCORE };
    static const struct {
        const char *record;
        unsigned defects; // beside those of absent ids
    } cases[] = {
        {"{\"bbox\":[1,2,3]}", DEFECT_BOX},
        {"{\"bbox\":[1,2,3,4,5]}", DEFECT_BOX},
        {"{\"bbox\":[1,2,3,\"4\"]}", DEFECT_BOX},
        {"{\"bbox\":{\"x\":1}}", DEFECT_BOX},
        {"{\"bbox\":[]}", 0},
        {"{\"bbox\":null}", 0},
        {"{\"area\":\"7\"}", DEFECT_AREA},
        {"{\"area\":null}", DEFECT_AREA},
        {"{\"iscrowd\":2}", DEFECT_CROWD},
        {"{\"iscrowd\":\"no\"}", DEFECT_CROWD},
        {"{\"iscrowd\":true}", 0},
        {"{\"iscrowd\":0.0}", 0},
        {"{\"segmentation\":null}", 0},
        {"{\"segmentation\":[]}", 0},
        {"{\"segmentation\":7}", DEFECT_SEGMENT},
        {"{\"segmentation\":\"x\"}", DEFECT_SEGMENT},
        {"{\"segmentation\":[1,2,3]}", DEFECT_SEGMENT},
        {"{\"segmentation\":[[1,2,3,4,5,6],7]}", DEFECT_SEGMENT},
        {"{\"segmentation\":[[1,\"2\"]]}", DEFECT_SEGMENT},
        {"{\"segmentation\":[[1,2,3]]}", DEFECT_SEGMENT | DEFECT_ODD_POLYGON},
        {"{\"segmentation\":[[1,2],[3]]}", DEFECT_SEGMENT | DEFECT_ODD_POLYGON},
        {"{\"segmentation\":{}}", DEFECT_SEGMENT | DEFECT_RLE},
        {"{\"segmentation\":{\"size\":[1,1]}}", DEFECT_SEGMENT | DEFECT_RLE},
        {"{\"segmentation\":{\"counts\":[1]}}", DEFECT_SEGMENT | DEFECT_RLE},
        {"{\"segmentation\":{\"size\":[1],\"counts\":[1]}}", DEFECT_SEGMENT | DEFECT_RLE},
        {"{\"segmentation\":{\"size\":[1,-1],\"counts\":[1]}}", DEFECT_SEGMENT | DEFECT_RLE},
        {"{\"segmentation\":{\"size\":[1,70000],\"counts\":[1]}}", DEFECT_SEGMENT | DEFECT_RLE},
        {"{\"segmentation\":{\"size\":[1,1.5],\"counts\":[1]}}", DEFECT_SEGMENT | DEFECT_RLE},
        {"{\"segmentation\":{\"size\":[1,1],\"counts\":[-1]}}", DEFECT_SEGMENT | DEFECT_RLE},
        {"{\"segmentation\":{\"size\":[1,1],\"counts\":[0.5]}}", DEFECT_SEGMENT | DEFECT_RLE},
        {"{\"segmentation\":{\"size\":[1,1],\"counts\":[5e9]}}", DEFECT_SEGMENT | DEFECT_RLE},
        {"{\"segmentation\":{\"size\":[1,1],\"counts\":null}}", DEFECT_SEGMENT | DEFECT_RLE},
        // The last of two keys counts, defects included.
        {"{\"segmentation\":[[1]],\"segmentation\":[[1,2,3,4,5,6]]}", 0},
        {"{\"bbox\":[1],\"bbox\":[1,2,3,4]}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct coco_set set;
        struct error err;
        EXPECT_OK(parse_annotation(&set, cases[i].record, &err), &err);
        REQUIRE(set.num_annotations == 1);
        unsigned found = set.annotations[0].defects;
        if (found != (USUAL | cases[i].defects)) printf("%s\n", cases[i].record);
        EXPECT_INT(found, USUAL | cases[i].defects);
        if (cases[i].defects & DEFECT_SEGMENT)
            EXPECT_INT(set.annotations[0].segment.kind, SEGMENT_NONE);
        coco_destroy(&set);
    }
}

static void ids(void) {
    static const struct {
        const char *text;
        int64_t id;
        bool good;
    } cases[] = {
        {"0", 0, true},
        {"-5", -5, true},
        {"7.0", 7, true},
        {"1e3", 1000, true},
        {"2147483648", INT64_C(2147483648), true},
        {"9007199254740991", INT64_C(9007199254740991), true},
        {"-9007199254740991", INT64_C(-9007199254740991), true},
        {"9007199254740993", 0, false}, // 2^53 + 1: tools that use doubles would change it
        {"1e300", 0, false},
        {"1.5", 0, false},
        {"\"1\"", 0, false},
        {"null", 0, false},
        {"[1]", 0, false},
        {"{}", 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        struct coco_set set;
        struct error err;
        snprintf(text, sizeof text, "{\"images\":[{\"id\":%s}]}", cases[i].text);
        EXPECT_OK(parse(&set, text, &err), &err);
        REQUIRE(set.num_images == 1);
        if (((set.images[0].defects & DEFECT_ID) == 0) != cases[i].good) printf("%s\n", text);
        EXPECT_INT((set.images[0].defects & DEFECT_ID) == 0, cases[i].good);
        if (cases[i].good) EXPECT_INT(set.images[0].id, cases[i].id);
        coco_destroy(&set);
    }
}

static void images_and_categories(void) {
    struct coco_set set;
    struct error err;
    EXPECT_OK(parse(&set,
                    "{\"images\":[{\"id\":1,\"width\":0},{\"id\":2,\"height\":1.5},"
                    "{\"id\":3,\"width\":65536},{\"id\":4,\"file_name\":7},{\"id\":1}],"
                    "\"categories\":[{\"id\":1,\"name\":[]},{\"id\":1,\"name\":\"b\"}]}",
                    &err),
              &err);
    EXPECT_INT(set.images[0].defects, DEFECT_SIZE);
    EXPECT_INT(set.images[1].defects, DEFECT_SIZE);
    EXPECT_INT(set.images[2].defects, DEFECT_SIZE);
    EXPECT_INT(set.images[3].defects, DEFECT_NAME);
    EXPECT_INT(set.categories[0].defects, DEFECT_NAME);
    EXPECT_TEXT(set.categories[0].name, "");
    int num_duplicate_images = 0;
    int num_duplicate_categories = 0;
    for (int64_t i = 0; i < set.num_images; i++)
        num_duplicate_images += coco_find_image(&set, set.images[i].id) != &set.images[i];
    for (int64_t i = 0; i < set.num_categories; i++)
        num_duplicate_categories +=
            coco_find_category(&set, set.categories[i].id) != &set.categories[i];
    EXPECT_INT(num_duplicate_images, 1);
    EXPECT_INT(num_duplicate_categories, 1);
    EXPECT(coco_find_image(&set, 1) == &set.images[0]);
    EXPECT_STATUS(coco_require(&set, 0, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "a.json: images[4]: id 1 occurs twice");
    EXPECT_STATUS(coco_require(&set, DEFECT_SIZE, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "images[0] (id 1): width or height is not a whole number");
    coco_destroy(&set);
}

// ---- What is refused ----

static void refused(void) {
    static const struct {
        const char *text;
        bool results;
        const char *message;
    } cases[] = {
        {"", false, "a.json: line 1, column 1: expected"},
        {"[]", false, "found an array (a results file?)"},
        {"[{\"image_id\":1}]", false, "found an array (a results file?)"},
        {"{\"images\":[]}", true, "found an object (an annotation file?)"},
        {"7", false, "expected"},
        {"7", true, "expected"},
        {"{\"images\":{}}", false, "expected"},
        {"{\"images\":[7]}", false, "expected"},
        {"{\"annotations\":[7]}", false, "expected"},
        {"{\"annotations\":[[]]}", false, "expected"},
        {"{\"annotations\":null}", false, "expected"},
        {"[7]", true, "expected"},
        {"{\"images\":[{\"id\":1}],\"images\":[{\"id\":2}]}", false,
         "the key \"images\" stands here for the second time"},
        {"{\"annotations\":[{}],\"annotations\":[{}]}", false, "second time"},
        {"{\"annotations\":[],\"annotations\":[{}]}", false, "second time"},
        {"{\"categories\":[],\"images\":[],\"c\\u0061tegories\":[]}", false,
         "the key \"categories\" stands here for the second time"},
        {"{\"categories\":[{}],\"x\":0,\"categories\":[{}]}", false, "second time"},
        {"{} x", false, "expected the end of the file"},
        {"[] []", true, "expected the end of the file"},
        {"{\"annotations\":[{\"area\":NaN}]}", false, "expected a number"},
        {"{\"annotations\":[{\"area\":1e999}]}", false, "beyond the range of double"},
        {"{\"images\":[{\"file_name\":\"\xFF\"}]}", false, "invalid UTF-8"},
        {"{\"images\":[{\"file_name\":\"a\\u0000b\"}]}", false, "contains \\u0000"},
        {"{\"images\":[{\"file_name\":\"\\ud800\"}]}", false, "malformed escape"},
        {"{\"annotations\":[{\"segmentation\":[[1,2,,3]]}]}", false, "expected"},
        {"{\"annotations\":[{},]}", false, "expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct coco_set set;
        struct error err = {0};
        enum status status = cases[i].results ? parse_results(&set, cases[i].text, &err)
                                              : parse(&set, cases[i].text, &err);
        if (status != STATUS_DATA) printf("%s\n", cases[i].text);
        EXPECT_STATUS(status, STATUS_DATA, &err);
        EXPECT_CONTAINS(err.message, cases[i].message);
        coco_destroy(&set);
    }
}

static const char small_document[] =
    "{\"images\":[{\"id\":1,\"width\":4,\"height\":3,\"file_name\":\"a.jpg\"}],"
    "\"categories\":[{\"id\":1,\"name\":\"\\u00e9\\\"\"}],"
    "\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":1,\"bbox\":[0,0,2.5,1e0],"
    "\"iscrowd\":0,\"segmentation\":[[0,0,2,0,2,1]],\"area\":1},"
    "{\"id\":2,\"image_id\":1,\"category_id\":1,\"segmentation\":{\"size\":[3,4],\"counts\":[12]}},"
    "{\"id\":3,\"segmentation\":{\"size\":[3,4],\"counts\":\"<0\"}}]}";

// In memory of its own for each length, so that a read beyond the end is seen.
static void truncated(void) {
    for (size_t size = 0; size < sizeof small_document; size++) {
        char *text = malloc(size ? size : 1);
        REQUIRE(text);
        memcpy(text, small_document, size);
        struct coco_set set;
        struct error err;
        bool whole = size == sizeof small_document - 1;
        if (size < sizeof small_document)
            EXPECT_STATUS(coco_parse_annotations(&set, text, (int64_t)size, "a", &plain, &err),
                          whole ? STATUS_OK : STATUS_DATA, &err);
        coco_destroy(&set);
        free(text);
    }
}

static void unreadable_files(void) {
    struct coco_set set;
    struct error err;
    char path[256];
    snprintf(path, sizeof path, "%s/absent.json", scratch_folder());
    EXPECT_STATUS(coco_load_annotations(&set, path, &plain, &err), STATUS_NO_INPUT, &err);
    EXPECT_CONTAINS(err.message, "absent.json");
    EXPECT_STATUS(coco_load_results(&set, scratch_folder(), &plain, &err), STATUS_NO_INPUT, &err);
}

// ---- Threads do not matter ----

static void add_text(struct random *random, struct output *out) {
    static const char *const pieces[] = {"},{",     "{\\\"id\\\":7}", "}]}",
                                         "[{},{}]", "\\\\\\\"},{",    "\xC3\xA9",
                                         "a.jpg",   "\\u007d,{",      "} , {"};
    output_text(out, "\"");
    for (int64_t i = random_below(random, 5); i > 0; i--)
        output_text(out, pieces[random_below(random, sizeof pieces / sizeof *pieces)]);
    output_text(out, "\"");
}

static void add_segment(struct random *random, struct output *out) {
    int64_t count = random_below(random, 60);
    switch (random_below(random, 3)) {
    case 0:
        output_text(out, "[[0,0,1.5,2,3,1e1");
        for (int64_t i = 0; i < count; i++)
            output_printf(out, ",%.2f,%lld", random_between(random, 0, 640), (long long)i);
        output_text(out, "]]");
        return;
    case 1:
        output_text(out, "{\"size\":[480,640],\"counts\":[1");
        for (int64_t i = 0; i < count; i++)
            output_printf(out, ", %lld", (long long)random_below(random, 1000));
        output_text(out, "]}");
        return;
    default:
        output_text(out, "{\"counts\":\"abc\\\\def0123\", \"size\":[480,640]}");
    }
}

// Records of all shapes, with texts and nested objects that look like the border of two records.
static void add_annotation(struct random *random, struct output *out, int64_t id) {
    output_printf(out, "{\"id\":%lld,", (long long)id);
    if (random_below(random, 4) == 0) {
        output_text(out, "\"note\":");
        add_text(random, out);
        output_text(out, ",");
    }
    if (random_below(random, 4) == 0)
        output_text(out, "\"attributes\":[{\"id\":1},{\"id\":2},{\"a\":[{}, {}]}],");
    output_printf(out, "\"image_id\":%lld,\"category_id\":%lld,\"bbox\":[%.3f,1,2,3],\"area\":%g,",
                  (long long)random_below(random, 50), (long long)random_below(random, 5),
                  random_uniform(random), random_between(random, 0, 1e6));
    output_text(out, "\"segmentation\":");
    add_segment(random, out);
    output_text(out, "}");
}

static void make_document(struct random *random, struct output *out, int64_t num_annotations,
                          bool is_results) {
    static const char *const gaps[] = {",", ", ", ",\n  ", " ,\t"};
    output_open_memory(out);
    if (!is_results) {
        output_text(out, "{\"images\":[{\"id\":1,\"file_name\":");
        add_text(random, out);
        output_text(out, "}],\"annotations\":");
    }
    output_text(out, "[");
    for (int64_t i = 0; i < num_annotations; i++) {
        if (i > 0) output_text(out, gaps[random_below(random, 4)]);
        add_annotation(random, out, i);
    }
    output_text(out, "]");
    if (!is_results) {
        output_text(out, ",\"categories\":[{\"id\":1,\"name\":");
        add_text(random, out);
        output_text(out, "},{\"id\":2}],\"more\":[{},{}]}");
    }
}

static bool same_segment(const struct coco_segment *a, const struct coco_segment *b) {
    if (a->kind != b->kind || a->height != b->height || a->width != b->width ||
        a->count != b->count)
        return false;
    switch (a->kind) {
    case SEGMENT_STRING:
        return memcmp(a->string, b->string, (size_t)a->count) == 0;
    case SEGMENT_COUNTS:
        return memcmp(a->counts, b->counts, (size_t)a->count * sizeof *a->counts) == 0;
    case SEGMENT_POLYGONS:
        for (int64_t i = 0; i < a->count; i++) {
            const struct polygon *p = &a->polygons[i];
            const struct polygon *q = &b->polygons[i];
            if (p->num_points != q->num_points) return false;
            for (int64_t k = 0; k < 2 * p->num_points; k++)
                if (p->points[k] != q->points[k]) return false;
        }
        return true;
    case SEGMENT_NONE:
        break;
    }
    return true;
}

static bool same_annotation(const struct coco_annotation *a, const struct coco_annotation *b) {
    return a->id == b->id && a->image_id == b->image_id && a->category_id == b->category_id &&
           a->box.x == b->box.x && a->box.y == b->box.y && a->box.width == b->box.width &&
           a->box.height == b->box.height && a->area == b->area && a->score == b->score &&
           a->defects == b->defects && a->has_box == b->has_box && a->has_area == b->has_area &&
           a->is_crowd == b->is_crowd && same_segment(&a->segment, &b->segment);
}

static void expect_same(const struct coco_set *a, const struct coco_set *b) {
    EXPECT_INT(a->num_images, b->num_images);
    EXPECT_INT(a->num_categories, b->num_categories);
    EXPECT_INT(a->num_annotations, b->num_annotations);
    REQUIRE(a->num_annotations == b->num_annotations);
    int64_t num_different = 0;
    for (int64_t i = 0; i < a->num_annotations; i++)
        num_different += !same_annotation(&a->annotations[i], &b->annotations[i]);
    EXPECT_INT(num_different, 0);
    for (int64_t i = 0; i < a->num_images && i < b->num_images; i++)
        EXPECT_TEXT(a->images[i].file_name, b->images[i].file_name);
    for (int64_t i = 0; i < a->num_categories && i < b->num_categories; i++)
        EXPECT_TEXT(a->categories[i].name, b->categories[i].name);
}

static const int thread_counts[] = {1, 2, 3, 7};
enum { NUM_THREAD_COUNTS = sizeof thread_counts / sizeof *thread_counts };

static void threads_agree(void) {
    enum { NUM_DOCUMENTS = 24, MAX_ANNOTATIONS = 4000 };
    struct workers *workers[NUM_THREAD_COUNTS];
    struct error err;
    int64_t largest = 0;
    for (int i = 0; i < NUM_THREAD_COUNTS; i++)
        REQUIRE(workers_create(&workers[i], thread_counts[i], &err) == STATUS_OK);
    for (uint64_t document = 0; document < NUM_DOCUMENTS; document++) {
        struct random random = random_stream(7, document);
        struct output text;
        bool is_results = document % 3 == 2;
        make_document(&random, &text, random_below(&random, MAX_ANNOTATIONS), is_results);
        if (text.size > largest) largest = text.size;
        struct coco_set alone;
        struct coco_set shared;
        EXPECT_OK((is_results ? coco_parse_results : coco_parse_annotations)(
                      &alone, text.data, text.size, "a", &plain, &err),
                  &err);
        for (int i = 0; i < NUM_THREAD_COUNTS; i++) {
            const struct coco_load_options options = {.workers = workers[i]};
            EXPECT_OK((is_results ? coco_parse_results : coco_parse_annotations)(
                          &shared, text.data, text.size, "a", &options, &err),
                      &err);
            expect_same(&shared, &alone);
            coco_destroy(&shared);
        }
        coco_destroy(&alone);
        output_discard(&text);
    }
    EXPECT(largest > 1 << 19); // enough for seven parts
    for (int i = 0; i < NUM_THREAD_COUNTS; i++)
        workers_destroy(workers[i]);
}

// An error deep in a large document: the same place and words, whoever finds it.
// So large that pages are given back while it is read.
static void large_file(void) {
    enum { NUM_ANNOTATIONS = 70000 };
    char path[512];
    struct error err;
    struct output text;
    struct random random = random_stream(8, 0);
    make_document(&random, &text, NUM_ANNOTATIONS, false);
    EXPECT(text.size > 9 << 20);
    snprintf(path, sizeof path, "%s/large.json", scratch_folder());
    EXPECT_OK(output_save(path, text.data, text.size, &err), &err);
    struct coco_set loaded;
    struct coco_set parsed;
    EXPECT_OK(coco_load_annotations(&loaded, path, &plain, &err), &err);
    EXPECT_OK(coco_parse_annotations(&parsed, text.data, text.size, path, &plain, &err), &err);
    expect_same(&loaded, &parsed);
    coco_destroy(&loaded);
    coco_destroy(&parsed);
    output_discard(&text);
}

static void threads_agree_on_errors(void) {
    enum { NUM_ANNOTATIONS = 3000, NUM_DAMAGES = 12 };
    struct random random = random_stream(8, 0);
    struct output text;
    struct error err;
    make_document(&random, &text, NUM_ANNOTATIONS, false);
    for (int damage = 0; damage < NUM_DAMAGES; damage++) {
        int64_t at = random_below(&random, text.size);
        char kept = text.data[at];
        text.data[at] = damage % 2 ? '\x01' : '}';
        struct error alone = {0};
        struct coco_set set;
        enum status status =
            coco_parse_annotations(&set, text.data, text.size, "a", &plain, &alone);
        coco_destroy(&set);
        for (int i = 0; i < NUM_THREAD_COUNTS; i++) {
            struct error shared = {0};
            struct coco_load_options options = {0};
            REQUIRE(workers_create(&options.workers, thread_counts[i], &err) == STATUS_OK);
            EXPECT_INT(coco_parse_annotations(&set, text.data, text.size, "a", &options, &shared),
                       status);
            if (status != STATUS_OK) EXPECT_TEXT(shared.message, alone.message);
            coco_destroy(&set);
            workers_destroy(options.workers);
        }
        text.data[at] = kept;
    }
    output_discard(&text);
}

// ---- Real data ----

static void expect_mini(const char *name, int64_t num_images, int64_t num_instances,
                        int64_t num_crowds, int64_t num_split, int64_t num_used) {
    struct error err;
    struct coco_set set;
    char file[128];
    snprintf(file, sizeof file, "data/coco-mini/annotations/%s", name);
    const char *path = shared_path(file);
    if (!path) skip_case("no coco-mini beside the checkout");
    REQUIRE(coco_load_annotations(&set, path, &plain, &err) == STATUS_OK);
    EXPECT_OK(coco_require(&set, ~(unsigned)DEFECT_SCORE, &err), &err);
    EXPECT_INT(set.num_images, num_images);
    EXPECT_INT(set.num_categories, 80);
    EXPECT_INT(set.num_annotations, num_instances + num_crowds);
    int64_t crowds = 0;
    int64_t split = 0;
    bool used[91] = {false};
    for (int64_t i = 0; i < set.num_annotations; i++) {
        const struct coco_annotation *a = &set.annotations[i];
        EXPECT_INT(a->segment.kind, a->is_crowd ? SEGMENT_COUNTS : SEGMENT_POLYGONS);
        crowds += a->is_crowd;
        split += !a->is_crowd && a->segment.count > 1;
        used[a->category_id] = true;
        EXPECT(coco_find_image(&set, a->image_id) != NULL);
    }
    int64_t num_found = 0;
    for (int i = 0; i < 91; i++)
        num_found += used[i];
    EXPECT_INT(crowds, num_crowds);
    EXPECT_INT(split, num_split);
    EXPECT_INT(num_found, num_used);
    coco_destroy(&set);
}

// The numbers are those of the set's own description.
static void coco_mini(void) {
    expect_mini("instances_train.json", 60, 596, 7, 50, 66);
    expect_mini("instances_val.json", 30, 266, 4, 20, 60);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"whole_document", whole_document},
                                          {"run_lengths", run_lengths},
                                          {"absent_keys", absent_keys},
                                          {"escaped_keys", escaped_keys},
                                          {"results", results},
                                          {"segments_left_out", segments_left_out},
                                          {"defects", defects},
                                          {"ids", ids},
                                          {"images_and_categories", images_and_categories},
                                          {"refused", refused},
                                          {"truncated", truncated},
                                          {"unreadable_files", unreadable_files},
                                          {"threads_agree", threads_agree},
                                          {"large_file", large_file},
                                          {"threads_agree_on_errors", threads_agree_on_errors},
                                          {"coco_mini", coco_mini},
                                          {0}});
}

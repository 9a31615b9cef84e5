// labelme's files, read by its own rules (labelme/_label_file.py, labelme/utils/shape.py) and by
// ours.
#include "formats/labelme.h"

#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "tests/formats/check_set.h"
#include "tests/harness.h"

static const char *json_name(const char *image) {
    static char name[256];
    const char *dot = strrchr(image, '.');
    REQUIRE(dot);
    snprintf(name, sizeof name, "%.*s.json", (int)(dot - image), image);
    return name;
}

static void write_all(const struct annotated_set *set, const char *folder,
                      enum labelme_shapes shapes, bool expect_exact) {
    struct error err;
    for (int64_t i = 0; i < set->num_images; i++) {
        struct arena scratch;
        struct output out;
        char name[512];
        double ious[16];
        const char *slash = strrchr(set->images[i].name, '/');
        snprintf(name, sizeof name, "%s/%s", folder, json_name(set->images[i].name));
        arena_init(&scratch, 1 << 16, 0);
        open_scratch(&out, name);
        EXPECT_OK(labelme_write(&out, &set->images[i], &set->classes, shapes,
                                slash ? slash + 1 : set->images[i].name, ious, &scratch, &err),
                  &err);
        EXPECT_OK(output_commit(&out, &err), &err);
        for (int64_t k = 0; k < set->images[i].num_objects && expect_exact; k++)
            EXPECT(ious[k] == 1);
        arena_destroy(&scratch);
    }
}

static double point(const cJSON *shape, int i, int axis) {
    const cJSON *points = cJSON_GetObjectItemCaseSensitive(shape, "points");
    return cJSON_GetArrayItem(cJSON_GetArrayItem(points, i), axis)->valuedouble;
}

static const char *text_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    REQUIRE(cJSON_IsString(item));
    return item->valuestring;
}

// mask = np.zeros(img_shape); (x1, y1), (x2, y2) = points.astype(int);
// mask[y1 : y2 + 1, x1 : x2 + 1] = img_b64_to_arr(shape["mask"]).astype(bool)
static void expect_mask(const cJSON *shape, const struct rle *expected) {
    size_t size = 0;
    int width = 0;
    int height = 0;
    int x1 = (int)point(shape, 0, 0);
    int y1 = (int)point(shape, 0, 1);
    int x2 = (int)point(shape, 1, 0);
    int y2 = (int)point(shape, 1, 1);
    unsigned char *png = decode_base64(text_of(shape, "mask"), &size);
    unsigned short *pixels = decode_grey_png(png, size, &width, &height);
    unsigned char *bytes = mask_bytes(expected);
    int64_t num_wrong = 0;
    EXPECT_INT(width, x2 + 1 - x1);
    EXPECT_INT(height, y2 + 1 - y1);
    for (int y = 0; y < expected->height; y++)
        for (int x = 0; x < expected->width; x++) {
            bool inside = x >= x1 && x <= x2 && y >= y1 && y <= y2;
            bool set = inside && pixels[(y - y1) * width + x - x1] != 0;
            num_wrong += set != bytes[y * expected->width + x];
        }
    EXPECT_INT(num_wrong, 0);
    free(png);
    free(pixels);
    free(bytes);
}

static void masks_by_their_rules(void) {
    struct annotated_set set;
    make_set(&set);
    write_all(&set, "masks", LABELME_MASKS, true);
    for (int64_t i = 0; i < set.num_images; i++) {
        const struct annotated_image *image = &set.images[i];
        char name[512];
        size_t size = 0;
        snprintf(name, sizeof name, "masks/%s", json_name(image->name));
        char *text = read_text(scratch_file(name), &size);
        cJSON *file = cJSON_Parse(text);
        REQUIRE(file);
        // What LabelFile.load asks for.
        static const char *const KEYS[] = {"version", "imageData",   "imagePath", "shapes",
                                           "flags",   "imageHeight", "imageWidth"};
        for (size_t k = 0; k < sizeof KEYS / sizeof KEYS[0]; k++)
            EXPECT(cJSON_GetObjectItemCaseSensitive(file, KEYS[k]));
        EXPECT(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(file, "imageData")));
        EXPECT_INT(cJSON_GetObjectItemCaseSensitive(file, "imageWidth")->valueint, image->width);
        const cJSON *shape = cJSON_GetObjectItemCaseSensitive(file, "shapes")->child;
        for (int64_t k = 0; k < image->num_objects; k++) {
            const struct annotated_object *object = &image->objects[k];
            if (rle_area(&object->mask) == 0) continue;
            REQUIRE(shape);
            EXPECT_TEXT(text_of(shape, "shape_type"), "mask");
            EXPECT_TEXT(text_of(shape, "label"), set.classes.items[object->class_index].name);
            EXPECT(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(shape, "group_id")));
            EXPECT(cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(shape, "flags")));
            expect_mask(shape, &object->mask);
            shape = shape->next;
        }
        EXPECT(!shape);
        cJSON_Delete(file);
        free(text);
    }
    annotated_set_destroy(&set);
}

static void read_back(const char *folder, enum labelme_shapes shapes) {
    struct annotated_set set;
    struct annotated_set back;
    struct error err;
    make_set(&set);
    write_all(&set, folder, shapes, true);
    annotated_set_init(&back);
    EXPECT_OK(labelme_read(&back, scratch_file(folder), &err), &err);
    expect_same_set(&back, &set, MASKS_NOT_EMPTY);
    annotated_set_destroy(&back);
    annotated_set_destroy(&set);
}

static void masks_read_back(void) {
    read_back("back", LABELME_MASKS);
}

static void polygons_read_back(void) {
    read_back("polygons", LABELME_POLYGONS);
}

static void save(const char *name, const char *text) {
    struct output out;
    struct error err;
    open_scratch(&out, name);
    output_text(&out, text);
    EXPECT_OK(output_commit(&out, &err), &err);
}

#define FILE_OF(shapes)                                                                            \
    "{\"version\":\"5.4.1\",\"flags\":{},\"shapes\":[" shapes "],\"imagePath\":\"x\\\\y.jpg\","    \
    "\"imageData\":\"abc\",\"imageHeight\":20,\"imageWidth\":30}"

// What people draw by hand: rectangles, circles, groups.
static void other_shapes(void) {
    struct annotated_set set;
    struct error err;
    save("drawn/y.json",
         FILE_OF("{\"label\":\"cup\",\"points\":[[12,8],[2,3]],\"group_id\":null,"
                 "\"shape_type\":\"rectangle\",\"flags\":{}},"
                 "{\"label\":\"cup\",\"points\":[[15,10],[15,14]],\"shape_type\":\"circle\"},"
                 "{\"label\":\"dog\",\"points\":[[0,0],[4,0],[4,4],[0,4]],\"group_id\":7},"
                 "{\"label\":\"cat\",\"points\":[[0,10],[4,10],[4,14],[0,14]],\"group_id\":7},"
                 "{\"label\":\"dog\",\"points\":[[20,0],[24,0],[24,4],[20,4]],\"group_id\":7}"));
    annotated_set_init(&set);
    EXPECT_OK(labelme_read(&set, scratch_file("drawn"), &err), &err);
    REQUIRE(set.num_images == 1 && set.images[0].num_objects == 4 && set.classes.count == 3);
    const struct annotated_object *objects = set.images[0].objects;
    EXPECT_TEXT(set.classes.items[0].name, "cat");
    EXPECT_INT(rle_area(&objects[0].mask), 50);
    EXPECT_NEAR((double)rle_area(&objects[1].mask), 3.14159 * 16, 3);
    EXPECT_INT(rle_area(&objects[2].mask), 32); // both dogs of group 7
    EXPECT_INT(rle_area(&objects[3].mask), 16);
    annotated_set_destroy(&set);
}

static void refusals(void) {
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"{}", "not labelme's"},
        {"[]", "expected"},
        {FILE_OF("{\"label\":\"a\",\"points\":[[1,1],[2,2]],\"shape_type\":\"line\"}"),
         "\"line\" has no area"},
        {FILE_OF("{\"label\":\"a\",\"points\":[[1,1],[2]],\"shape_type\":\"polygon\"}"),
         "a point of 1 numbers"},
        {FILE_OF("{\"points\":[[1,1],[2,2]]}"), "without a label"},
        {FILE_OF("{\"label\":\"a\",\"points\":[[1,1],[2,2]],\"shape_type\":\"mask\"}"),
         "without two points and its pixels"},
        {FILE_OF("{\"label\":\"a\",\"points\":[[1,1],[2,2]],\"shape_type\":\"mask\","
                 "\"mask\":\"a\"}"),
         "base64: the text is cut off"},
        // A PNG of one pixel for a box of four.
        {FILE_OF(
             "{\"label\":\"a\",\"points\":[[1,1],[2,2]],\"shape_type\":\"mask\",\"mask\":"
             "\"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJ"
             "RU5ErkJggg==\"}"),
         "does not fit"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct annotated_set set;
        struct error err = {0};
        save("refused/a.json", cases[i].text);
        annotated_set_init(&set);
        EXPECT(labelme_read(&set, scratch_file("refused"), &err) != STATUS_OK);
        EXPECT_CONTAINS(err.message, cases[i].message);
        EXPECT_CONTAINS(err.message, "a.json");
        annotated_set_destroy(&set);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"masks by their rules", masks_by_their_rules},
                         {"masks read back", masks_read_back},
                         {"polygons read back", polygons_read_back},
                         {"other shapes", other_shapes},
                         {"refusals", refusals},
                         {0},
                     });
}

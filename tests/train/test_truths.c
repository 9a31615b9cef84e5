// Boxes and masks of mirrored, resized and cut images against plain loops over pixels.
#include "train/truths.h"

#include <math.h>
#include <stdio.h>

#include "data/shapes_set.h"
#include "tests/harness.h"
#include "tests/train/check_data.h"

static struct training_data data;
static struct arena arena;
static struct error err;

static const char *const TORCHVISION[] = {"conventions", "torchvision", NULL};
static const char *const DETECTRON2[] = {"conventions", "detectron2", NULL};

// What is in a mask as pixels, one byte each, rows.
struct mask_bytes {
    int32_t height, width;
    uint8_t *values;
};

static struct mask_bytes new_mask(int32_t height, int32_t width) {
    struct mask_bytes p = {height, width, arena_alloc_zero(&arena, (int64_t)height * width, 1)};
    REQUIRE(p.values != NULL);
    return p;
}

// The mask of a segmentation in the image.
static struct mask_bytes drawn(const struct coco_segment *segment, const struct view *view) {
    struct mask_bytes p = new_mask(view->height, view->width);
    struct rle rle;
    EXPECT_OK(coco_segment_to_rle(&rle, segment, view->height, view->width, &arena, &err), &err);
    rle_decode(&rle, p.values);
    return p;
}

static int32_t nearest(int32_t at, int32_t from, int32_t to) {
    if (data.config.conventions == CONVENTIONS_DETECTRON2)
        return (int32_t)(((double)at + 0.5) * from / to);
    float scale = (float)from / (float)to;
    return (int32_t)fminf((float)at * scale, (float)(from - 1));
}

// Mirrored, then resized, then cut, each in full.
static struct mask_bytes moved(struct mask_bytes source, const struct view *view) {
    const struct crop *crop = &view->crop;
    struct mask_bytes resized = new_mask(crop->resized.height, crop->resized.width);
    struct mask_bytes cut = new_mask(crop->extent.height, crop->extent.width);
    if (view->mirrored)
        for (int32_t y = 0; y < source.height; y++)
            for (int32_t x = 0; x < source.width / 2; x++) {
                uint8_t *row = source.values + (int64_t)y * source.width;
                uint8_t value = row[x];
                row[x] = row[source.width - 1 - x];
                row[source.width - 1 - x] = value;
            }
    for (int32_t y = 0; y < resized.height; y++)
        for (int32_t x = 0; x < resized.width; x++)
            resized.values[(int64_t)y * resized.width + x] =
                source.values[(int64_t)nearest(y, source.height, resized.height) * source.width +
                              nearest(x, source.width, resized.width)];
    for (int32_t y = 0; y < cut.height; y++)
        memcpy(cut.values + (int64_t)y * cut.width,
               resized.values + (int64_t)(y + crop->top) * resized.width + crop->left,
               (size_t)cut.width);
    return cut;
}

// What the truth says, as pixels of the input.
static struct mask_bytes pixels_of(const struct object_mask *mask, const struct view *view) {
    struct mask_bytes p = new_mask(view->crop.extent.height, view->crop.extent.width);
    struct rle rle = mask->rle;
    if (mask->num_polygons > 0)
        EXPECT_OK(polygons_to_rle(&rle, mask->polygons, mask->num_polygons, p.height, p.width,
                                  &arena, &err),
                  &err);
    REQUIRE(rle.height == p.height && rle.width == p.width);
    rle_decode(&rle, p.values);
    return p;
}

// Intersection over union where there is enough to compare; the exact masks must be equal.
static void compare_masks(const struct object_mask *mask, const struct coco_segment *segment,
                          const struct view *view) {
    struct mask_bytes got = pixels_of(mask, view);
    struct mask_bytes expected = moved(drawn(segment, view), view);
    int64_t both = 0;
    int64_t either = 0;
    for (int64_t i = 0; i < (int64_t)got.height * got.width; i++) {
        both += got.values[i] && expected.values[i];
        either += got.values[i] || expected.values[i];
    }
    if (mask->num_polygons == 0)
        EXPECT_INT(both, either);
    else
        // A border of a pixel may differ. Objects here are compact or of a few parts.
        EXPECT((double)(either - both) <= 6 * sqrt((double)either) + 0.1 * (double)either);
}

// False if less than a pixel is left.
static bool naive_box(const float from[4], const struct view *view, float to[4]) {
    const struct crop *crop = &view->crop;
    double left = (double)from[0];
    double right = (double)from[2];
    if (view->mirrored) {
        left = view->width - (double)from[2];
        right = view->width - (double)from[0];
    }
    double across = (double)crop->resized.width / view->width;
    double down = (double)crop->resized.height / view->height;
    to[0] = (float)fmax(left * across - crop->left, 0);
    to[1] = (float)fmax((double)from[1] * down - crop->top, 0);
    to[2] = (float)fmin(right * across - crop->left, crop->extent.width);
    to[3] = (float)fmin((double)from[3] * down - crop->top, crop->extent.height);
    return to[2] - to[0] >= 1 && to[3] - to[1] >= 1;
}

// Returns how many objects were dropped.
static int64_t check(const struct dataset_image *image, const struct augmentation *augmentation) {
    struct image_truth truth;
    struct view view =
        view_of(&data.model, image->record->width, image->record->height, augmentation);
    bool native = data.model.rules->polygon_mask_targets;
    arena_destroy(&arena);
    arena_init(&arena, 1 << 20, 0);
    EXPECT_OK(truths_make(&truth, image, &view, data.model.rules, &arena, &err), &err);
    int64_t count = 0;
    for (int64_t i = 0; i < image->num_objects; i++) {
        const struct dataset_object *object = &image->objects[i];
        float box[4];
        if (!naive_box(object->box, &view, box)) continue;
        REQUIRE(count < truth.count);
        for (int j = 0; j < 4; j++)
            EXPECT_NEAR((double)truth.boxes[4 * count + j], (double)box[j], 1e-3);
        EXPECT_INT(truth.labels[count], object->label);
        EXPECT((truth.masks[count].num_polygons > 0) ==
               (native && object->segment->kind == SEGMENT_POLYGONS));
        compare_masks(&truth.masks[count], object->segment, &view);
        count++;
    }
    EXPECT_INT(truth.count, count);
    return image->num_objects - count;
}

static void check_all(int64_t step) {
    int64_t num_dropped = 0;
    for (int64_t i = 0; i < data.dataset.num_images; i += step) {
        const struct dataset_image *image = &data.dataset.images[i];
        struct augmentation a = augmentation_none(&data.config);
        for (int mirrored = 0; mirrored < 2; mirrored++) {
            a.mirrored = mirrored;
            a.scale = 1;
            EXPECT_INT(check(image, &a), 0);
            for (int j = 0; j < 3; j++) { // enlarged and cut in a corner, or made smaller
                a.scale = j == 2 ? 0.4 : 2.3;
                a.left = a.top = j == 1 ? 0.999 : 0;
                num_dropped += check(image, &a);
            }
        }
    }
    EXPECT(num_dropped > 0);
    training_data_destroy(&data);
    arena_destroy(&arena);
}

static void drawn_set(void) {
    static char path[4096];
    const struct shapes_set_options options = {
        .seed = 3, .num_train = 8, .min_side = 70, .max_side = 140, .jpeg_quality = 90};
    EXPECT_OK(shapes_write_set(scratch_folder(), &options, NULL, &err), &err);
    for (int family = 0; family < 2; family++) {
        snprintf(path, sizeof path, "%s/annotations/instances_train.json", scratch_folder());
        training_data_load(&data, path, family ? TORCHVISION : DETECTRON2);
        training_data_make(&data);
        EXPECT(data.dataset.num_images >= 6); // a scene may be without objects
        check_all(1);
    }
}

static void real_set(void) {
    for (int family = 0; family < 2; family++) {
        const char *path = shared_path("data/coco-mini/annotations/instances_train.json");
        if (!path) skip_case("the images of COCO are not beside the checkout");
        training_data_load(&data, path, family ? TORCHVISION : DETECTRON2);
        training_data_make(&data);
        data.config.input.short_side = 320;
        data.config.input.long_side = 600;
        check_all(7);
    }
}

// A square of 20 pixels at (60, 10) in an image of 80 x 60, to the last digit.
static void by_hand(void) {
    static const double corners[] = {60, 10, 80, 10, 80, 30, 60, 30};
    static const struct polygon polygon = {corners, 4};
    static const struct coco_segment segment = {SEGMENT_POLYGONS, .count = 1, .polygons = &polygon};
    static const struct dataset_object object = {{60, 10, 80, 30}, 1, &segment};
    struct dataset_image image = {.objects = &object, .num_objects = 1};
    struct image_truth truth;
    arena_init(&arena, 1 << 16, 0);
    training_data_shapes(&data, "L", 1, DETECTRON2);
    image.record = &data.set.images[0];
    struct augmentation a = {.mirrored = true, .short_side = 120, .scale = 1};
    data.config.input.long_side = 1000;
    struct view view = view_of(&data.model, 80, 60, &a);
    EXPECT_INT(view.crop.extent.width, 160);
    EXPECT_INT(view.crop.extent.height, 120);
    EXPECT_OK(truths_make(&truth, &image, &view, data.model.rules, &arena, &err), &err);
    EXPECT(equal_bits(truth.boxes, (const float[]){0, 20, 40, 60}, 4 * sizeof(float)));
    const double *points = truth.masks[0].polygons[0].points;
    EXPECT(equal_bits(points, (const double[]){40, 20, 0, 20, 0, 60, 40, 60}, 8 * sizeof(double)));

    // Scaled by 1.5 to 240 x 180, of which the lower right 160 x 120 remain.
    a = (struct augmentation){false, 120, 1.5, 0.999, 0.999};
    view = view_of(&data.model, 80, 60, &a);
    EXPECT_INT(view.crop.resized.width, 240);
    EXPECT_INT(view.crop.left, 80);
    EXPECT_INT(view.crop.top, 60);
    EXPECT_OK(truths_make(&truth, &image, &view, data.model.rules, &arena, &err), &err);
    EXPECT_INT(truth.count, 1);
    EXPECT(equal_bits(truth.boxes, (const float[]){100, 0, 160, 30}, 4 * sizeof(float)));

    // Scaled by 2 and cut at the left: it is gone.
    a = (struct augmentation){false, 120, 2, 0, 0};
    view = view_of(&data.model, 80, 60, &a);
    EXPECT_OK(truths_make(&truth, &image, &view, data.model.rules, &arena, &err), &err);
    EXPECT_INT(truth.count, 0);

    // Scaled by a half: the frame stays.
    a = (struct augmentation){false, 120, 0.5, 0.7, 0.7};
    view = view_of(&data.model, 80, 60, &a);
    EXPECT_INT(view.crop.extent.width, 80);
    EXPECT_INT(view.crop.left, 0);
    EXPECT_INT(view.frame.width, 160);
    EXPECT_INT(view.frame.height, 120);
    training_data_destroy(&data);
    arena_destroy(&arena);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"by hand", by_hand},
                         {"drawn set", drawn_set},
                         {"real set", real_set},
                         {0},
                     });
}

// libgctmask through its public header alone: every function, wrong calls, and many threads.
#include "library/gctmask.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file_view.h"
#include "data/image.h"
#include "data/rle.h"
#include "tests/harness.h"
#include "tests/program.h"

enum { PATH_BYTES = 512, NUM_THREADS = 6, NUM_ROUNDS = 3, NUM_PICTURES = 3 };

static char message[GCTMASK_MESSAGE_BYTES];

static const char *scratch_path(const char *name) {
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

// A small model that finds something in any picture, and pictures.
static void make_inputs(void) {
    if (run_program("test -e $SCRATCH/m.safetensors") == 0) return;
    EXPECT_INT(
        run_program("gctmask init --config " TESTS_DIR "/../configs/demo.json --quiet "
                    "--set input.short_side=96,input.long_side=160,classes.ids=11,12,13,14,15,16,"
                    "17,18,box.detections=10,rpn.post_nms_test=50 --out $SCRATCH/m.safetensors && "
                    "gctmask make-shapes $SCRATCH/in --images 0 --val-images 3 --min-size 60 "
                    "--max-size 150 --quiet"),
        0);
}

static struct gctmask_model *open_model(void) {
    struct gctmask_model *model = NULL;
    const struct gctmask_options options = {.size = sizeof options, .num_threads = 2};
    make_inputs();
    EXPECT_INT(
        gctmask_open(scratch_path("m.safetensors"), &options, &model, message, sizeof message),
        GCTMASK_OK);
    EXPECT_TEXT(message, "");
    REQUIRE(model);
    return model;
}

static const char *picture(int i) {
    char name[64];
    snprintf(name, sizeof name, "in/images/val_00000%d.jpg", i + 1);
    return scratch_path(name);
}

static struct gctmask_result *detect(struct gctmask_model *model, int i) {
    struct gctmask_result *result = NULL;
    EXPECT_INT(gctmask_detect_file(model, picture(i), NULL, &result, NULL, 0), GCTMASK_OK);
    REQUIRE(result);
    return result;
}

static bool is_same(const struct gctmask_result *a, const struct gctmask_result *b) {
    if (gctmask_num_detections(a) != gctmask_num_detections(b)) return false;
    for (int64_t i = 0; i < gctmask_num_detections(a); i++) {
        const struct gctmask_detection *d = gctmask_detection(a, i);
        const struct gctmask_detection *e = gctmask_detection(b, i);
        for (int k = 0; k < 4; k++)
            if (d->box[k] != e->box[k]) return false;
        if (d->score != e->score || d->label != e->label) return false;
        if (strcmp(d->mask_string, e->mask_string) != 0) return false;
    }
    return true;
}

static void version(void) {
    EXPECT_TEXT(gctmask_version(), "0.1.0");
}

static void classes(void) {
    struct gctmask_model *model = open_model();
    EXPECT_INT(gctmask_num_classes(model), 8);
    EXPECT_TEXT(gctmask_class_name(model, 1), "disk");
    EXPECT_TEXT(gctmask_class_name(model, 8), "crescent");
    EXPECT_INT(gctmask_category_id(model, 8), 18);
    EXPECT(!gctmask_class_name(model, 0) && !gctmask_class_name(model, 9));
    EXPECT_INT(gctmask_category_id(model, -1), -1);
    gctmask_close(model);
    EXPECT_INT(gctmask_num_classes(NULL), 0);
    gctmask_close(NULL);
}

static void expect_mask(const struct gctmask_detection *d) {
    uint8_t *bytes = malloc((size_t)d->mask_height * (size_t)d->mask_width);
    struct rle mask;
    struct arena arena;
    struct error err;
    int64_t area = 0;
    REQUIRE(bytes);
    gctmask_mask_bytes(d, bytes);
    for (int64_t i = 0; i < (int64_t)d->mask_height * d->mask_width; i++) {
        EXPECT(bytes[i] <= 1);
        area += bytes[i];
    }
    EXPECT_INT(area, d->mask_area);
    arena_init(&arena, 1 << 16, 0);
    EXPECT_OK(rle_from_string(&mask, d->mask_string, (int64_t)strlen(d->mask_string),
                              d->mask_height, d->mask_width, &arena, &err),
              &err);
    EXPECT_INT(mask.num_runs, d->mask_num_runs);
    EXPECT(memcmp(mask.runs, d->mask_runs, (size_t)mask.num_runs * sizeof *mask.runs) == 0);
    arena_destroy(&arena);
    free(bytes);
}

static void detections(void) {
    struct gctmask_model *model = open_model();
    struct gctmask_result *result = detect(model, 0);
    int64_t count = gctmask_num_detections(result);
    EXPECT(count > 0 && count <= 10);
    for (int64_t i = 0; i < count; i++) {
        const struct gctmask_detection *d = gctmask_detection(result, i);
        EXPECT(i == 0 || d->score <= gctmask_detection(result, i - 1)->score);
        EXPECT_TEXT(d->class_name, gctmask_class_name(model, d->label));
        EXPECT_INT(d->category_id, 10 + d->label);
        EXPECT_INT(d->mask_width, gctmask_image_width(result));
        EXPECT_INT(d->mask_height, gctmask_image_height(result));
        EXPECT(d->box[0] >= 0 && d->box[2] <= (float)d->mask_width * 1.0001f);
        expect_mask(d);
    }
    EXPECT(!gctmask_detection(result, count) && !gctmask_detection(result, -1));
    gctmask_close(model); // a result lives on
    expect_mask(gctmask_detection(result, 0));
    EXPECT(strlen(gctmask_detection(result, 0)->class_name) > 3);
    gctmask_free(result);
    gctmask_free(NULL);
    EXPECT_INT(gctmask_num_detections(NULL), 0);
    EXPECT(!gctmask_detection(NULL, 0));
}

// A file, its bytes, and its pixels with gaps between the rows.
static void three_ways(void) {
    struct gctmask_model *model = open_model();
    struct gctmask_result *from_file = detect(model, 1);
    struct gctmask_result *from_bytes = NULL;
    struct gctmask_result *from_pixels = NULL;
    struct file_view view;
    struct image image;
    struct error err;
    struct arena arena;
    const struct image_limits limits = image_limits_default();
    arena_init(&arena, 1 << 16, 0);
    EXPECT_OK(file_view_open(&view, picture(1), 0, &err), &err);
    EXPECT_INT(gctmask_detect_bytes(model, view.data, (size_t)view.size, NULL, &from_bytes, message,
                                    sizeof message),
               GCTMASK_OK);
    file_view_close(&view);
    EXPECT_OK(image_load(&image, NULL, picture(1), &limits, true, &arena, &err), &err);
    size_t row = 3 * (size_t)image.width;
    uint8_t *pixels = arena_alloc_zero(&arena, image.height, row + 7);
    REQUIRE(pixels);
    for (size_t y = 0; y < (size_t)image.height; y++)
        memcpy(pixels + y * (row + 7), image.pixels + y * row, row);
    EXPECT_INT(gctmask_detect_pixels(model, pixels, image.width, image.height, row + 7, NULL,
                                     &from_pixels, message, sizeof message),
               GCTMASK_OK);
    EXPECT(is_same(from_file, from_bytes));
    EXPECT(is_same(from_file, from_pixels));
    gctmask_free(from_file);
    gctmask_free(from_bytes);
    gctmask_free(from_pixels);
    gctmask_close(model);
    arena_destroy(&arena);
}

static void limits(void) {
    struct gctmask_model *model = open_model();
    struct gctmask_result *all = detect(model, 2);
    struct gctmask_result *few = NULL;
    struct gctmask_detect_options options = {.size = sizeof options, .max_detections = 2};
    EXPECT(gctmask_num_detections(all) > 2);
    EXPECT_INT(gctmask_detect_file(model, picture(2), &options, &few, NULL, 0), GCTMASK_OK);
    EXPECT_INT(gctmask_num_detections(few), 2);
    EXPECT_TEXT(gctmask_detection(few, 1)->mask_string, gctmask_detection(all, 1)->mask_string);
    gctmask_free(few);
    options =
        (struct gctmask_detect_options){.size = sizeof options, .has_min_score = 1, .min_score = 1};
    EXPECT_INT(gctmask_detect_file(model, picture(2), &options, &few, NULL, 0), GCTMASK_OK);
    EXPECT_INT(gctmask_num_detections(few), 0);
    gctmask_free(few);
    few = detect(model, 2); // the model is as it was
    EXPECT(is_same(all, few));
    gctmask_free(few);
    gctmask_free(all);
    gctmask_close(model);
}

// ---- Versions of options ----

static void other_sizes_of_options(void) {
    struct gctmask_model *model = open_model();
    struct gctmask_result *result = NULL;
    // One that ends before max_detections, which then does not count.
    struct gctmask_detect_options older = {
        .size = offsetof(struct gctmask_detect_options, max_detections), .max_detections = 1};
    EXPECT_INT(gctmask_detect_file(model, picture(0), &older, &result, NULL, 0), GCTMASK_OK);
    EXPECT(gctmask_num_detections(result) > 1);
    gctmask_free(result);
    struct {
        struct gctmask_detect_options known;
        int64_t more[2];
    } newer = {.known = {.size = sizeof newer, .max_detections = 1}};
    EXPECT_INT(gctmask_detect_file(model, picture(0), &newer.known, &result, NULL, 0), GCTMASK_OK);
    EXPECT_INT(gctmask_num_detections(result), 1);
    gctmask_free(result);
    newer.more[1] = 1;
    EXPECT_INT(
        gctmask_detect_file(model, picture(0), &newer.known, &result, message, sizeof message),
        GCTMASK_ARGUMENT);
    EXPECT_CONTAINS(message, "options: set for a later version than 0.1.0");
    EXPECT(!result);
    gctmask_close(model);
}

// ---- Precision ----

static bool has_bf16(void) {
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[8192];
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file))
        found = strncmp(line, "flags", 5) == 0 && strstr(line, " avx512_bf16");
    if (file) fclose(file);
    return found;
}

static float first_score(const struct gctmask_options *options) {
    struct gctmask_model *model = NULL;
    struct gctmask_result *result = NULL;
    const char *path = scratch_path("m.safetensors");
    EXPECT_INT(gctmask_open(path, options, &model, message, sizeof message), GCTMASK_OK);
    EXPECT_INT(gctmask_detect_file(model, picture(0), NULL, &result, message, sizeof message),
               GCTMASK_OK);
    REQUIRE(gctmask_num_detections(result) > 0);
    float score = gctmask_detection(result, 0)->score;
    gctmask_free(result);
    gctmask_close(model);
    return score;
}

static void precision(void) {
    struct gctmask_model *model = NULL;
    struct gctmask_options options = {.size = sizeof options, .precision = 4};
    gctmask_close(open_model()); // makes the file
    EXPECT_INT(
        gctmask_open(scratch_path("m.safetensors"), &options, &model, message, sizeof message),
        GCTMASK_ARGUMENT);
    EXPECT_CONTAINS(message, "precision: 4 is none");
    EXPECT(!model);
    options.precision = GCTMASK_TF32;
    EXPECT_INT(
        gctmask_open(scratch_path("m.safetensors"), &options, &model, message, sizeof message),
        GCTMASK_UNSUPPORTED);
    EXPECT_CONTAINS(message, "precision tf32: only the device cuda computes in it");
    options.precision = GCTMASK_FP16;
    EXPECT_INT(
        gctmask_open(scratch_path("m.safetensors"), &options, &model, message, sizeof message),
        GCTMASK_UNSUPPORTED);
    EXPECT_CONTAINS(message, "precision float16: only the device cuda computes in it");
    // A program that knows nothing of it may have anything behind num_threads.
    struct gctmask_options older = {.size = offsetof(struct gctmask_options, precision),
                                    .num_threads = 2,
                                    .reserved = -1,
                                    .precision = 77};
    float score = first_score(&older);
    EXPECT(score == first_score(NULL));
    options.precision = GCTMASK_BF16;
    if (!has_bf16()) {
        EXPECT_INT(
            gctmask_open(scratch_path("m.safetensors"), &options, &model, message, sizeof message),
            GCTMASK_UNSUPPORTED);
        EXPECT_CONTAINS(message, "this processor has no instructions for it");
        skip_case("this processor has no instructions for bf16");
    }
    float rounded = first_score(&options);
    EXPECT(rounded != score && fabsf(rounded - score) < 0.05f);
}

// ---- Devices ----

static void expect_no_device(const char *device, enum gctmask_status expected, const char *text) {
    struct gctmask_model *model = NULL;
    const struct gctmask_options options = {.size = sizeof options, .device = device};
    EXPECT_INT(
        gctmask_open(scratch_path("m.safetensors"), &options, &model, message, sizeof message),
        expected);
    EXPECT_CONTAINS(message, text);
    EXPECT(!model);
}

// On a device: tests/cuda.
static void device(void) {
    gctmask_close(open_model()); // makes the file
    const struct gctmask_options cpu = {.size = sizeof cpu, .device = "cpu"};
    EXPECT(first_score(&cpu) == first_score(NULL));
    // A program that knows nothing of it may have anything behind precision.
    const struct gctmask_options older = {.size = offsetof(struct gctmask_options, device),
                                          .device = "nothing"};
    EXPECT(first_score(&older) == first_score(NULL));
    // And behind device.
    struct gctmask_options tuned = {.size = offsetof(struct gctmask_options, tune), .tune = 1};
    EXPECT(first_score(&tuned) == first_score(NULL));
    struct gctmask_model *model = NULL;
    tuned.size = sizeof tuned;
    EXPECT_INT(gctmask_open(scratch_path("m.safetensors"), &tuned, &model, message, sizeof message),
               GCTMASK_UNSUPPORTED);
    EXPECT_CONTAINS(message, "tune: only the device cuda has engines to choose from");
    expect_no_device("gpu", GCTMASK_ARGUMENT,
                     "device: expected cpu, cuda or cuda:N, found \"gpu\"");
    expect_no_device("", GCTMASK_ARGUMENT, "found \"\"");
    setenv("GCTMASK_CUDA_MODULE", "/nowhere/cuda.so", 1);
    expect_no_device("cuda", GCTMASK_DEVICE, "CUDA: cannot open /nowhere/cuda.so: ");
    expect_no_device("cuda:1", GCTMASK_DEVICE, "CUDA: cannot open /nowhere/cuda.so: ");
    unsetenv("GCTMASK_CUDA_MODULE");
}

// ---- Wrong calls and wrong inputs ----

static void wrong_options(void) {
    static const struct {
        struct gctmask_detect_options options;
        const char *text;
    } cases[] = {
        {{.max_detections = 1}, "options: size is not set"},
        {{.size = sizeof cases[0].options, .max_detections = -1}, "max_detections: -1"},
        {{.size = sizeof cases[0].options, .max_detections = 1000000}, "max_detections: 1000000"},
        {{.size = sizeof cases[0].options, .has_min_score = 1, .min_score = 1.5f},
         "min_score: 1.5"},
        {{.size = sizeof cases[0].options, .has_min_score = 1, .min_score = NAN}, "min_score: nan"},
    };
    struct gctmask_model *model = open_model();
    struct gctmask_result *result = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EXPECT_INT(gctmask_detect_file(model, picture(0), &cases[i].options, &result, message,
                                       sizeof message),
                   GCTMASK_ARGUMENT);
        EXPECT_CONTAINS(message, cases[i].text);
        EXPECT(!result);
    }
    gctmask_close(model);
    struct gctmask_options options = {.size = sizeof options, .num_threads = -1};
    EXPECT_INT(
        gctmask_open(scratch_path("m.safetensors"), &options, &model, message, sizeof message),
        GCTMASK_ARGUMENT);
    EXPECT_CONTAINS(message, "num_threads: -1 is not from 0 to 1024");
    EXPECT(!model);
}

static void wrong_models(void) {
    static const struct {
        const char *name;
        enum gctmask_status status;
        const char *text;
    } cases[] = {
        {"none", GCTMASK_NO_INPUT, "none: No such file or directory"},
        {"", GCTMASK_NO_INPUT, "not a regular file"},
        {"empty", GCTMASK_DATA, "empty: "},
        {"cut", GCTMASK_DATA, "cut: "},
        {"flipped", GCTMASK_DATA, "flipped: "},
        {"in/images/val_000001.jpg", GCTMASK_DATA, "val_000001.jpg: "},
    };
    struct gctmask_model *model = NULL;
    make_inputs();
    EXPECT_INT(run_program("cd $SCRATCH; : >empty; head -c 20000 m.safetensors >cut; "
                           "cp m.safetensors flipped; printf '\\x55' | "
                           "dd of=flipped bs=1 seek=500000 conv=notrunc status=none"),
               0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EXPECT_INT(gctmask_open(scratch_path(cases[i].name), NULL, &model, message, sizeof message),
                   cases[i].status);
        EXPECT_CONTAINS(message, cases[i].text);
        EXPECT(!model);
    }
    EXPECT_INT(gctmask_open(NULL, NULL, &model, message, sizeof message), GCTMASK_ARGUMENT);
    EXPECT_TEXT(message, "path is NULL");
    EXPECT_INT(gctmask_open("x", NULL, NULL, message, sizeof message), GCTMASK_ARGUMENT);
}

static void wrong_images(void) {
    const uint8_t pixels[12] = {0};
    struct gctmask_model *model = open_model();
    struct gctmask_result *result = NULL;
    char small[8];
    EXPECT_INT(
        gctmask_detect_file(model, scratch_path("none"), NULL, &result, message, sizeof message),
        GCTMASK_NO_INPUT);
    EXPECT_CONTAINS(message, "none: No such file");
    EXPECT(!result);
    EXPECT_INT(gctmask_detect_file(model, scratch_path("m.safetensors"), NULL, &result, small,
                                   sizeof small),
               GCTMASK_UNSUPPORTED);
    EXPECT(strlen(small) == 7); // cut
    EXPECT_INT(gctmask_detect_bytes(model, "", 0, NULL, &result, message, sizeof message),
               GCTMASK_DATA);
    EXPECT_TEXT(message, "image: the image is empty");
    EXPECT_INT(gctmask_detect_bytes(model, "\xff\xd8\xff\xe0", 4, NULL, &result, NULL, 0),
               GCTMASK_DATA);
    EXPECT_INT(gctmask_detect_bytes(model, NULL, 4, NULL, &result, NULL, 0), GCTMASK_ARGUMENT);
    EXPECT_INT(gctmask_detect_file(model, NULL, NULL, &result, NULL, 0), GCTMASK_ARGUMENT);
    EXPECT_INT(gctmask_detect_file(NULL, "x", NULL, &result, NULL, 0), GCTMASK_ARGUMENT);
    EXPECT_INT(gctmask_detect_file(model, "x", NULL, NULL, NULL, 0), GCTMASK_ARGUMENT);
    EXPECT_INT(gctmask_detect_pixels(model, NULL, 2, 2, 6, NULL, &result, NULL, 0),
               GCTMASK_ARGUMENT);
    EXPECT_INT(gctmask_detect_pixels(model, pixels, 0, 2, 6, NULL, &result, NULL, 0),
               GCTMASK_ARGUMENT);
    EXPECT_INT(gctmask_detect_pixels(model, pixels, 2, -2, 6, NULL, &result, NULL, 0),
               GCTMASK_ARGUMENT);
    EXPECT_INT(gctmask_detect_pixels(model, pixels, 2, 2, 5, NULL, &result, NULL, 0),
               GCTMASK_ARGUMENT);
    EXPECT_INT(gctmask_detect_pixels(model, pixels, 30000, 2, 90000, NULL, &result, message,
                                     sizeof message),
               GCTMASK_DATA);
    EXPECT_CONTAINS(message, "30000 x 2 pixels; the limits are");
    EXPECT_INT(gctmask_detect_pixels(model, pixels, 2, 2, 6, NULL, &result, NULL, 0), GCTMASK_OK);
    gctmask_free(result);
    gctmask_close(model);
}

// ---- Threads ----

struct user {
    pthread_t thread;
    struct gctmask_model *model;
    struct gctmask_result **expected; // of each picture
    int first;
    int num_wrong;
};

static char picture_paths[NUM_PICTURES][PATH_BYTES];

static void *use(void *argument) {
    struct user *user = argument;
    for (int i = 0; i < NUM_ROUNDS * NUM_PICTURES; i++) {
        int k = (user->first + i) % NUM_PICTURES;
        struct gctmask_result *result = NULL;
        user->num_wrong += gctmask_detect_file(user->model, picture_paths[k], NULL, &result, NULL,
                                               0) != GCTMASK_OK ||
                           !is_same(result, user->expected[k]);
        gctmask_free(result);
    }
    return NULL;
}

// Two models, each used by several threads.
static void many_threads(void) {
    struct gctmask_model *models[] = {open_model(), open_model()};
    struct gctmask_result *expected[NUM_PICTURES];
    struct user users[NUM_THREADS];
    for (int i = 0; i < NUM_PICTURES; i++) {
        snprintf(picture_paths[i], PATH_BYTES, "%s", picture(i));
        expected[i] = detect(models[0], i);
    }
    for (int i = 0; i < NUM_THREADS; i++) {
        users[i] = (struct user){.model = models[i % 2], .expected = expected, .first = i};
        REQUIRE(pthread_create(&users[i].thread, NULL, use, &users[i]) == 0);
    }
    for (int i = 0; i < NUM_THREADS; i++) {
        pthread_join(users[i].thread, NULL);
        EXPECT_INT(users[i].num_wrong, 0);
    }
    for (int i = 0; i < NUM_PICTURES; i++)
        gctmask_free(expected[i]);
    gctmask_close(models[0]);
    gctmask_close(models[1]);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"version", version},
                                          {"classes", classes},
                                          {"detections", detections},
                                          {"three ways", three_ways},
                                          {"limits", limits},
                                          {"other sizes of options", other_sizes_of_options},
                                          {"precision", precision},
                                          {"device", device},
                                          {"wrong options", wrong_options},
                                          {"wrong models", wrong_models},
                                          {"wrong images", wrong_images},
                                          {"many threads", many_threads},
                                          {0}});
}

// Model files: what is saved is loaded again, and every kind of wrong file says what is wrong.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file_view.h"
#include "base/json_writer.h"
#include "base/output.h"
#include "detector/detector_model.h"
#include "detector/model_file.h"
#include "tests/detector/check_model.h"
#include "tests/harness.h"

#define DEMO TESTS_DIR "/../configs/demo.json"

enum { PATH_BYTES = 512 };

// Makes the demo small.
static const char *const SMALL[] = {"backbone.width=8", "backbone.group_width=8",
                                    "box.hidden=32",    "fpn.channels=16",
                                    "box.score=0.125",  "mask.conv_channels=16"};
static const struct option_texts SMALLER = {SMALL, sizeof SMALL / sizeof *SMALL};

static const char *scratch_path(const char *name) {
    static char paths[4][PATH_BYTES];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_BYTES, "%s/%s", scratch_folder(), name);
    return path;
}

static void make(struct detector_model *model, uint64_t seed) {
    struct error err;
    enum status status = detector_model_create(model, DEMO, &SMALLER, false, seed, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
}

static void make_file(const char *path, uint64_t seed) {
    struct detector_model model;
    struct error err;
    make(&model, seed);
    EXPECT_OK(detector_model_save(&model, path, &err), &err);
    detector_model_destroy(&model);
}

static void expect_same_config(const struct detector_model *a, const struct detector_model *b) {
    struct output text[2];
    const struct options *options[] = {&a->options, &b->options};
    for (int i = 0; i < 2; i++) {
        struct json_writer w;
        output_open_memory(&text[i]);
        json_writer_init(&w, &text[i], 0);
        options_write_json(options[i], &w);
    }
    EXPECT_TEXT(text[0].data, text[1].data);
    output_discard(&text[0]);
    output_discard(&text[1]);
}

static void expect_same_parameters(const struct parameters *a, const struct parameters *b) {
    REQUIRE(a->count == b->count);
    for (int64_t i = 0; i < a->count; i++) {
        EXPECT_TEXT(a->items[i]->name, b->items[i]->name);
        REQUIRE(a->items[i]->count == b->items[i]->count);
        EXPECT(memcmp(a->items[i]->data, b->items[i]->data,
                      (size_t)a->items[i]->count * sizeof(float)) == 0);
    }
}

static void round_trip(void) {
    const char *path = scratch_path("round.safetensors");
    struct detector_model saved;
    struct detector_model loaded;
    struct error err;
    make(&saved, 3);
    EXPECT_OK(detector_model_save(&saved, path, &err), &err);
    uint64_t before = saved.network.parameters.version;
    EXPECT_OK(detector_model_load(&loaded, path, NULL, false, &err), &err);
    expect_same_parameters(&saved.network.parameters, &loaded.network.parameters);
    expect_same_config(&saved, &loaded);
    EXPECT_TEXT(loaded.config.classes.names.items[6], "heart");
    EXPECT_NEAR(loaded.config.box.score, 0.125, 0);
    EXPECT_INT((int64_t)saved.network.parameters.version, (int64_t)before);
    // A file can be replaced while the model that came from it lives.
    EXPECT_OK(detector_model_save(&loaded, path, &err), &err);
    detector_model_destroy(&loaded);
    EXPECT_OK(detector_model_load(&loaded, path, NULL, true, &err), &err);
    EXPECT(loaded.network.parameters.grad != NULL); // for training
    expect_same_parameters(&saved.network.parameters, &loaded.network.parameters);
    detector_model_destroy(&loaded);
    detector_model_destroy(&saved);
    detector_model_destroy(&saved); // a zeroed struct is fine
}

static int64_t count_mapped(const struct parameters *parameters) {
    int64_t count = 0;
    for (int64_t i = 0; i < parameters->count; i++)
        count += parameters->items[i]->is_mapped;
    return count;
}

static enum status detect_once(struct detector_model *model, int32_t side, struct error *err) {
    struct nn *nn = NULL;
    struct arena arena;
    struct detection_list list;
    TRY(nn_create(&nn, &(struct nn_options){.num_threads = 2}, err));
    arena_init(&arena, 1 << 20, 0);
    struct image image = noise_image(side, side, 1, &arena);
    enum status status = detect_images(nn, &model->network, &image, 1, &arena, &list, err);
    nn_destroy(nn);
    arena_destroy(&arena);
    return status;
}

// Weights that are only packed stay in the file, but not if they are to be trained, nor what is
// read as it is.
static void mapped_weights(void) {
    const char *path = scratch_path("mapped.safetensors");
    struct detector_model model;
    struct error err;
    make_file(path, 3);
    EXPECT_OK(detector_model_load(&model, path, NULL, true, &err), &err);
    EXPECT_INT(count_mapped(&model.network.parameters), 0);
    EXPECT(!model.file.path);
    detector_model_destroy(&model);
    EXPECT_OK(detector_model_load(&model, path, NULL, false, &err), &err);
    const struct parameters *parameters = &model.network.parameters;
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        const struct safetensor *tensor = safetensors_find(&model.file.tensors, p->name);
        bool is_weight = p->kind == PARAMETER_WEIGHT && !strstr(p->name, "mask_fcn_logits");
        EXPECT(p->is_mapped == is_weight);
        EXPECT((p->data == tensor->data) == is_weight);
        EXPECT(p->data);
    }
    EXPECT(count_mapped(parameters) > 20);
    EXPECT_OK(detect_once(&model, 90, &err), &err);
    detector_model_destroy(&model);
}

// Whoever writes into a model file that is in use is told before anything is computed from it.
static void changed_file(void) {
    const char *path = scratch_path("changed.safetensors");
    struct detector_model model;
    struct error err;
    make_file(path, 3);
    EXPECT_OK(detector_model_load(&model, path, NULL, false, &err), &err);
    make_file(path, 4); // another file of that name
    EXPECT_OK(detect_once(&model, 90, &err), &err);
    detector_model_destroy(&model);
    EXPECT_OK(detector_model_load(&model, path, NULL, false, &err), &err);
    REQUIRE(truncate(path, 1000) == 0);
    EXPECT_STATUS(detect_once(&model, 90, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "changed.safetensors: was changed while it was in use");
    detector_model_destroy(&model);
}

static bool same_files(const char *a, const char *b) {
    struct file_view first = {0};
    struct file_view second = {0};
    struct error err;
    EXPECT_OK(file_view_open(&first, a, 0, &err), &err);
    EXPECT_OK(file_view_open(&second, b, 0, &err), &err);
    REQUIRE(first.data && second.data);
    bool same =
        first.size == second.size && memcmp(first.data, second.data, (size_t)first.size) == 0;
    file_view_close(&first);
    file_view_close(&second);
    return same;
}

static void seeds(void) {
    make_file(scratch_path("a.safetensors"), 7);
    make_file(scratch_path("b.safetensors"), 7);
    make_file(scratch_path("c.safetensors"), 8);
    EXPECT(same_files(scratch_path("a.safetensors"), scratch_path("b.safetensors")));
    EXPECT(!same_files(scratch_path("a.safetensors"), scratch_path("c.safetensors")));
}

// A model file serves as a configuration, and options can stand above those in the file.
static void as_configuration(void) {
    const char *path = scratch_path("config.safetensors");
    const char *items[] = {"box.score=0.5"};
    const struct option_texts overrides = {items, 1};
    struct detector_model model;
    struct error err;
    make_file(path, 1);
    EXPECT_OK(detector_model_describe(&model, path, &overrides, &err), &err);
    EXPECT_NEAR(model.config.box.score, 0.5, 0);
    EXPECT_INT(model.config.box.hidden, 32);
    EXPECT(model.network.parameters.data == NULL);
    detector_model_destroy(&model);
    EXPECT_OK(detector_model_load(&model, path, &overrides, false, &err), &err);
    EXPECT_NEAR(model.config.box.score, 0.5, 0);
    detector_model_destroy(&model);
    EXPECT_OK(detector_model_create(&model, path, NULL, false, 9, &err), &err);
    EXPECT_INT(model.config.box.hidden, 32);
    detector_model_destroy(&model);
    EXPECT_STATUS(detector_model_load(&model, DEMO, NULL, false, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "demo.json: not a model file");
    EXPECT_STATUS(detector_model_load(&model, "/no/such/file", NULL, false, &err), STATUS_NO_INPUT,
                  &err);
}

// ---- Wrong files ----

static void expect_refused(const char *path, const struct option_texts *overrides,
                           enum status status, const char *message) {
    struct detector_model model;
    struct error err = {0};
    EXPECT_STATUS(detector_model_load(&model, path, overrides, false, &err), status, &err);
    EXPECT_CONTAINS(err.message, message);
}

// Options that do not fit the tensors.
static void other_architecture(void) {
    static const struct {
        const char *override;
        const char *message;
    } cases[] = {
        {"box.hidden=64",
         "6 tensors are of another shape (roi_heads.box_head.fc6.weight [32, 784], expected "
         "[64, 784], roi_heads.box_head.fc6.bias [32], expected [64], "},
        {"mask.convs=3",
         "2 tensors are missing (roi_heads.mask_head.2.0.weight, roi_heads.mask_head.2.0.bias)"},
        {"mask.convs=1", "2 tensors are left over (roi_heads.mask_head.1.0.bias, "
                         "roi_heads.mask_head.1.0.weight)"},
        {"backbone.attention=none",
         "backbone.body.layer1.0.downsample.gct.alpha, backbone.body.layer1.0.downsample.gct.beta "
         "and 82 more)"},
        {"box.linears=1", "2 tensors are left over (roi_heads.box_head.fc7.bias, "
                          "roi_heads.box_head.fc7.weight)"},
    };
    const char *path = scratch_path("other.safetensors");
    make_file(path, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(path, &(struct option_texts){&cases[i].override, 1}, STATUS_DATA,
                       cases[i].message);
    const char *many = "backbone.blocks=2,2,3,2";
    expect_refused(path, &(struct option_texts){&many, 1}, STATUS_DATA,
                   "18 tensors are missing (backbone.body.layer3.2.gct1.alpha, ");
}

// A file that asks for an enormous model without holding one asks for no memory.
static void enormous(void) {
    static const char *const items[] = {"box.hidden=8192",     "box.conv_channels=8192",
                                        "box.convs=8",         "box.resolution=64",
                                        "backbone.width=1024", "backbone.blocks=100,100,100,100"};
    const char *path = scratch_path("enormous.safetensors");
    make_file(path, 1);
    const struct option_texts overrides = {items, 6};
    expect_refused(path, &overrides, STATUS_DATA, " and ");
}

static void damaged(void) {
    const char *path = scratch_path("whole.safetensors");
    const char *damaged = scratch_path("damaged.safetensors");
    struct file_view view;
    struct error err;
    make_file(path, 1);
    EXPECT_OK(file_view_open(&view, path, 0, &err), &err);
    REQUIRE(view.data);
    char *bytes = malloc((size_t)view.size);
    REQUIRE(bytes);
    const int64_t flips[] = {20, view.size / 4, view.size / 2, view.size - 1};
    for (int i = 0; i < 4; i++) {
        memcpy(bytes, view.data, (size_t)view.size);
        bytes[flips[i]] = (char)(bytes[flips[i]] ^ 4);
        EXPECT_OK(output_save(damaged, bytes, view.size, &err), &err);
        expect_refused(damaged, NULL, STATUS_DATA, "damaged.safetensors: ");
    }
    const int64_t sizes[] = {0, 7, 8, 9, 1000, view.size - 1};
    for (int i = 0; i < 6; i++) {
        EXPECT_OK(output_save(damaged, view.data, sizes[i], &err), &err);
        expect_refused(damaged, NULL, STATUS_DATA, "damaged.safetensors: ");
    }
    free(bytes);
    file_view_close(&view);
}

// Values that no network can have are refused with the tensor's name.
static void not_finite(void) {
    static const struct {
        const char *parameter;
        float value;
        const char *message;
    } cases[] = {
        {"rpn.head.bbox_pred.bias", NAN,
         "tensor \"rpn.head.bbox_pred.bias\" holds nan (value 2 of "},
        {"fc6.weight", -INFINITY, "fc6.weight\" holds -inf (value 2 of 25088), expected finite"},
    };
    const char *path = scratch_path("nan.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct detector_model model;
        struct error err;
        make(&model, 1);
        struct parameters *parameters = &model.network.parameters;
        for (int64_t k = 0; k < parameters->count; k++)
            if (strstr(parameters->items[k]->name, cases[i].parameter))
                parameters->items[k]->data[1] = cases[i].value;
        EXPECT_OK(detector_model_save(&model, path, &err), &err);
        detector_model_destroy(&model);
        expect_refused(path, NULL, STATUS_DATA, cases[i].message);
    }
}

// Before any tensor, the number of classes.
static void other_classes(void) {
    const char *path = scratch_path("classes.safetensors");
    const char *items[] = {"classes.names=a", "b"};
    make_file(path, 1);
    expect_refused(path, &(struct option_texts){items, 2}, STATUS_DATA,
                   "classes.safetensors: weights of 8 classes and a configuration of 2, both "
                   "without background");
}

static void write_foreign(const char *path, const struct safetensors_text *metadata,
                          int64_t num_metadata) {
    const int64_t shape[] = {1};
    const float value[] = {1};
    const struct safetensor item = safetensor_of_floats("weight", 1, shape, value);
    struct output out;
    struct error err;
    EXPECT_OK(output_open_file(&out, path, &err), &err);
    EXPECT_OK(safetensors_write(&out, &item, 1, metadata, num_metadata, &err), &err);
    EXPECT_OK(output_commit(&out, &err), &err);
}

static void foreign(void) {
    const char *path = scratch_path("foreign.safetensors");
    write_foreign(path, NULL, 0);
    expect_refused(path, NULL, STATUS_DATA, "holds tensors but no configuration");
    write_foreign(path, (struct safetensors_text[]){{"format", "pt"}}, 1);
    expect_refused(path, NULL, STATUS_DATA, "holds tensors but no configuration");
    write_foreign(path, (struct safetensors_text[]){{"format", "gctmask 1"}}, 1);
    expect_refused(path, NULL, STATUS_DATA, "holds tensors but no configuration");
    write_foreign(path, (struct safetensors_text[]){{"format", "gctmask 2"}, {"config", "{}"}}, 2);
    expect_refused(path, NULL, STATUS_UNSUPPORTED,
                   "its format is \"gctmask 2\", expected \"gctmask 1\"");
    write_foreign(path, (struct safetensors_text[]){{"format", "gctmask 1"}, {"config", "{}"}}, 2);
    expect_refused(path, NULL, STATUS_DATA, "foreign.safetensors: classes.names: 0 names");
    write_foreign(path, (struct safetensors_text[]){{"format", "gctmask 1"}, {"config", "{"}}, 2);
    expect_refused(path, NULL, STATUS_DATA, "foreign.safetensors");
    write_foreign(path,
                  (struct safetensors_text[]){{"format", "gctmask 1"},
                                              {"config", "{\"base\": \"/etc/passwd\"}"}},
                  2);
    expect_refused(path, NULL, STATUS_DATA, "base: only a file can have one");
}

static void unwritable(void) {
    struct detector_model model;
    struct error err;
    make(&model, 1);
    EXPECT_STATUS(detector_model_save(&model, "/no/such/folder/a.safetensors", &err),
                  STATUS_CANNOT_WRITE, &err);
    detector_model_destroy(&model);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"round_trip", round_trip},
                                          {"mapped_weights", mapped_weights},
                                          {"changed_file", changed_file},
                                          {"seeds", seeds},
                                          {"as_configuration", as_configuration},
                                          {"other_architecture", other_architecture},
                                          {"enormous", enormous},
                                          {"damaged", damaged},
                                          {"not_finite", not_finite},
                                          {"other_classes", other_classes},
                                          {"foreign", foreign},
                                          {"unwritable", unwritable},
                                          {0}});
}

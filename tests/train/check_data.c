#include "tests/train/check_data.h"

#include <stdio.h>

#include "tests/harness.h"

static void set_option(struct training_data *data, const char *name, const char *value) {
    struct error err;
    EXPECT_OK(options_set_text(&data->options, name, value, (struct option_origin){0}, &err), &err);
}

static void name_classes(struct training_data *data) {
    char names[4096] = "";
    char ids[4096] = "";
    for (int64_t i = 0; i < data->set.num_categories; i++) {
        const struct coco_category *category = &data->set.categories[i];
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? "," : "", category->name);
        used = strlen(ids);
        snprintf(ids + used, sizeof ids - used, "%s%lld", i ? "," : "", (long long)category->id);
    }
    set_option(data, "classes.names", names);
    set_option(data, "classes.ids", ids);
}

static void configure(struct training_data *data, const char *const *settings) {
    struct error err;
    arena_init(&data->arena, 1 << 20, 0);
    REQUIRE(options_init(&data->options, MODEL_OPTIONS, &data->config, &data->arena, &err) ==
            STATUS_OK);
    name_classes(data);
    set_option(data, "input.short_side", "64");
    set_option(data, "input.long_side", "110");
    for (int i = 0; settings && settings[i]; i += 2)
        set_option(data, settings[i], settings[i + 1]);
    EXPECT_OK(model_config_check(&data->config, &err), &err);
    data->model = (struct mask_rcnn){
        .config = &data->config,
        .rules = conventions_of((enum conventions)data->config.conventions),
    };
}

void training_data_parse(struct training_data *data, const char *json,
                         const char *const *settings) {
    const struct coco_load_options options = {0};
    struct error err;
    *data = (struct training_data){0};
    EXPECT_OK(
        coco_parse_annotations(&data->set, json, (int64_t)strlen(json), "set.json", &options, &err),
        &err);
    configure(data, settings);
}

void training_data_load(struct training_data *data, const char *path, const char *const *settings) {
    const struct coco_load_options options = {0};
    struct error err;
    *data = (struct training_data){0};
    EXPECT_OK(coco_load_annotations(&data->set, path, &options, &err), &err);
    configure(data, settings);
}

void training_data_make(struct training_data *data) {
    struct error err;
    enum status status =
        dataset_make(&data->dataset, &data->set, &data->config, &data->arena, &err);
    EXPECT_STATUS(status, STATUS_OK, &err);
    REQUIRE(status == STATUS_OK);
}

void training_data_destroy(struct training_data *data) {
    coco_destroy(&data->set);
    arena_destroy(&data->arena);
    *data = (struct training_data){0};
}

void training_data_shapes(struct training_data *data, const char *shape, int64_t count,
                          const char *const *settings) {
    struct output out;
    struct error err;
    int64_t length = (int64_t)strlen(shape);
    output_open_memory(&out);
    output_printf(&out, "{\"categories\":[{\"id\":1,\"name\":\"thing\"}],\"images\":[");
    for (int64_t i = 0; i < count; i++) {
        bool wide = shape[i % length] == 'L';
        output_printf(&out, "%s{\"id\":%lld,\"file_name\":\"%lld.png\",\"width\":%d,\"height\":%d}",
                      i ? "," : "", (long long)i, (long long)i, wide ? 80 : 60, wide ? 60 : 80);
    }
    output_printf(&out, "],\"annotations\":[");
    for (int64_t i = 0; i < count; i++)
        output_printf(&out,
                      "%s{\"id\":%lld,\"image_id\":%lld,\"category_id\":1,\"iscrowd\":0,\"bbox\":"
                      "[5,5,40,40],\"area\":800,\"segmentation\":[[5,5,45,5,45,45]]}",
                      i ? "," : "", (long long)i + 1, (long long)i);
    output_printf(&out, "]}");
    EXPECT_OK(output_finish(&out, &err), &err);
    training_data_parse(data, out.data, settings);
    training_data_make(data);
    output_discard(&out);
}

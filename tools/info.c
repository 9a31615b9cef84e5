// gctmask info: what a model is made of and what it costs.
#include "detector/detector_model.h"
#include "detector/summary.h"
#include "tools/command.h"
#include "tools/network_size.h"

enum { MAX_IMAGES = 1024 };

struct info_options {
    const char *size;
    int64_t num_images;
    struct option_texts overrides;
    bool json;
};

static const struct option OPTIONS[] = {
    {.name = "size",
     OPTION_FIELD(struct info_options, size),
     .metavar = "WxH",
     .help = "width and height of the network's input, rounded up to multiples of 32; by default "
             "what the model makes of a photo of 4:3"},
    {.name = "images",
     OPTION_FIELD(struct info_options, num_images),
     OPTION_BETWEEN(1, MAX_IMAGES),
     .default_text = "1",
     .metavar = "N",
     .help = "images that are computed together"},
    {.name = "set",
     OPTION_FIELD(struct info_options, overrides),
     .metavar = "NAME=VALUE,...",
     .help = "options of the model to change"},
    {.name = "json",
     OPTION_FIELD(struct info_options, json),
     .help = "print one JSON document, which also has the whole configuration"},
    {0},
};

static const struct example EXAMPLES[] = {
    {"gctmask info configs/r50_bn_gct_2fc_90k.json", "a row of the paper's table"},
    {"gctmask info gct.safetensors --size 1344x800 --json", "a model file, for a script"},
    {0},
};

static void write_json(const struct detector_model *model, const struct model_summary *summary,
                       const char *path, struct output *out) {
    struct json_writer w;
    json_writer_init(&w, out, 2);
    json_write_begin_object(&w);
    json_write_key_text(&w, "model", path);
    json_write_key(&w, "config");
    options_write_json(&model->options, &w);
    model_summary_write_json(summary, &w);
    json_write_end_object(&w);
    output_text(out, "\n");
}

static enum status summarise(struct invocation *invocation, struct detector_model *model,
                             struct error *err) {
    const struct info_options *options = invocation->options;
    struct extent size = model_summary_usual_size(&model->network);
    struct model_summary summary;
    if (options->size) TRY(network_size_parse(options->size, &size, err));
    TRY(model_summarise(&summary, &model->network, options->num_images, size, &model->arena, err));
    if (options->json)
        write_json(model, &summary, invocation->operands[0], invocation->out);
    else
        model_summary_write_table(&summary, invocation->out);
    return STATUS_OK;
}

static enum status run_info(struct invocation *invocation, struct error *err) {
    const struct info_options *options = invocation->options;
    struct detector_model model;
    TRY(detector_model_describe(&model, invocation->operands[0], &options->overrides, err));
    enum status status = summarise(invocation, &model, err);
    detector_model_destroy(&model);
    return status;
}

const struct command info_command = {
    .name = "info",
    .summary = "show what a model is made of and what it costs",
    .description =
        "Reads a configuration or a model file and shows every layer with the shape of its result, "
        "parameters and multiply-adds of each part, and the memory that inference takes. Nothing "
        "is computed.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct info_options),
    .operands = "MODEL",
    .min_operands = 1,
    .max_operands = 1,
    .examples = EXAMPLES,
    .run = run_info,
};

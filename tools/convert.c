// gctmask convert: weights of other programs, in and out.
#include "detector/import/import.h"
#include "detector/model_file.h"
#include "tools/command.h"

enum direction { TO_MODEL, TO_STATE_DICT };

struct convert_options {
    const char *out;
    enum direction to;
    const char *config;
    struct option_texts overrides;
    bool backbone_only;
    int64_t seed;
    bool map;
    bool json;
};

static const char *const DIRECTIONS[] = {"model", "state-dict", NULL};

static const struct option OPTIONS[] = {
    {.name = "out",
     OPTION_FIELD(struct convert_options, out),
     .metavar = "FILE",
     .required = true,
     .help = "the file to write"},
    {.name = "to",
     OPTION_FIELD(struct convert_options, to),
     .choices = DIRECTIONS,
     .default_text = "model",
     .help = "a model file of gctmask from SRC's weights, or from a model file a state dict with "
             "torchvision's names, for programs that read safetensors"},
    {.name = "config",
     OPTION_FIELD(struct convert_options, config),
     .group = "Import",
     .metavar = "FILE",
     .help = "the model's configuration; by default it follows from the weights, and classes are "
             "COCO's if their number is"},
    {.name = "set",
     OPTION_FIELD(struct convert_options, overrides),
     .metavar = "NAME=VALUE,...",
     .help = "options of the model to change"},
    {.name = "backbone-only",
     OPTION_FIELD(struct convert_options, backbone_only),
     .help =
         "take the backbone, and its pyramid if there is one, and draw the rest afresh: a start "
         "for training on other classes"},
    {.name = "seed",
     OPTION_FIELD(struct convert_options, seed),
     OPTION_AT_LEAST(0),
     .default_text = "1",
     .help = "of what is fresh"},
    {.name = "map",
     OPTION_FIELD(struct convert_options, map),
     .group = "Report",
     .help = "print what became of each tensor: its name, the parameter's, shape, what was done"},
    {.name = "json",
     OPTION_FIELD(struct convert_options, json),
     .help = "print the same as one JSON document"},
    {0},
};

static const struct example EXAMPLES[] = {
    {"gctmask convert maskrcnn_resnet50_fpn_coco.pth --out coco.safetensors",
     "torchvision's published weights"},
    {"gctmask convert model_final.pkl --out coco.safetensors --map", "detectron2's, with a report"},
    {"gctmask convert r50_gct.pth --backbone-only --config configs/r50_bn_gct_2fc_90k.json --out "
     "start.safetensors",
     "a classifier's backbone, to train a detector"},
    {"gctmask convert coco.safetensors --to state-dict --out weights.safetensors",
     "back to PyTorch's names"},
    {0},
};

static void write_json(const struct import *import, struct output *out) {
    struct json_writer w;
    json_writer_init(&w, out, 2);
    json_write_begin_object(&w);
    json_write_key_text(&w, "source", import->dict.path);
    json_write_key_text(&w, "family", import->map.family->name);
    json_write_key_text(&w, "format", import->dict.format);
    json_write_key(&w, "config");
    options_write_json(&import->model.options, &w);
    json_write_key(&w, "tensors");
    key_map_write_json(&import->map, &w);
    json_write_end_object(&w);
    output_text(out, "\n");
}

static void log_import(const struct invocation *invocation, const struct import *import) {
    const struct convert_options *options = invocation->options;
    const struct log *log = &invocation->log;
    const int64_t *num = import->num_keys;
    int64_t num_used = num[KEY_COPIED] + num[KEY_BACKGROUND_MOVED] + num[KEY_BACKGROUND_ADDED];
    enum family_kind family = import->map.family->kind;
    log_message(log, LOG_INFO, "%s: weights of %s in %s: %lld tensors used, %lld ignored",
                invocation->operands[0], import->map.family->name, import->dict.format,
                (long long)num_used, (long long)num[KEY_IGNORED]);
    bool is_legacy = family == FAMILY_DETECTRON || family == FAMILY_MASKRCNN_BENCHMARK;
    if (is_legacy && !options->backbone_only)
        log_message(log, LOG_WARNING,
                    "%s: trained with %s's rounded anchors and boxes one pixel wider; here they "
                    "are detectron2's, which costs a little accuracy",
                    invocation->operands[0], import->map.family->name);
    log_message(log, LOG_INFO, "%s: %lld parameters, %lld classes, %lld tensors fresh",
                options->out, (long long)mask_rcnn_num_parameters(&import->model.network),
                (long long)import->model.config.classes.names.count, (long long)num[KEY_FRESH]);
}

static enum status refuse_model_file(const char *path, struct error *err) {
    struct arena arena;
    struct model_file file;
    arena_init(&arena, 1 << 12, 0);
    enum status status = model_file_open(&file, path, false, &arena, NULL);
    if (status == STATUS_OK) model_file_close(&file);
    arena_destroy(&arena);
    if (status != STATUS_OK) return STATUS_OK; // weights, or nothing at all: the import will say
    return error_set(err, STATUS_USAGE,
                     "%s is a model file of gctmask already; --to state-dict exports it", path);
}

static enum status run_import(struct invocation *invocation, struct error *err) {
    const struct convert_options *options = invocation->options;
    const struct import_request request = {
        .source = invocation->operands[0],
        .config = options->config,
        .overrides = &options->overrides,
        .backbone_only = options->backbone_only,
        .seed = (uint64_t)options->seed,
    };
    struct import import;
    TRY(refuse_model_file(request.source, err));
    TRY(import_model(&import, &request, err));
    enum status status = detector_model_save(&import.model, options->out, err);
    if (status == STATUS_OK) {
        if (options->json)
            write_json(&import, invocation->out);
        else if (options->map)
            key_map_write_table(&import.map, invocation->out);
        log_import(invocation, &import);
    }
    import_destroy(&import);
    return status;
}

static enum status run_export(struct invocation *invocation, struct error *err) {
    const struct convert_options *options = invocation->options;
    struct detector_model model;
    if (options->config || options->backbone_only || options->overrides.count)
        return error_set(err, STATUS_USAGE,
                         "--config, --set and --backbone-only are for an import, not for --to "
                         "state-dict");
    TRY(detector_model_load(&model, invocation->operands[0], NULL, false, err));
    enum status status = export_state_dict(&model, options->out, err);
    if (status == STATUS_OK)
        log_message(&invocation->log, LOG_INFO, "%s: %lld tensors", options->out,
                    (long long)model.network.parameters.count);
    detector_model_destroy(&model);
    return status;
}

static enum status run_convert(struct invocation *invocation, struct error *err) {
    const struct convert_options *options = invocation->options;
    return options->to == TO_STATE_DICT ? run_export(invocation, err) : run_import(invocation, err);
}

const struct command convert_command = {
    .name = "convert",
    .summary = "import the weights of other programs, or export to theirs",
    .description =
        "Reads the weights of torchvision (.pth), detectron2 and Detectron (.pkl), "
        "maskrcnn-benchmark and the official GCT classifiers (.pth), recognised by their names, "
        "and "
        "writes a model file. Nothing in the files is executed. Classes come in gctmask's order, "
        "with the background first; a tensor that is missing, left over or of the wrong shape is "
        "an error that names both sides.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct convert_options),
    .operands = "SRC",
    .min_operands = 1,
    .max_operands = 1,
    .examples = EXAMPLES,
    .run = run_convert,
};

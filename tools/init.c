// gctmask init: a model file with fresh weights.
#include "detector/detector_model.h"
#include "tools/command.h"

struct init_options {
    const char *config;
    const char *out;
    int64_t seed;
    struct option_texts overrides;
};

static const struct option OPTIONS[] = {
    {.name = "config",
     OPTION_FIELD(struct init_options, config),
     .metavar = "FILE",
     .required = true,
     .help = "the model: a configuration, or another model file whose weights do not matter"},
    {.name = "out",
     OPTION_FIELD(struct init_options, out),
     .metavar = "FILE",
     .required = true,
     .help = "the model file to write"},
    {.name = "seed",
     OPTION_FIELD(struct init_options, seed),
     OPTION_AT_LEAST(0),
     .default_text = "1",
     .help = "another seed gives other weights, the same seed the same bytes"},
    {.name = "set",
     OPTION_FIELD(struct init_options, overrides),
     .metavar = "NAME=VALUE,...",
     .help = "options of the model to change"},
    {0},
};

static const struct example EXAMPLES[] = {
    {"gctmask init --config configs/demo.json --out demo.safetensors", "a small model to train"},
    {"gctmask init --config configs/demo.json --set classes.names=cat,dog --out pets.safetensors",
     "the same for other classes"},
    {0},
};

static enum status run_init(struct invocation *invocation, struct error *err) {
    const struct init_options *options = invocation->options;
    struct detector_model model;
    TRY(detector_model_create(&model, options->config, &options->overrides, false,
                              (uint64_t)options->seed, err));
    enum status status = detector_model_save(&model, options->out, err);
    if (status == STATUS_OK)
        log_message(&invocation->log, LOG_INFO, "%s: %lld parameters, %lld classes", options->out,
                    (long long)mask_rcnn_num_parameters(&model.network),
                    (long long)model.config.classes.names.count);
    detector_model_destroy(&model);
    return status;
}

const struct command init_command = {
    .name = "init",
    .summary = "make a model file with fresh weights",
    .description =
        "Writes a model file whose weights are drawn at random as training starts from: the "
        "detector's parts by the rules of their papers, gates and norms as the identity. The file "
        "holds the configuration, so it is all that other commands need.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct init_options),
    .examples = EXAMPLES,
    .run = run_init,
};

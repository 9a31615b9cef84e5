#include "train/initialise.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "detector/model_file.h"
#include "detector/weights_check.h"

// ---- Parts ----

struct part {
    const char *name, *prefix; // of its parameters
};

static const struct part PARTS[] = {
    {"backbone", "backbone.body."}, {"pyramid", "backbone.fpn."},     {"proposals", "rpn."},
    {"box head", "roi_heads.box_"}, {"mask head", "roi_heads.mask_"},
};
enum { NUM_PARTS = sizeof PARTS / sizeof *PARTS, BACKBONE = 0 };

static void add_name(char text[INIT_TEXT_BYTES], const struct part *part) {
    size_t used = strlen(text);
    snprintf(text + used, INIT_TEXT_BYTES - used, "%s%s", used > 0 ? ", " : "", part->name);
}

static bool begins(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

// The last layers, whose width is the number of classes.
static bool is_predictor(const struct parameter *p) {
    return begins(p->name, "roi_heads.box_predictor.") ||
           begins(p->name, "roi_heads.mask_predictor.mask_fcn_logits.");
}

static bool is_gate(const struct parameter *p) {
    return p->kind == PARAMETER_GATE_ALPHA || p->kind == PARAMETER_GATE_GAMMA ||
           p->kind == PARAMETER_GATE_BETA;
}

// ---- What the file's model is ----

static enum status compare_classes(const struct model_config *ours,
                                   const struct model_config *theirs,
                                   const struct init_options *options, struct error *err) {
    struct name_list others = {0};
    int64_t count = ours->classes.names.count;
    if (options->classes != INIT_CLASSES_SAME || options->parts == INIT_BACKBONE ||
        theirs->classes.names.count != count)
        return STATUS_OK;
    for (int64_t i = 0; i < count; i++)
        if (strcmp(ours->classes.names.items[i], theirs->classes.names.items[i]) != 0)
            name_list_add_pair(&others, ours->classes.names.items[i],
                               theirs->classes.names.items[i]);
    name_list_end(&others);
    if (others.count == 0) return STATUS_OK;
    return error_set(err, STATUS_DATA,
                     "%s has other classes at the places of this model's: %s; --init-classes "
                     "by-position takes them nevertheless, fresh starts without them",
                     options->path, others.text);
}

// What black and white are in a channel of the network's input, of red, green and blue.
static double input_of(const struct model_config *config, int channel, bool white) {
    bool turned = config->input.channel_order == CHANNELS_BGR;
    int place = turned ? 2 - channel : channel;
    double value = white ? config->input.pixel_range : 0;
    return (value - config->input.mean.items[place]) / config->input.std.items[place];
}

static enum status compare_inputs(const struct model_config *ours,
                                  const struct model_config *theirs, const char *path,
                                  struct error *err) {
    static const double CLOSE = 0.05; // of the range from black to white
    const char *const orders[] = {[CHANNELS_RGB] = "rgb", [CHANNELS_BGR] = "bgr"};
    if (ours->input.channel_order != theirs->input.channel_order)
        return error_set(err, STATUS_DATA,
                         "%s has the channels in the order %s, this model in %s: set "
                         "input.channel_order=%s",
                         path, orders[theirs->input.channel_order],
                         orders[ours->input.channel_order], orders[theirs->input.channel_order]);
    for (int i = 0; i < 6; i++) {
        double our_value = input_of(ours, i / 2, i % 2);
        double their_value = input_of(theirs, i / 2, i % 2);
        double range = input_of(theirs, i / 2, true) - input_of(theirs, i / 2, false);
        if (fabs(our_value - their_value) <= CLOSE * range) continue;
        return error_set(err, STATUS_DATA,
                         "%s sees a %s pixel as %.3g, this model as %.3g: set input.mean, "
                         "input.std and input.pixel_range as they are there (gctmask info)",
                         path, i % 2 ? "white" : "black", their_value, our_value);
    }
    return STATUS_OK;
}

static enum status compare_models(struct initialised *result, const struct model_config *ours,
                                  const struct model_file *file, const struct init_options *options,
                                  struct arena *arena, struct error *err) {
    struct model_config theirs;
    struct options rows;
    TRY(options_init(&rows, MODEL_OPTIONS, &theirs, arena, err));
    TRY(model_file_configure(file, &rows, err));
    TRY(model_config_check(&theirs, err));
    TRY(compare_inputs(ours, &theirs, options->path, err));
    result->other_conventions = ours->conventions != theirs.conventions;
    return compare_classes(ours, &theirs, options, err);
}

// ---- Parameters ----

static bool has_shape(const struct safetensor *tensor, const struct parameter *p) {
    if (tensor->num_dims != p->num_dims) return false;
    for (int i = 0; i < p->num_dims; i++)
        if (tensor->shape[i] != p->shape[i]) return false;
    return true;
}

static enum status take(struct initialised *result, const struct model_file *file,
                        const struct parameter *p, const struct init_options *options,
                        struct error *err) {
    const struct safetensor *tensor = safetensors_find(&file->tensors, p->name);
    bool fits = tensor && has_shape(tensor, p);
    if (is_predictor(p) && tensor && (!fits || options->classes == INIT_CLASSES_FRESH)) {
        name_list_add(&result->predictors, p->name);
        return STATUS_OK;
    }
    if (fits) {
        result->taken++;
        TRY(safetensor_to_float(tensor, p->data, err));
        return weights_check(p, file->path, p->name, err);
    }
    if (!tensor && is_gate(p)) {
        name_list_add(&result->gates, p->name);
        return STATUS_OK;
    }
    return error_set(err, STATUS_DATA, "%s: \"%s\" %s%s", file->path, p->name,
                     tensor ? "has another shape than in this model" : "is missing",
                     begins(p->name, PARTS[BACKBONE].prefix)
                         ? ""
                         : "; --init-parts backbone takes the backbone alone");
}

// Training moves a bias at its first step.
static bool has_trained_bias(const struct parameters *parameters, const struct part *part) {
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        bool is_bias = p->kind == PARAMETER_BIAS || p->kind == PARAMETER_NORM_BIAS;
        if (!is_bias || is_predictor(p) || !begins(p->name, part->prefix)) continue;
        for (int64_t j = 0; j < p->count; j++)
            if (p->data[j] != 0) return true;
    }
    return false;
}

static enum status take_part(struct initialised *result, const struct model_file *file,
                             const struct parameters *parameters, const struct part *part,
                             const struct init_options *options, struct error *err) {
    for (int64_t i = 0; i < parameters->count; i++)
        if (begins(parameters->items[i]->name, part->prefix))
            TRY(take(result, file, parameters->items[i], options, err));
    if (part != &PARTS[BACKBONE] && !has_trained_bias(parameters, part))
        add_name(result->untrained, part);
    return STATUS_OK;
}

static enum status fill(struct initialised *result, struct detector_model *model,
                        const struct init_options *options, struct arena *arena,
                        struct error *err) {
    struct model_file file = {0};
    enum status status = model_file_open(&file, options->path, true, arena, err);
    if (status == STATUS_OK)
        status = compare_models(result, &model->config, &file, options, arena, err);
    for (int i = 0; i < NUM_PARTS && status == STATUS_OK; i++) {
        if (i != BACKBONE && options->parts == INIT_BACKBONE)
            add_name(result->fresh, &PARTS[i]);
        else
            status = take_part(result, &file, &model->network.parameters, &PARTS[i], options, err);
    }
    model_file_close(&file);
    return status;
}

enum status initialise_from_file(struct initialised *result, struct detector_model *model,
                                 const struct init_options *options, struct error *err) {
    struct arena arena;
    *result = (struct initialised){0};
    arena_init(&arena, 1 << 16, 0);
    enum status status = fill(result, model, options, &arena, err);
    arena_destroy(&arena);
    name_list_end(&result->predictors);
    name_list_end(&result->gates);
    parameters_changed(&model->network.parameters);
    return status;
}

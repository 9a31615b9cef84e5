#include "detector/summary.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "detector/preprocess.h"

const char *model_part_name(enum model_part part) {
    static const char *const names[] = {"stem", "c2",  "c3",       "c4",       "c5",
                                        "fpn",  "rpn", "box_head", "mask_head"};
    CHECK((unsigned)part < NUM_MODEL_PARTS);
    return names[part];
}

// ---- To which part something belongs ----

static bool begins(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

// Of a parameter or of a layer with the name of its parameters.
static enum model_part part_of(const char *name) {
    static const char *const stage = "backbone.body.layer";
    if (begins(name, stage)) return (enum model_part)(PART_C2 + (name[strlen(stage)] - '1'));
    if (begins(name, "backbone.body.")) return PART_STEM;
    if (begins(name, "backbone.fpn.")) return PART_FPN;
    if (begins(name, "rpn.")) return PART_RPN;
    return begins(name, "roi_heads.box_") ? PART_BOX_HEAD : PART_MASK_HEAD;
}

static void count_parameters(struct model_summary *summary, const struct parameters *parameters) {
    for (int64_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = parameters->items[i];
        summary->parameter_bytes += p->count * (int64_t)sizeof(float);
        if (parameter_is_frozen_norm(p)) {
            summary->total_frozen_norm += p->count;
            continue;
        }
        summary->parameters[part_of(p->name)] += p->count;
        summary->total_parameters += p->count;
    }
}

// ---- The forward pass ----

// Who is told of every operation.
struct observer {
    struct model_summary *summary;
    enum model_part part; // that is running
    int64_t capacity;     // of summary->layers
    struct arena *arena;
    bool out_of_memory;
};

static struct layer_summary *next_layer(struct observer *o) {
    struct model_summary *s = o->summary;
    if (s->num_layers == o->capacity) {
        int64_t capacity = o->capacity ? 2 * o->capacity : 256;
        struct layer_summary *layers = arena_alloc(o->arena, capacity, sizeof *layers);
        if (!layers) {
            o->out_of_memory = true;
            return NULL;
        }
        if (s->num_layers) memcpy(layers, s->layers, (size_t)s->num_layers * sizeof *layers);
        s->layers = layers;
        o->capacity = capacity;
    }
    return &s->layers[s->num_layers++];
}

static void describe_conv(char details[LAYER_DETAILS_BYTES], const struct conv_call *call) {
    const struct conv *conv = call->conv;
    char stride[24] = "";
    char groups[24] = "";
    if (conv->stride > 1) snprintf(stride, sizeof stride, "/%lld", (long long)conv->stride);
    if (conv->groups > 1) snprintf(groups, sizeof groups, " in %lld", (long long)conv->groups);
    snprintf(details, LAYER_DETAILS_BYTES, "%s%lldx%lld%s%s%s%s%s", conv->gate ? "gct " : "",
             (long long)conv->kernel, (long long)conv->kernel, stride, groups,
             conv->norm ? " bn" : "", call->residual ? " add" : "", call->relu ? " relu" : "");
}

static void observe(void *context, const struct call *call) {
    struct observer *o = context;
    bool in_backbone = call->label && begins(call->label, "backbone.");
    if (in_backbone) o->part = part_of(call->label);
    o->summary->multiply_adds[o->part] += call->multiply_adds;
    o->summary->total_multiply_adds += call->multiply_adds;
    struct layer_summary *layer = next_layer(o);
    if (!layer) return;
    *layer = (struct layer_summary){
        .part = o->part,
        .label = call->label,
        .op = op_name(call->op),
        .has_shape = call->out != NULL,
        .multiply_adds = call->multiply_adds,
    };
    if (call->op == OP_conv) describe_conv(layer->details, (const struct conv_call *)call);
    if (!call->out) return;
    layer->n = call->out->n;
    layer->h = call->out->h;
    layer->w = call->out->w;
    layer->c = call->out->c;
}

// The same steps as in detector/detect.c.
static void run(struct nn *nn, struct mask_rcnn *model, struct observer *o,
                const struct extent *extents) {
    const struct model_summary *s = o->summary;
    struct features features;
    struct box_list proposals;
    struct box_list found;
    nn_begin(nn, NN_INFERENCE);
    struct tensor *input = nn_tensor(nn, s->num_images, s->height, s->width, 3);
    o->part = PART_STEM;
    mask_rcnn_features(nn, model, input, &features);
    o->part = PART_RPN;
    mask_rcnn_propose(nn, model, &features, extents, &proposals);
    o->part = PART_BOX_HEAD;
    mask_rcnn_boxes(nn, model, &features, &proposals, extents, &found);
    o->part = PART_MASK_HEAD;
    mask_rcnn_masks(nn, model, &features, &found);
}

static enum status plan(struct model_summary *summary, struct mask_rcnn *model, struct nn *nn,
                        struct extent size, struct arena *arena, struct error *err) {
    struct observer observer = {.summary = summary, .arena = arena};
    struct extent *extents = arena_alloc(arena, summary->num_images, sizeof *extents);
    if (!extents) return error_memory(err, "a summary", summary->num_images);
    for (int64_t i = 0; i < summary->num_images; i++)
        extents[i] = size;
    nn->observer = observe;
    nn->observer_context = &observer;
    run(nn, model, &observer, extents);
    TRY(nn_status(nn, err));
    if (observer.out_of_memory) return error_memory(err, "a summary", 0);
    summary->step_bytes = nn->heap.peak_bytes;
    return STATUS_OK;
}

enum status model_summarise(struct model_summary *summary, struct mask_rcnn *model,
                            int64_t num_images, struct extent size, struct arena *arena,
                            struct error *err) {
    *summary = (struct model_summary){
        .num_images = num_images,
        .height = size.height,
        .width = size.width,
        .proposals = model->config->rpn.post_nms_test,
        .detections = model->config->box.detections,
    };
    count_parameters(summary, &model->parameters);
    struct nn *nn = NULL;
    TRY(nn_create(&nn, &(struct nn_options){.device = NN_PLAN, .num_threads = 1}, err));
    enum status status = plan(summary, model, nn, size, arena, err);
    nn_destroy(nn);
    return status;
}

struct extent model_summary_usual_size(const struct mask_rcnn *model) {
    enum { WIDTH = 640, HEIGHT = 480 };
    struct extent extent = preprocess_extent(model, WIDTH, HEIGHT);
    return preprocess_padded(&extent, 1);
}

// ---- Output ----

enum { SHAPE_BYTES = 96 };

#define LAYER_COLUMNS "%-42s  %-24s  %16s" // label, operation, shape

static const double GIGA = 1e9;
static const double MEBIBYTE = 1 << 20;

// "12,345" into text.
static const char *group_digits(int64_t value, char text[32]) {
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%lld", (long long)value);
    int at = 0;
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0) text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

static void write_layer(const struct layer_summary *layer, struct output *out) {
    char shape[SHAPE_BYTES] = "boxes";
    char work[LAYER_DETAILS_BYTES + 32];
    if (layer->has_shape)
        snprintf(shape, sizeof shape, "%lldx%lldx%lldx%lld", (long long)layer->n,
                 (long long)layer->h, (long long)layer->w, (long long)layer->c);
    snprintf(work, sizeof work, "%s%s%s", layer->op, layer->details[0] ? " " : "", layer->details);
    output_printf(out, LAYER_COLUMNS, layer->label ? layer->label : "", work, shape);
    output_printf(out, "  %8.3f\n", layer->multiply_adds / GIGA);
}

static void write_part(const char *name, int64_t parameters, double multiply_adds,
                       struct output *out) {
    char text[32];
    output_printf(out, "%-9s  %12s  %10.3f\n", name, group_digits(parameters, text),
                  multiply_adds / GIGA);
}

void model_summary_write_table(const struct model_summary *s, struct output *out) {
    output_printf(out, LAYER_COLUMNS "  %8s\n", "layer", "operation", "n x h x w x c", "10^9 MAC");
    for (int64_t i = 0; i < s->num_layers; i++)
        write_layer(&s->layers[i], out);
    output_printf(out, "\n%-9s  %12s  %10s\n", "part", "parameters", "10^9 MAC");
    for (int i = 0; i < NUM_MODEL_PARTS; i++)
        write_part(model_part_name((enum model_part)i), s->parameters[i], s->multiply_adds[i], out);
    write_part("total", s->total_parameters, s->total_multiply_adds, out);
    char text[32];
    output_text(out, "\n");
    if (s->total_frozen_norm)
        output_printf(out, "The %s values of frozen norms are not counted as parameters.\n",
                      group_digits(s->total_frozen_norm, text));
    output_printf(out,
                  "MAC: multiply-adds for %lld x %lld x %lld (images x height x width), with %lld "
                  "proposals\nand %lld detections an image, the most there can be.\n",
                  (long long)s->num_images, (long long)s->height, (long long)s->width,
                  (long long)s->proposals, (long long)s->detections);
    output_printf(
        out,
        "Memory: %.1f MiB for parameters; in detection the kernels' copies take their place,\n"
        "about twice as much, in bf16 as much. %.1f MiB for a step of inference.\n",
        (double)s->parameter_bytes / MEBIBYTE, (double)s->step_bytes / MEBIBYTE);
}

static void write_json_layer(const struct layer_summary *layer, struct json_writer *w) {
    json_write_begin_object(w);
    json_write_key_text(w, "module", model_part_name(layer->part));
    json_write_key(w, "name");
    if (layer->label)
        json_write_text(w, layer->label);
    else
        json_write_null(w);
    json_write_key_text(w, "operation", layer->op);
    json_write_key_text(w, "details", layer->details);
    json_write_key(w, "shape");
    if (layer->has_shape) {
        const int64_t shape[] = {layer->n, layer->h, layer->w, layer->c};
        int indent = w->indent;
        w->indent = 0; // all on one line
        json_write_begin_array(w);
        for (int i = 0; i < 4; i++)
            json_write_int64(w, shape[i]);
        json_write_end_array(w);
        w->indent = indent;
    } else {
        json_write_null(w);
    }
    json_write_key_int64(w, "multiply_adds", (int64_t)layer->multiply_adds);
    json_write_end_object(w);
}

void model_summary_write_json(const struct model_summary *s, struct json_writer *w) {
    json_write_key(w, "input");
    json_write_begin_object(w);
    json_write_key_int64(w, "images", s->num_images);
    json_write_key_int64(w, "height", s->height);
    json_write_key_int64(w, "width", s->width);
    json_write_end_object(w);
    json_write_key_int64(w, "proposals", s->proposals);
    json_write_key_int64(w, "detections", s->detections);
    json_write_key_int64(w, "parameters", s->total_parameters);
    json_write_key_int64(w, "frozen_norm_values", s->total_frozen_norm);
    json_write_key_int64(w, "multiply_adds", (int64_t)s->total_multiply_adds);
    json_write_key(w, "memory");
    json_write_begin_object(w);
    json_write_key_int64(w, "parameter_bytes", s->parameter_bytes);
    json_write_key_int64(w, "step_bytes", s->step_bytes);
    json_write_end_object(w);
    json_write_key(w, "modules");
    json_write_begin_array(w);
    for (int i = 0; i < NUM_MODEL_PARTS; i++) {
        json_write_begin_object(w);
        json_write_key_text(w, "name", model_part_name((enum model_part)i));
        json_write_key_int64(w, "parameters", s->parameters[i]);
        json_write_key_int64(w, "multiply_adds", (int64_t)s->multiply_adds[i]);
        json_write_end_object(w);
    }
    json_write_end_array(w);
    json_write_key(w, "layers");
    json_write_begin_array(w);
    for (int64_t i = 0; i < s->num_layers; i++)
        write_json_layer(&s->layers[i], w);
    json_write_end_array(w);
}

// gctmask make-shapes: draws a labelled set of pictures.
#include <stdlib.h>

#include "base/workers.h"
#include "data/shapes.h"
#include "data/shapes_set.h"
#include "tools/command.h"

struct make_shapes_options {
    int64_t num_train;
    int64_t num_val;
    int64_t seed;
    const char *size;
    int64_t min_size;
    int64_t max_size;
    bool plain;
    int64_t jpeg_quality;
    const char *results;
    double quality;
};

static const struct option OPTIONS[] = {
    {.name = "images",
     OPTION_FIELD(struct make_shapes_options, num_train),
     OPTION_BETWEEN(0, SHAPES_MAX_IMAGES),
     .default_text = "100",
     .group = "The set",
     .metavar = "N",
     .help = "pictures for training"},
    {.name = "val-images",
     OPTION_FIELD(struct make_shapes_options, num_val),
     OPTION_BETWEEN(0, SHAPES_MAX_IMAGES),
     .default_text = "20",
     .metavar = "N",
     .help = "pictures for validation"},
    {.name = "seed",
     OPTION_FIELD(struct make_shapes_options, seed),
     OPTION_AT_LEAST(0),
     .default_text = "1",
     .help = "another seed gives another set, the same seed the same bytes"},
    {.name = "size",
     OPTION_FIELD(struct make_shapes_options, size),
     .default_text = "320x240",
     .group = "The pictures",
     .metavar = "WxH",
     .help = "width and height of every picture, in pixels"},
    {.name = "min-size",
     OPTION_FIELD(struct make_shapes_options, min_size),
     OPTION_BETWEEN(0, SCENE_MAX_SIDE),
     .default_text = "0",
     .metavar = "SIDE",
     .help = "with --max-size: draw each side at random, at least this"},
    {.name = "max-size",
     OPTION_FIELD(struct make_shapes_options, max_size),
     OPTION_BETWEEN(0, SCENE_MAX_SIDE),
     .default_text = "0",
     .metavar = "SIDE",
     .help = "with --min-size: draw each side at random, at most this"},
    {.name = "plain",
     OPTION_FIELD(struct make_shapes_options, plain),
     .help = "few objects of one colour that do not overlap: a model learns them in minutes"},
    {.name = "jpeg-quality",
     OPTION_FIELD(struct make_shapes_options, jpeg_quality),
     OPTION_BETWEEN(1, 100),
     .default_text = "92",
     .help = "of the picture files"},
    {.name = "results",
     OPTION_FIELD(struct make_shapes_options, results),
     .group = "Example results",
     .metavar = "FILE",
     .help = "also write what a detector might find in the validation pictures, or in the training "
             "pictures if there are no others"},
    {.name = "quality",
     OPTION_FIELD(struct make_shapes_options, quality),
     OPTION_BETWEEN(0, 1),
     .default_text = "0.8",
     .metavar = "Q",
     .help = "how good these results are: 0 is poor, 1 is the truth"},
    {0},
};

static const struct example EXAMPLES[] = {
    {"gctmask make-shapes shapes --images 500 --val-images 100",
     "a small set to train and evaluate on"},
    {"gctmask make-shapes shapes --images 0 --val-images 50 --results results.json",
     "pictures with example results, for gctmask eval"},
    {0},
};

static bool parse_side(const char **text, int32_t *side) {
    char *end = NULL;
    if (**text < '0' || **text > '9') return false;
    long value = strtol(*text, &end, 10);
    *text = end;
    if (value < SCENE_MIN_SIDE || value > SCENE_MAX_SIDE) return false;
    *side = (int32_t)value;
    return true;
}

static enum status parse_size(struct shapes_set_options *set, const char *size, struct error *err) {
    const char *at = size;
    bool good = parse_side(&at, &set->width) && *at++ == 'x' && parse_side(&at, &set->height) &&
                *at == '\0';
    if (good) return STATUS_OK;
    return error_set(err, STATUS_USAGE,
                     "--size: expected WIDTHxHEIGHT, each %d to %d, found \"%.32s\"",
                     SCENE_MIN_SIDE, SCENE_MAX_SIDE, size);
}

static enum status set_sizes(struct shapes_set_options *set,
                             const struct make_shapes_options *options, struct error *err) {
    if (options->min_size == 0 && options->max_size == 0)
        return parse_size(set, options->size, err);
    if (options->min_size < SCENE_MIN_SIDE || options->max_size < options->min_size)
        return error_set(err, STATUS_USAGE,
                         "--min-size and --max-size go together: at least %d, and the first not "
                         "above the second",
                         SCENE_MIN_SIDE);
    set->min_side = (int32_t)options->min_size;
    set->max_side = (int32_t)options->max_size;
    return STATUS_OK;
}

static enum status run_make_shapes(struct invocation *invocation, struct error *err) {
    const struct make_shapes_options *options = invocation->options;
    const char *folder = invocation->operands[0];
    struct shapes_set_options set = {
        .seed = (uint64_t)options->seed,
        .num_train = options->num_train,
        .num_val = options->num_val,
        .style = options->plain ? SHAPES_PLAIN : SHAPES_RICH,
        .jpeg_quality = (int)options->jpeg_quality,
        .results_path = options->results,
        .results_quality = options->quality,
    };
    if (set.num_train + set.num_val == 0)
        return error_set(err, STATUS_USAGE, "--images and --val-images are both 0");
    TRY(set_sizes(&set, options, err));
    TRY(workers_create(&set.workers, (int)invocation->common.threads, err));
    struct shapes_set_counts counts;
    enum status status = shapes_write_set(folder, &set, &counts, err);
    workers_destroy(set.workers);
    TRY(status);
    log_message(&invocation->log, LOG_INFO, "%s: %lld images, %lld annotations%s", folder,
                (long long)counts.num_images, (long long)counts.num_annotations,
                options->results ? ", and results" : "");
    return STATUS_OK;
}

const struct command make_shapes_command = {
    .name = "make-shapes",
    .summary = "draw a labelled set of pictures, for tests and first trainings",
    .description =
        "Draws pictures of simple shapes that overlap on coloured backdrops, with exact masks in "
        "COCO's format: DIR/images/, DIR/annotations/instances_train.json and instances_val.json. "
        "There are objects of several parts, objects with holes, crowds, and pictures without any "
        "object; masks come as polygons and as run lengths of both kinds.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct make_shapes_options),
    .operands = "DIR",
    .min_operands = 1,
    .max_operands = 1,
    .examples = EXAMPLES,
    .run = run_make_shapes,
};

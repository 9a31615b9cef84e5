#include "tools/train_options.h"

#include <stdlib.h>
#include <string.h>

#include "tools/device.h"

static const char *const INIT_CLASSES[] = {"same", "by-position", "fresh", NULL};
static const char *const INIT_PARTS[] = {"all", "backbone", NULL};

#define FIELD(member) OPTION_FIELD(struct train_options, member)

const struct option TRAIN_OPTIONS[] = {
    {.name = "config",
     FIELD(config),
     .metavar = "FILE",
     .required = true,
     .help = "the model and how it is trained: a configuration or a model file"},
    {.name = "set",
     FIELD(overrides),
     .metavar = "NAME=VALUE,...",
     .help = "options of the configuration to change"},
    {.name = "out",
     FIELD(out),
     .metavar = "RUN",
     .required = true,
     .help = "the folder of the run: checkpoints, metrics, log"},
    {.name = "resume",
     FIELD(resume),
     .help = "go on from the newest checkpoint of the run that is valid"},
    {.name = "dry-run", FIELD(dry_run), .help = "check everything, print the plan and stop"},

    {.name = "ann",
     FIELD(annotations),
     .metavar = "FILE",
     .required = true,
     .group = "Data",
     .help = "annotations to learn from, in COCO's format"},
    {.name = "image-dir",
     FIELD(image_folder),
     .metavar = "DIR",
     .required = true,
     .help = "folder of their images"},
    {.name = "val-ann",
     FIELD(val_annotations),
     .metavar = "FILE",
     .help = "annotations to evaluate on; none: no evaluation"},
    {.name = "val-image-dir",
     FIELD(val_image_folder),
     .metavar = "DIR",
     .help = "folder of their images; by default --image-dir"},
    {.name = "loader-threads",
     FIELD(loader_threads),
     OPTION_BETWEEN(0, 1024),
     .default_text = "2",
     .help = "threads that make images ready ahead of need; 0: none"},

    {.name = "init",
     FIELD(init),
     .metavar = "FILE",
     .group = "Training",
     .help = "model file to start from; layers for another number of classes start afresh"},
    {.name = "init-classes",
     FIELD(init_classes),
     .choices = INIT_CLASSES,
     .default_text = "same",
     .help = "for as many classes: they must have the same names, or are taken by-position, or "
             "their layers start fresh"},
    {.name = "init-parts",
     FIELD(init_parts),
     .choices = INIT_PARTS,
     .default_text = "all",
     .help = "what to take from that file: all, or the backbone alone"},
    {.name = "batch",
     FIELD(batch),
     OPTION_BETWEEN(0, 1 << 16),
     .help =
         "images of a step; learning rate and steps are scaled in proportion; 0: as configured"},
    {.name = "seed",
     FIELD(seed),
     OPTION_AT_LEAST(0),
     .default_text = "1",
     .help = "of fresh weights, of the images' order, of everything random"},
    {.name = "procs",
     FIELD(procs),
     OPTION_BETWEEN(1, 1024),
     .default_text = "1",
     .help = "processes on this machine that share each batch; mpirun and srun work too"},
    DEVICE_ROW(struct train_options),
    TUNE_ROW(struct train_options),
    {.name = "precision",
     FIELD(precision),
     .choices = NN_PRECISION_NAMES,
     .default_text = "float32",
     .help = "what is multiplied: with --device cuda, tf32 is several times as fast; bfloat16 (or "
             "bf16) and float16 (or fp16) are faster still, with half the memory for activations"},
    {.name = "patience",
     FIELD(patience),
     OPTION_AT_LEAST(0),
     .help = "end after so many evaluations without a better score; 0: never"},
    {.name = "max-hours",
     FIELD(max_hours),
     OPTION_AT_LEAST(0),
     .help = "end after this time with a checkpoint to resume from; 0: no limit"},
    {.name = "on-nan",
     FIELD(on_nan),
     .metavar = "stop|skip:N",
     .default_text = "stop",
     .help = "what to do about a step whose losses or gradients are not finite: end, or leave it "
             "out, at most N in a row"},

    {.name = "log-every",
     FIELD(log_every),
     OPTION_AT_LEAST(1),
     .default_text = "20",
     .group = "Records",
     .help = "steps from one line of metrics to the next"},
    {.name = "eval-every",
     FIELD(eval_every),
     OPTION_AT_LEAST(0),
     .default_text = "5000",
     .help = "steps from one evaluation to the next; 0: only at the end"},
    {.name = "save-every",
     FIELD(save_every),
     OPTION_AT_LEAST(0),
     .default_text = "1000",
     .help = "steps from one checkpoint to the next; 0: only at the end"},
    {.name = "keep",
     FIELD(keep),
     OPTION_AT_LEAST(1),
     .default_text = "3",
     .help = "newest checkpoints that are kept, beside the best one"},
    {.name = "keep-every",
     FIELD(keep_every),
     OPTION_AT_LEAST(0),
     .help = "checkpoints of multiples of so many steps stay for ever; 0: none"},
    {0},
};

enum status train_options_max_drops(const struct train_options *options, int64_t *max_drops,
                                    struct error *err) {
    enum { MOST = 1000000 };
    const char *text = options->on_nan;
    char *end = NULL;
    *max_drops = 0;
    if (strcmp(text, "stop") == 0) return STATUS_OK;
    if (strncmp(text, "skip:", 5) == 0 && text[5] >= '0' && text[5] <= '9')
        *max_drops = strtoll(text + 5, &end, 10);
    if (end && *end == '\0' && *max_drops >= 1 && *max_drops <= MOST) return STATUS_OK;
    return error_set(err, STATUS_USAGE,
                     "--on-nan: expected stop or skip:N with N from 1 to %d, found \"%s\"", MOST,
                     text);
}

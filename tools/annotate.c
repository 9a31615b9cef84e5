// gctmask annotate: detects in pictures and writes annotations and overlays.
#include <string.h>

#include "tools/annotate_run.h"
#include "tools/device.h"
#include "train/launch.h"

static const char *const EXIF_NAMES[] = {"apply", "ignore", NULL};
static const char *const PROGRESS_STYLES[] = {"auto", "json", "none", NULL};

static const struct option OPTIONS[] = {
    {.name = "weights",
     OPTION_FIELD(struct annotate_options, weights),
     .group = "Inputs",
     .metavar = "FILE",
     .help = "the model file; or --server"},
    {.name = "set",
     OPTION_FIELD(struct annotate_options, overrides),
     .metavar = "NAME=VALUE,...",
     .help = "options of the model to change"},
    {.name = "precision",
     OPTION_FIELD(struct annotate_options, precision),
     .choices = NN_PRECISION_NAMES,
     .default_text = "float32",
     .help = "what the network multiplies; bfloat16 (or bf16) is faster, and needs a processor "
             "with avx512_bf16 or amx_bf16, or --device cuda; so are, with --device cuda only, "
             "float16 (or fp16) and tf32"},
    DEVICE_ROW(struct annotate_options),
    TUNE_ROW(struct annotate_options),
    {.name = "recursive",
     OPTION_FIELD(struct annotate_options, recursive),
     .help = "take the pictures of folders in folders too"},
    {.name = "ext",
     OPTION_FIELD(struct annotate_options, extensions),
     .default_text = "jpg,jpeg,png",
     .help = "extensions of the files that are taken from folders"},
    {.name = "exif",
     OPTION_FIELD(struct annotate_options, exif),
     .choices = EXIF_NAMES,
     .default_text = "apply",
     .help = "whether pictures are turned upright first, as EXIF says, or taken as they lie"},

    {.name = "server",
     OPTION_FIELD(struct annotate_options, remote.server),
     .group = "A service in place of a model file",
     .metavar = "URL",
     .help = "have a running gctmask serve detect: http://HOST:8080, https://HOST; results are "
             "the same to the byte"},
    {.name = "token-file",
     OPTION_FIELD(struct annotate_options, remote.token_file),
     .metavar = "FILE",
     .help = "a file that holds the token for the service; without it, $GCTMASK_TOKEN is taken"},
    {.name = "tls-ca",
     OPTION_FIELD(struct annotate_options, remote.ca_file),
     .metavar = "FILE",
     .help = "certificates to trust in place of the system's, PEM"},
    {.name = "jobs",
     OPTION_FIELD(struct annotate_options, remote.jobs),
     OPTION_BETWEEN(1, REMOTE_MOST_JOBS),
     .default_text = "8",
     .help = "pictures that the service has at the same time, from each process"},
    {.name = "server-timeout",
     OPTION_FIELD(struct annotate_options, remote.seconds),
     OPTION_BETWEEN(1, 3000),
     .default_text = "120",
     .metavar = "SECONDS",
     .help = "time for a picture, in which a service that is busy or away is asked again; then the "
             "picture has failed, or, if the service is away, the run ends"},

    {.name = "score",
     OPTION_FIELD(struct annotate_options, filter.scores),
     .default_text = "0.5",
     .group = "Detections",
     .metavar = "SCORE",
     .help = "keep those with a score above this; with CLASS=SCORE, too, other scores for some "
             "classes: 0.5,person=0.7"},
    {.name = "classes",
     OPTION_FIELD(struct annotate_options, filter.classes),
     .help = "keep these only: names or category ids"},
    {.name = "min-area",
     OPTION_FIELD(struct annotate_options, filter.min_area),
     OPTION_AT_LEAST(0),
     .default_text = "0",
     .metavar = "PIXELS",
     .help = "keep those whose masks have so many pixels"},
    {.name = "max-dets",
     OPTION_FIELD(struct annotate_options, filter.max_detections),
     OPTION_BETWEEN(0, 100000),
     .default_text = "0",
     .help = "keep at most so many of a picture, the best ones; 0 is the model's own number"},
    {.name = "tile",
     OPTION_FIELD(struct annotate_options, tiling.side),
     OPTION_BETWEEN(0, 20000),
     .default_text = "0",
     .metavar = "PIXELS",
     .help = "look at larger pictures in tiles of this side, and put objects together that several "
             "tiles see; 0 looks at pictures whole"},
    {.name = "overlap",
     OPTION_FIELD(struct annotate_options, tiling.overlap),
     OPTION_BETWEEN(0.01, 0.9),
     .default_text = "0.2",
     .metavar = "SHARE",
     .help = "share of a tile that the next one sees, too"},

    ANNOTATE_OUTPUT_ROWS(struct annotate_options, "format", "coco,coco-results"),

    {.name = "resume",
     OPTION_FIELD(struct annotate_options, resume),
     .group = "The run",
     .help = "do only what is new, has changed or failed since the last run to this folder, and "
             "remove the files of pictures that are gone"},
    {.name = "verify",
     OPTION_FIELD(struct annotate_options, verify),
     .help = "with --resume: compare the pictures' content, not only their size and time"},
    {.name = "force",
     OPTION_FIELD(struct annotate_options, force),
     .help = "start anew where a run was ended before its time"},
    {.name = "dry-run",
     OPTION_FIELD(struct annotate_options, dry_run),
     .help = "print what would be done and, from three pictures, how long it would take"},
    {.name = "max-failures",
     OPTION_FIELD(struct annotate_options, max_failures),
     OPTION_BETWEEN(-1, 1e15),
     .default_text = "-1",
     .metavar = "N",
     .help = "stop when more pictures than this have failed, in any of the processes; -1 never "
             "stops"},
    {.name = "procs",
     OPTION_FIELD(struct annotate_options, procs),
     OPTION_BETWEEN(1, 1024),
     .default_text = "1",
     .metavar = "N",
     .help = "processes that share the pictures; mpirun and srun do the same"},
    {.name = "progress",
     OPTION_FIELD(struct annotate_options, progress),
     .choices = PROGRESS_STYLES,
     .default_text = "auto",
     .help = "a line for people on standard error, JSON events on standard output, or neither"},
    {0},
};

static const struct example EXAMPLES[] = {
    {"gctmask annotate street.jpg --weights gct.safetensors --out found --overlay jpg",
     "look at what a model sees in a picture"},
    {"gctmask annotate photos --recursive --weights gct.safetensors --out found --format "
     "coco,labelme --classes person,dog --score 0.7,dog=0.4",
     "annotate a tree of folders with two classes, for correction by hand"},
    {"gctmask annotate 'photos/**/*.jpg' --weights gct.safetensors --out found --html --resume",
     "go on where a run was interrupted, and look at the result in a browser"},
    {"gctmask annotate photos --server http://gpu:8080 --out found --format coco",
     "have a running service detect"},
    {"find photos -name '*.png' -print0 | gctmask annotate - --weights gct.safetensors --out found",
     "take the pictures from another program"},
    {0},
};

// Processes of one run share no standard input, and only one of them would print an estimate.
static enum status check_processes(const struct invocation *invocation, bool several,
                                   struct error *err) {
    const struct annotate_options *options = invocation->options;
    for (int i = 0; i < invocation->num_operands && several; i++)
        if (strcmp(invocation->operands[i], "-") == 0)
            return error_set(err, STATUS_USAGE,
                             "several processes cannot share standard input: write the list to a "
                             "file and name it as @FILE");
    if (several && options->dry_run)
        return error_set(err, STATUS_USAGE, "--dry-run is for one process");
    return STATUS_OK;
}

static enum status refuse_given(const struct invocation *invocation, const char *const *names,
                                const char *why, struct error *err) {
    const struct options *values = &invocation->values;
    for (; *names; names++)
        if (options_origin(values, options_find(values, *names)).source != OPTION_FROM_DEFAULT)
            return error_set(err, STATUS_USAGE, "--%s %s", *names, why);
    return STATUS_OK;
}

// A model file or a service, and nothing that is meant for the other.
static enum status check_model(const struct invocation *invocation, struct error *err) {
    static const char *const LOCAL[] = {"weights", "set",  "precision", "device",
                                        "tune",    "tile", NULL};
    static const char *const REMOTE[] = {"token-file", "tls-ca", "jobs", "server-timeout", NULL};
    const struct annotate_options *options = invocation->options;
    if (!options->remote.server && !options->weights)
        return error_set(err, STATUS_USAGE, "--weights is missing, or --server");
    if (!options->remote.server) return refuse_given(invocation, REMOTE, "needs --server", err);
    if (options->filter.max_detections > REMOTE_MOST_DETECTIONS)
        return error_set(err, STATUS_USAGE, "--max-dets: a service gives at most %d of a picture",
                         REMOTE_MOST_DETECTIONS);
    return refuse_given(invocation, LOCAL, "is for a model file, and --server is given", err);
}

static enum status leave(struct annotate_run *run, enum status status, struct error *err) {
    if (status != STATUS_OK && run->communicator) communicator_fail(run->communicator, err);
    annotate_run_close(run);
    enum status closed = communicator_close(run->communicator, status == STATUS_OK ? err : NULL);
    return status != STATUS_OK ? status : closed;
}

static enum status run_annotate(struct invocation *invocation, struct error *err) {
    struct annotate_options *options = invocation->options;
    bool launched = communicator_is_launched();
    TRY(device_check(options->device, err));
    TRY(check_model(invocation, err));
    TRY(check_processes(invocation, launched || options->procs > 1, err));
    if (options->procs > 1 && !launched) {
        int code = 0;
        TRY(launch((int)options->procs, invocation->argv, &code, err));
        invocation->outcome = (enum exit_code)code;
        return STATUS_OK;
    }
    struct annotate_run run = {.invocation = invocation, .options = options, .lock = -1};
    return leave(&run, annotate_run(&run, err), err);
}

const struct command annotate_command = {
    .name = "annotate",
    .summary = "detect in pictures and write annotations and overlays",
    .description =
        "Runs a model over JPEG and PNG files: files, folders, quoted patterns with ** for any "
        "folders, @FILE for a list, - for a list on standard input. What it finds is written in "
        "any of the formats at once, masks without loss where the format can hold them; where it "
        "cannot, what comes back is measured object by object (roundtrip.jsonl). The tree of the "
        "pictures is mirrored in the outputs; two pictures that would share a file are refused "
        "before work starts. Pictures are turned upright as EXIF says; the record of one that was "
        "turned has its exif_orientation. One that cannot be used is recorded in failures.jsonl "
        "with a code and skipped; the exit code is then 2. Each picture is recorded in "
        "manifest.jsonl as soon as it is done: --resume does what is left, after a crash, too, "
        "and ends in the same bytes as a run that was never ended. Ctrl-C finishes the picture at "
        "hand and saves; twice, it stops.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct annotate_options),
    .operands = "INPUT...",
    .min_operands = 1,
    .max_operands = -1,
    .examples = EXAMPLES,
    .run = run_annotate,
};

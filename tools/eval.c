// gctmask eval: scores a results file, or a model, against annotations.
#include <string.h>

#include "eval/html.h"
#include "eval/summary.h"
#include "tools/command.h"
#include "tools/device.h"
#include "tools/eval_detect.h"
#include "tools/eval_options.h"
#include "tools/interrupt.h"
#include "train/launch.h"

static const char *const IOU_KINDS[] = {"box", "mask", NULL};

static const struct option OPTIONS[] = {
    {.name = "ann",
     OPTION_FIELD(struct eval_options, annotations),
     .group = "Inputs",
     .metavar = "FILE",
     .required = true,
     .help = "annotations in COCO's instances format"},
    {.name = "results",
     OPTION_FIELD(struct eval_options, results),
     .metavar = "FILE",
     .help = "detections in COCO's results format"},
    {.name = "weights",
     OPTION_FIELD(struct eval_options, weights),
     .metavar = "FILE",
     .help = "instead of results: a model file, to be run over the images first"},
    {.name = "image-dir",
     OPTION_FIELD(struct eval_options, image_folder),
     .metavar = "DIR",
     .help = "where the image files are: needed for --weights, and for the pictures of --html"},
    {.name = "classes",
     OPTION_FIELD(struct eval_options, classes),
     .help = "score these only: names or category ids"},
    {.name = "images",
     OPTION_FIELD(struct eval_options, images),
     .help = "score (and with --weights, look at) these only: image ids, or @FILE with one id on "
             "each line"},
    {.name = "set",
     OPTION_FIELD(struct eval_options, overrides),
     .metavar = "NAME=VALUE,...",
     .help = "options of the model to change, such as box.score"},
    {.name = "precision",
     OPTION_FIELD(struct eval_options, precision),
     .choices = NN_PRECISION_NAMES,
     .default_text = "float32",
     .help = "what the network multiplies; bfloat16 (or bf16) is faster, and needs a processor "
             "with avx512_bf16 or amx_bf16, or --device cuda; so are, with --device cuda only, "
             "float16 (or fp16) and tf32"},
    DEVICE_ROW(struct eval_options),
    TUNE_ROW(struct eval_options),
    {.name = "save-results",
     OPTION_FIELD(struct eval_options, save_results),
     .metavar = "FILE",
     .help = "keep the model's detections, in COCO's results format"},
    {.name = "procs",
     OPTION_FIELD(struct eval_options, procs),
     OPTION_BETWEEN(1, 1024),
     .default_text = "1",
     .help = "processes on this machine that share the model's images; mpirun and srun work too"},

    {.name = "iou",
     OPTION_FIELD(struct eval_options, iou_kinds),
     .group = "Metric",
     .choices = IOU_KINDS,
     .default_text = "box,mask",
     .help = "what to compare"},
    {.name = "iou-thresholds",
     OPTION_FIELD(struct eval_options, iou_thresholds),
     OPTION_BETWEEN(0, 1),
     .default_text = "0.5:0.95:0.05",
     .help = "numbers, or LOW:HIGH:STEP with both ends"},
    {.name = "max-dets",
     OPTION_FIELD(struct eval_options, max_dets),
     OPTION_BETWEEN(1, 1000000),
     .default_text = "1,10,100",
     .help = "detections that count in each image, for the recalls; the last also for precision"},
    {.name = "areas",
     OPTION_FIELD(struct eval_options, areas),
     .default_text = "all=0:1e10,small=0:1024,medium=1024:9216,large=9216:1e10",
     .help = "object sizes to report, as NAME=LOW:HIGH in square pixels"},
    {.name = "boundary",
     OPTION_FIELD(struct eval_options, boundary),
     .help = "also score masks by their boundaries"},
    {.name = "dilation-ratio",
     OPTION_FIELD(struct eval_options, dilation_ratio),
     OPTION_BETWEEN(0, 1),
     .default_text = "0.02",
     .help = "width of a boundary as a share of the image's diagonal"},

    {.name = "classwise",
     OPTION_FIELD(struct eval_options, classwise),
     .group = "Reports",
     .help = "add a table with a row for each class"},
    {.name = "json", OPTION_FIELD(struct eval_options, json), .help = "print the report as JSON"},
    {.name = "breakdown",
     OPTION_FIELD(struct eval_options, breakdown),
     .help = "add what each kind of error costs, confusions, calibration and likely label errors"},
    {.name = "compare",
     OPTION_FIELD(struct eval_options, compare),
     .metavar = "FILE",
     .help = "show the difference to other results of the same images, with its uncertainty"},
    {.name = "html",
     OPTION_FIELD(struct eval_options, html),
     .metavar = "DIR",
     .help = "write a report with curves and the worst images to this folder"},
    {.name = "worst",
     OPTION_FIELD(struct eval_options, worst),
     OPTION_BETWEEN(0, 10000),
     .default_text = "20",
     .help = "images with the most errors to list in the report"},
    {0},
};

static const struct example EXAMPLES[] = {
    {"gctmask eval --ann instances_val2017.json --results results.json",
     "the twelve numbers of COCO for boxes and for masks"},
    {"gctmask eval --ann instances_val2017.json --weights gct.safetensors --image-dir val2017 "
     "--save-results results.json",
     "the same for a model, whose detections are kept"},
    {"gctmask eval --ann instances_val2017.json --weights gct.safetensors --image-dir val2017 "
     "--procs 2",
     "the same numbers by two processes that share the images; mpirun and srun work too"},
    {"gctmask eval --ann val.json --results results.json --iou mask --classes person,car "
     "--classwise",
     "masks only, two classes, with a table of the classes"},
    {"gctmask eval --ann val.json --results new.json --compare old.json",
     "whether the new results are better than the old ones, or only luckier"},
    {"gctmask eval --ann val.json --results results.json --html report --image-dir val2017",
     "a page with curves, errors and the worst images"},
    {0},
};

// So long annotations may take to be read from a slow disk, and scores to be computed, before the
// other processes think that this one is stuck.
static const double PREPARE_SECONDS = 1800;
static const double SCORE_SECONDS = 3600;

// ---- Scores ----

// Everything is computed before anything is printed, so that an error leaves no half report.
struct evaluation {
    const struct invocation *invocation;
    struct communicator *communicator;
    const struct eval_options *options;
    struct workers *workers;
    struct coco_set truth;
    struct coco_set results;
    struct coco_set other; // of --compare
    int64_t num_kinds;
    enum iou_kind kinds[MAX_IOU_KINDS];
    struct metric metrics[MAX_IOU_KINDS];
    struct report reports[MAX_IOU_KINDS];         // with --breakdown or --html
    struct comparison comparisons[MAX_IOU_KINDS]; // with --compare
};

static bool wants_report(const struct eval_options *options) {
    return options->breakdown || options->html;
}

static enum status load_results(struct coco_set *results, const char *path, bool need_masks,
                                struct workers *workers, struct error *err) {
    struct coco_load_options load = {.skip_segments = !need_masks, .workers = workers};
    TRY(coco_load_results(results, path, &load, err));
    bool boxes_missing = results->num_annotations > 0 && !results->annotations[0].has_box;
    if (need_masks || !boxes_missing) return STATUS_OK;
    // Boxes then come from the masks, which were left out.
    coco_destroy(results);
    load.skip_segments = false;
    return coco_load_results(results, path, &load, err);
}

// Judges nothing at all against the annotations: what is wrong with them is found before a model
// runs for hours.
static enum status check_truth(const struct evaluation *evaluation, struct error *err) {
    const struct coco_set nothing = {.path = "no results"};
    for (int64_t i = 0; i < evaluation->num_kinds; i++) {
        struct metric_settings settings;
        struct metric metric;
        TRY(eval_settings(&settings, evaluation->kinds[i], evaluation->options, &evaluation->truth,
                          evaluation->invocation->arena, err));
        TRY(metric_compute(&metric, &evaluation->truth, &nothing, &settings, evaluation->workers,
                           err));
        metric_destroy(&metric);
    }
    return STATUS_OK;
}

// The model's detections.
static enum status detect(struct evaluation *evaluation, struct error *err) {
    TRY(check_truth(evaluation, err));
    return eval_detect(&evaluation->results, evaluation->options, &evaluation->truth,
                       evaluation->communicator, evaluation->invocation, err);
}

static enum status load(struct evaluation *evaluation, struct error *err) {
    const struct eval_options *options = evaluation->options;
    bool boxes_only = evaluation->kinds[evaluation->num_kinds - 1] == IOU_BOX;
    bool need_masks = !boxes_only || wants_report(options);
    TRY(workers_create(&evaluation->workers, (int)evaluation->invocation->common.threads, err));
    struct coco_load_options load = {.skip_segments = !need_masks, .workers = evaluation->workers};
    TRY(coco_load_annotations(&evaluation->truth, options->annotations, &load, err));
    if (options->compare)
        TRY(load_results(&evaluation->other, options->compare, need_masks, evaluation->workers,
                         err));
    if (options->weights) return detect(evaluation, err);
    return load_results(&evaluation->results, options->results, need_masks, evaluation->workers,
                        err);
}

static enum status compute_kind(struct evaluation *evaluation, int64_t i, struct error *err) {
    struct metric_settings settings;
    struct report *report = &evaluation->reports[i];
    const struct report_options report_options = report_default_options();
    TRY(eval_settings(&settings, evaluation->kinds[i], evaluation->options, &evaluation->truth,
                      evaluation->invocation->arena, err));
    TRY(metric_compute(&evaluation->metrics[i], &evaluation->truth, &evaluation->results, &settings,
                       evaluation->workers, err));
    if (wants_report(evaluation->options))
        TRY(report_compute(report, &evaluation->metrics[i], &report_options, evaluation->workers,
                           err));
    if (!evaluation->options->compare) return STATUS_OK;
    report->comparison = &evaluation->comparisons[i];
    return comparison_compute(&evaluation->comparisons[i], &evaluation->truth, &evaluation->results,
                              &evaluation->other, &settings, COMPARISON_RESAMPLES, COMPARISON_SEED,
                              evaluation->workers, err);
}

static void evaluation_destroy(struct evaluation *evaluation) {
    for (int64_t i = 0; i < evaluation->num_kinds; i++) {
        comparison_destroy(&evaluation->comparisons[i]);
        report_destroy(&evaluation->reports[i]);
        metric_destroy(&evaluation->metrics[i]);
    }
    coco_destroy(&evaluation->other);
    coco_destroy(&evaluation->results);
    coco_destroy(&evaluation->truth);
    workers_destroy(evaluation->workers);
}

// ---- Output ----

static void warn_about_max_dets(const struct invocation *invocation,
                                const struct metric_settings *settings) {
    for (int64_t m = 0; m < METRIC_NUM_MAX_DETS; m++)
        if (settings->max_dets[m] == 100) return;
    if (!invocation->common.quiet)
        log_message(
            &invocation->log, LOG_WARNING,
            "AP is -1, because COCO defines it at 100 results for each image and --max-dets "
            "leaves 100 out; AP50, AP75, APs, APm and APl are at %lld",
            (long long)settings->max_dets[METRIC_NUM_MAX_DETS - 1]);
}

static void write_text(const struct evaluation *evaluation, struct output *out) {
    const struct eval_options *options = evaluation->options;
    for (int64_t i = 0; i < evaluation->num_kinds; i++) {
        summary_print(&evaluation->metrics[i], out);
        if (options->classwise) summary_print_classes(&evaluation->metrics[i], out);
        if (options->breakdown) report_print(&evaluation->reports[i], out);
        if (options->compare)
            comparison_print(&evaluation->comparisons[i], options->classwise, out);
    }
}

// Names in the tables come from files and must not command a terminal.
static enum status print_text(const struct evaluation *evaluation, struct output *out,
                              struct error *err) {
    struct output text;
    output_open_memory(&text);
    write_text(evaluation, &text);
    enum status status = output_finish(&text, err);
    for (const char *line = text.data; status == STATUS_OK && *line;) {
        const char *end = strchrnul(line, '\n');
        output_printable(out, line, end - line);
        output_text(out, "\n");
        line = end + (*end == '\n');
    }
    output_discard(&text);
    return status;
}

static void print_json(const struct evaluation *evaluation, struct output *out) {
    const struct eval_options *options = evaluation->options;
    struct json_writer w;
    json_writer_init(&w, out, 2);
    json_write_begin_object(&w);
    for (int64_t i = 0; i < evaluation->num_kinds; i++) {
        json_write_key(&w, iou_kind_name(evaluation->kinds[i]));
        json_write_begin_object(&w);
        summary_write_json(&evaluation->metrics[i], &w);
        if (options->breakdown) {
            report_write_json(&evaluation->reports[i], &w);
        } else if (options->compare) {
            json_write_key(&w, "compare");
            comparison_write_json(&evaluation->comparisons[i], &w);
        }
        json_write_end_object(&w);
    }
    json_write_end_object(&w);
    output_text(out, "\n");
}

static enum status score(struct evaluation *evaluation, struct error *err) {
    const struct eval_options *options = evaluation->options;
    for (int64_t i = 0; i < evaluation->num_kinds; i++)
        TRY(compute_kind(evaluation, i, err));
    if (options->html) {
        const struct html_options html = {options->image_folder, options->worst};
        TRY(html_write(options->html, evaluation->reports, evaluation->num_kinds, &html, err));
    }
    warn_about_max_dets(evaluation->invocation, &evaluation->metrics[0].settings);
    if (!options->json) return print_text(evaluation, evaluation->invocation->out, err);
    print_json(evaluation, evaluation->invocation->out);
    return STATUS_OK;
}

// The first process scores, for all.
static enum status evaluate(struct evaluation *evaluation, struct error *err) {
    const struct communicator_options options = {.log = &evaluation->invocation->log};
    if (evaluation->options->weights) interrupt_catch_with_requests();
    TRY(communicator_open(&evaluation->communicator, &options, err));
    bool leads = communicator_rank(evaluation->communicator) == 0;
    communicator_allow(evaluation->communicator, PREPARE_SECONDS);
    if (leads || evaluation->options->weights) TRY(load(evaluation, err));
    if (!leads) return STATUS_OK;
    communicator_allow(evaluation->communicator, SCORE_SECONDS);
    return score(evaluation, err);
}

static enum status check_inputs(const struct eval_options *options, struct error *err) {
    if (!options->results && !options->weights)
        return error_set(err, STATUS_USAGE, "--results FILE or --weights FILE is required");
    if (options->results && options->weights)
        return error_set(err, STATUS_USAGE, "--results and --weights exclude each other");
    if (options->weights && !options->image_folder)
        return error_set(err, STATUS_USAGE,
                         "--weights needs --image-dir DIR, where the images are");
    if (options->results && (options->save_results || options->overrides.count > 0))
        return error_set(err, STATUS_USAGE, "%s is for --weights",
                         options->save_results ? "--save-results" : "--set");
    if (options->results && options->precision != NN_FLOAT32)
        return error_set(err, STATUS_USAGE, "--precision is for --weights");
    if (options->results && strcmp(options->device, "cpu") != 0)
        return error_set(err, STATUS_USAGE, "--device is for --weights");
    if (options->results && options->tune)
        return error_set(err, STATUS_USAGE, "--tune is for --weights");
    if (options->results && options->procs > 1)
        return error_set(err, STATUS_USAGE, "--procs is for --weights");
    return device_check(options->device, err);
}

// An interruption is known to all processes, and told by the first one.
static enum status leave(struct evaluation *evaluation, enum status status, struct error *err) {
    struct communicator *communicator = evaluation->communicator;
    bool leads = !communicator || communicator_rank(communicator) == 0;
    bool cancelled = status == STATUS_CANCELLED;
    if (status != STATUS_OK && !cancelled && communicator) communicator_fail(communicator, err);
    enum status closed = communicator_close(communicator, status == STATUS_OK ? err : NULL);
    evaluation_destroy(evaluation);
    if (cancelled && !leads) return STATUS_OK;
    return status != STATUS_OK ? status : closed;
}

static enum status run_eval(struct invocation *invocation, struct error *err) {
    const struct eval_options *options = invocation->options;
    TRY(check_inputs(options, err));
    if (options->procs > 1 && !communicator_is_launched()) {
        int code = 0;
        TRY(launch((int)options->procs, invocation->argv, &code, err));
        invocation->outcome = (enum exit_code)code;
        return STATUS_OK;
    }
    struct evaluation evaluation = {.invocation = invocation, .options = options};
    evaluation.num_kinds = eval_iou_kinds(evaluation.options, evaluation.kinds);
    return leave(&evaluation, evaluate(&evaluation, err), err);
}

const struct command eval_command = {
    .name = "eval",
    .summary = "score detections against annotations",
    .description =
        "Reads annotations and detections in COCO's formats and prints average "
        "precision and average recall for boxes and masks, as pycocotools computes them. "
        "Any program's results can be scored; or a model is run over the images first, on each "
        "at the size that its configuration says. Several processes share the images and print the "
        "same numbers as one.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct eval_options),
    .examples = EXAMPLES,
    .run = run_eval,
};

// gctmask eval: scores a results file against annotations.
#include "eval/summary.h"
#include "tools/command.h"
#include "tools/eval_options.h"

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
     .required = true,
     .help = "detections in COCO's results format"},
    {.name = "classes",
     OPTION_FIELD(struct eval_options, classes),
     .help = "score these only: names or category ids"},
    {.name = "images",
     OPTION_FIELD(struct eval_options, images),
     .help = "score these only: image ids, or @FILE with one id on each line"},

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
    {.name = "image-dir",
     OPTION_FIELD(struct eval_options, image_folder),
     .metavar = "DIR",
     .help = "where the images are, for the pictures of --html"},
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
    {"gctmask eval --ann val.json --results results.json --iou mask --classes person,car "
     "--classwise",
     "masks only, two classes, with a table of the classes"},
    {"gctmask eval --ann val.json --results new.json --compare old.json",
     "whether the new results are better than the old ones, or only luckier"},
    {"gctmask eval --ann val.json --results results.json --html report --image-dir val2017",
     "a page with curves, errors and the worst images"},
    {0},
};

// ---- Inputs ----

struct inputs {
    struct workers *workers;
    struct coco_set truth;
    struct coco_set results;
};

static enum status load_inputs(struct inputs *inputs, const struct invocation *invocation,
                               bool need_masks, struct error *err) {
    const struct eval_options *options = invocation->options;
    TRY(workers_create(&inputs->workers, (int)invocation->common.threads, err));
    struct coco_load_options load = {.skip_segments = !need_masks, .workers = inputs->workers};
    TRY(coco_load_annotations(&inputs->truth, options->annotations, &load, err));
    TRY(coco_load_results(&inputs->results, options->results, &load, err));
    bool boxes_missing =
        inputs->results.num_annotations > 0 && !inputs->results.annotations[0].has_box;
    if (need_masks || !boxes_missing) return STATUS_OK;
    // Boxes then come from the masks, which were left out.
    coco_destroy(&inputs->results);
    load.skip_segments = false;
    return coco_load_results(&inputs->results, options->results, &load, err);
}

static void destroy_inputs(struct inputs *inputs) {
    coco_destroy(&inputs->results);
    coco_destroy(&inputs->truth);
    workers_destroy(inputs->workers);
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

static void print_metric(const struct metric *metric, const struct eval_options *options,
                         struct json_writer *json, struct output *out) {
    if (options->json) {
        json_write_key(json, iou_kind_name(metric->settings.iou));
        summary_write_json(metric, json);
        return;
    }
    summary_print(metric, out);
    if (options->classwise) summary_print_classes(metric, out);
}

static enum status score(struct inputs *inputs, const struct invocation *invocation,
                         struct error *err) {
    const struct eval_options *options = invocation->options;
    enum iou_kind kinds[MAX_IOU_KINDS];
    int64_t num_kinds = eval_iou_kinds(options, kinds);
    TRY(load_inputs(inputs, invocation,
                    kinds[num_kinds - 1] != IOU_BOX || options->html || options->breakdown, err));
    struct json_writer json;
    json_writer_init(&json, invocation->out, 2);
    if (options->json) json_write_begin_object(&json);
    for (int64_t i = 0; i < num_kinds; i++) {
        struct metric_settings settings;
        struct metric metric;
        TRY(eval_settings(&settings, kinds[i], options, &inputs->truth, invocation->arena, err));
        TRY(metric_compute(&metric, &inputs->truth, &inputs->results, &settings, inputs->workers,
                           err));
        if (i == 0) warn_about_max_dets(invocation, &settings);
        print_metric(&metric, options, &json, invocation->out);
        metric_destroy(&metric);
    }
    if (options->json) {
        json_write_end_object(&json);
        output_text(invocation->out, "\n");
    }
    return STATUS_OK;
}

static enum status run_eval(struct invocation *invocation, struct error *err) {
    struct inputs inputs = {0};
    enum status status = score(&inputs, invocation, err);
    destroy_inputs(&inputs);
    return status;
}

const struct command eval_command = {
    .name = "eval",
    .summary = "score detections against annotations",
    .description =
        "Reads annotations and detections in COCO's formats and prints average "
        "precision and average recall for boxes and masks, as pycocotools computes them. "
        "No model is needed: any program's results can be scored.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct eval_options),
    .examples = EXAMPLES,
    .run = run_eval,
};

// Times detection of one photo, end to end and by phase, with weights that follow from a formula
// (tests/detector/formula.h), so that other programs can have the same ones. The network's phases
// are compared with the rate of a large matrix product: their floating-point operations are those
// of direct convolutions, so that Winograd's may get over 100 %.
//
//     detect PHOTO [--gct] [--direct] [--threads N] [--rounds N] [--size SHORTxLONG] [--json]
//            [--precision float32|bfloat16]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/peak.h"
#include "detector/detect.h"
#include "detector/model_file.h"
#include "detector/preprocess.h"
#include "detector/summary.h"
#include "nn/onednn.h"
#include "tests/detector/formula.h"

enum { NUM_CLASSES = 90, MAX_ROUNDS = 200, NUM_BEST = 3 };

enum phase {
    PHASE_PREPROCESS,
    PHASE_BODY,
    PHASE_FPN,
    PHASE_RPN,
    PHASE_PROPOSALS,
    PHASE_BOX_POOL,
    PHASE_BOX_HEAD, // with the choice of detections
    PHASE_MASKS,
    PHASE_TOTAL, // detect_images, which does all of these and pastes
    NUM_PHASES,
};

static const char *const NAMES[] = {"preprocess", "body",     "fpn",   "rpn head", "proposals",
                                    "box pool",   "box head", "masks", "total"};

struct bench {
    bool gct, direct, json;
    enum nn_precision precision;
    int num_threads, num_rounds, short_side, long_side;
    const char *photo;
    struct model_config config;
    struct mask_rcnn model;
    struct model_file file;
    struct nn *nn;
    struct image image;
    struct arena arena;
    double times[NUM_PHASES][MAX_ROUNDS];
    struct model_summary summary; // of the photo's size
    double peak_flops;            // of one second
    double first;                 // seconds of the first detection
    double rss_mib;
    float best[NUM_BEST]; // scores
    int64_t num_proposals, num_detections;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static enum status save_formula(const struct bench *b, const struct options *options,
                                const char *path, struct error *err) {
    struct mask_rcnn model;
    struct arena arena;
    arena_init(&arena, 1 << 20, 0);
    enum status status = mask_rcnn_build(&model, &b->config, &arena, false, err);
    if (status == STATUS_OK) formula_fill(&model.parameters, "");
    if (status == STATUS_OK) status = model_file_save(&model, options, path, err);
    arena_destroy(&arena);
    return status;
}

static enum status load(struct bench *b, const char *path, struct error *err) {
    struct parameters *parameters = &b->model.parameters;
    TRY(mask_rcnn_describe(&b->model, &b->config, &b->arena, err));
    TRY(model_file_open(&b->file, path, true, &b->arena, err));
    TRY(model_file_match(&b->file, parameters, err));
    model_file_map(&b->file, parameters);
    TRY(parameters_allocate(parameters, false, err));
    return model_file_fill(&b->file, parameters, err);
}

// The model comes from a file, as everybody's does, since that is where its weights can stay.
static enum status make_model(struct bench *b, const struct options *options, struct error *err) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/bench-detect-%ld.safetensors", (long)getpid());
    TRY(save_formula(b, options, path, err));
    enum status status = load(b, path, err);
    unlink(path);
    return status;
}

static enum status configure(struct bench *b, struct error *err) {
    static const char *names[NUM_CLASSES];
    struct options options;
    TRY(options_init(&options, MODEL_OPTIONS, &b->config, &b->arena, err));
    for (int i = 0; i < NUM_CLASSES; i++)
        names[i] = "class";
    b->config.conventions = CONVENTIONS_TORCHVISION;
    b->config.classes.names = (struct option_texts){names, NUM_CLASSES};
    b->config.input.short_side = b->short_side;
    b->config.input.long_side = b->long_side;
    b->config.backbone.attention = b->gct ? ATTENTION_GCT : ATTENTION_NONE;
    TRY(model_config_check(&b->config, err));
    return make_model(b, &options, err);
}

// One detection in its parts; the time of each goes to column round.
static enum status run_phases(struct bench *b, int round, struct error *err) {
    struct nn *nn = b->nn;
    struct extent extent = preprocess_extent(&b->model, b->image.width, b->image.height);
    struct extent padded = preprocess_padded(&extent, 1);
    struct tensor *stages[RESNET_STAGES];
    struct features features = {.height = padded.height, .width = padded.width};
    struct rpn_maps maps;
    struct box_list proposals;
    struct box_list found;
    double start = now();
#define END_PHASE(which)                                                                           \
    do {                                                                                           \
        double end = now();                                                                        \
        b->times[which][round] = end - start;                                                      \
        start = end;                                                                               \
    } while (0)

    nn_begin(nn, NN_INFERENCE);
    struct tensor *x = nn_tensor(nn, 1, padded.height, padded.width, 3);
    TRY(nn_status(nn, err));
    TRY(preprocess_image(&b->model, &b->image, extent, padded, x->data, &b->arena, err));
    END_PHASE(PHASE_PREPROCESS);
    resnet_forward(nn, &b->model.resnet, x, stages);
    END_PHASE(PHASE_BODY);
    fpn_forward(nn, &b->model.fpn, stages, features.levels);
    for (int i = 0; i < RESNET_STAGES; i++)
        nn_release(nn, stages[i]);
    END_PHASE(PHASE_FPN);
    rpn_forward(nn, &b->model.rpn, features.levels, &maps);
    END_PHASE(PHASE_RPN);
    box_list_create(nn, &proposals, rpn_limits_of(nn, &b->model.rpn).post_nms);
    rpn_propose(nn, &b->model.rpn, &maps, features.height, features.width, &extent, &proposals);
    END_PHASE(PHASE_PROPOSALS);
    struct tensor *pooled = roi_pool(nn, &b->model.rules->roi_pooling, b->config.box.resolution,
                                     features.levels, &proposals);
    END_PHASE(PHASE_BOX_POOL);
    nn_release(nn, pooled);
    mask_rcnn_boxes(nn, &b->model, &features, &proposals, &extent, &found);
    // The pooling was done twice: what it took is taken off again.
    END_PHASE(PHASE_BOX_HEAD);
    b->times[PHASE_BOX_HEAD][round] -= b->times[PHASE_BOX_POOL][round];
    mask_rcnn_masks(nn, &b->model, &features, &found);
    END_PHASE(PHASE_MASKS);
#undef END_PHASE
    b->num_proposals = proposals.count;
    b->num_detections = found.count;
    return nn_status(nn, err);
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return values[count / 2];
}

static void keep_best(struct bench *b, const struct detection_list *list) {
    for (int i = 0; i < NUM_BEST && i < list->count; i++)
        b->best[i] = list->items[i].score;
}

static enum status measure(struct bench *b, struct error *err) {
    double start = now();
    for (int i = -1; i < b->num_rounds; i++) {
        struct detection_list list;
        struct arena_mark mark = arena_mark(&b->arena);
        double begin = now();
        TRY(detect_images(b->nn, &b->model, &b->image, 1, &b->arena, &list, err));
        if (i < 0) b->first = now() - start;
        if (i >= 0) b->times[PHASE_TOTAL][i] = now() - begin;
        keep_best(b, &list);
        arena_release(&b->arena, mark);
    }
    for (int i = 0; i < b->num_rounds; i++)
        TRY(run_phases(b, i, err));
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    b->rss_mib = (double)usage.ru_maxrss / 1024;
    return measure_matrix_product(b->nn, 10, &b->peak_flops, err);
}

// ---- Reports ----

// Multiply-adds of a phase, as the plan device counts them for as many proposals and detections as
// a photo may have; 0 where there are few, or fewer were found.
static double multiply_adds(const struct bench *b, enum phase phase) {
    const struct model_summary *s = &b->summary;
    if (b->num_proposals != s->proposals || b->num_detections != s->detections) return 0;
    switch (phase) {
    case PHASE_BODY:
        return s->multiply_adds[PART_STEM] + s->multiply_adds[PART_C2] + s->multiply_adds[PART_C3] +
               s->multiply_adds[PART_C4] + s->multiply_adds[PART_C5];
    case PHASE_FPN:
        return s->multiply_adds[PART_FPN];
    case PHASE_RPN:
        return s->multiply_adds[PART_RPN];
    case PHASE_BOX_HEAD:
        return s->multiply_adds[PART_BOX_HEAD];
    case PHASE_MASKS:
        return s->multiply_adds[PART_MASK_HEAD];
    case PHASE_TOTAL:
        return s->total_multiply_adds;
    case PHASE_PREPROCESS:
    case PHASE_PROPOSALS:
    case PHASE_BOX_POOL:
    case NUM_PHASES:
        break;
    }
    return 0;
}

static void report_json(struct bench *b) {
    double *totals = b->times[PHASE_TOTAL];
    double total = median(totals, b->num_rounds); // which sorts them
    printf("{\"engine\":\"gctmask%s%s%s\",\"ms\":%.2f,\"min_ms\":%.2f,\"first_ms\":%.1f,"
           "\"rss_mib\":%.0f,\"proposals\":%lld,\"detections\":%lld,",
           b->gct ? "+gct" : "", b->direct ? " direct" : "", b->precision == NN_BF16 ? " bf16" : "",
           1e3 * total, 1e3 * totals[0], 1e3 * b->first, b->rss_mib, (long long)b->num_proposals,
           (long long)b->num_detections);
    printf("\"best\":[%.5f,%.5f,%.5f],\"peak_gflops\":%.1f,\"phases\":[", (double)b->best[0],
           (double)b->best[1], (double)b->best[2], 1e-9 * b->peak_flops);
    for (int i = 0; i < NUM_PHASES; i++)
        printf("%s{\"name\":\"%s\",\"ms\":%.2f,\"gflop\":%.3f}", i ? "," : "", NAMES[i],
               1e3 * median(b->times[i], b->num_rounds), 2e-9 * multiply_adds(b, (enum phase)i));
    printf("]}\n");
}

static void report_text(struct bench *b) {
    printf("oneDNN %s, %d threads, %d x %d: %lld proposals, %lld detections, first %.0f ms, "
           "peak %.0f MiB; matrix product %.0f GFLOP/s\n",
           onednn_version().text, b->nn->num_threads, b->image.width, b->image.height,
           (long long)b->num_proposals, (long long)b->num_detections, 1e3 * b->first, b->rss_mib,
           1e-9 * b->peak_flops);
    for (int i = 0; i < NUM_PHASES; i++) {
        double time = median(b->times[i], b->num_rounds);
        double flops = 2 * multiply_adds(b, (enum phase)i);
        printf("%-12s %9.2f ms", NAMES[i], 1e3 * time);
        if (flops > 0)
            printf("  %7.1f GFLOP  %6.0f GFLOP/s  %4.0f %%", 1e-9 * flops, 1e-9 * flops / time,
                   100 * flops / time / b->peak_flops);
        printf("\n");
    }
}

static enum status run(struct bench *b, struct error *err) {
    struct image_limits limits = image_limits_default();
    const struct nn_options options = {
        .num_threads = b->num_threads, .direct_convolution = b->direct, .precision = b->precision};
    TRY(image_load(&b->image, NULL, b->photo, &limits, true, &b->arena, err));
    TRY(configure(b, err));
    struct extent extent = preprocess_extent(&b->model, b->image.width, b->image.height);
    TRY(model_summarise(&b->summary, &b->model, 1, preprocess_padded(&extent, 1), &b->arena, err));
    TRY(nn_create(&b->nn, &options, err));
    TRY(measure(b, err));
    if (b->json)
        report_json(b);
    else
        report_text(b);
    return STATUS_OK;
}

static bool parse(struct bench *b, int argc, char **argv) {
    *b = (struct bench){.num_rounds = 7, .short_side = 800, .long_side = 1333};
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--gct") == 0)
            b->gct = true;
        else if (strcmp(argv[i], "--direct") == 0)
            b->direct = true;
        else if (strcmp(argv[i], "--json") == 0)
            b->json = true;
        else if (strcmp(argv[i], "--threads") == 0)
            b->num_threads = atoi(argv[++i]);
        else if (strcmp(argv[i], "--rounds") == 0)
            b->num_rounds = atoi(argv[++i]);
        else if ((strcmp(argv[i], "--size") == 0 &&
                  sscanf(next, "%dx%d", &b->short_side, &b->long_side) == 2) ||
                 (strcmp(argv[i], "--precision") == 0 && nn_precision_named(next, &b->precision)))
            i++;
        else if (argv[i][0] != '-')
            b->photo = argv[i];
        else
            return false;
    }
    return b->photo && b->num_rounds >= 1 && b->num_rounds <= MAX_ROUNDS;
}

int main(int argc, char **argv) {
    static struct bench bench;
    struct error err;
    if (!parse(&bench, argc, argv)) {
        fprintf(stderr, "usage: detect PHOTO [--gct] [--direct] [--threads N] [--rounds N] "
                        "[--size SHORTxLONG] [--json] [--precision float32|bfloat16]\n");
        return 64;
    }
    arena_init(&bench.arena, 1 << 20, 0);
    enum status status = run(&bench, &err);
    if (status != STATUS_OK) fprintf(stderr, "detect: %s\n", err.message);
    nn_destroy(bench.nn);
    model_file_close(&bench.file);
    arena_destroy(&bench.arena);
    return status != STATUS_OK;
}

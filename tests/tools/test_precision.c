// What bfloat16 does to a trained model's detections: next to nothing, in figures. The model is the
// demo's, trained here for a while on pictures as they are drawn for it.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/coco.h"
#include "tests/harness.h"
#include "tests/program.h"

#define TRUTH "--ann $SCRATCH/set/annotations/instances_val.json "
#define EVAL                                                                                       \
    "gctmask eval " TRUTH "--image-dir $SCRATCH/set/images --weights $SCRATCH/m.safetensors "

// As far as box AP 0.25 and mask AP 0.28.
static void train(void) {
    if (run_program("gctmask doctor --json | grep -q '\"bf16\": true'") != 0)
        skip_case("this processor has no instructions for bf16");
    if (run_program("test -e $SCRATCH/m.safetensors") == 0) return;
    EXPECT_INT(run_program(
                   "gctmask make-shapes $SCRATCH/set --plain --images 200 --val-images 40 --seed 1 "
                   "--quiet "
                   "&& gctmask train --config " TESTS_DIR "/../configs/demo.json --quiet "
                   "--ann $SCRATCH/set/annotations/instances_train.json "
                   "--image-dir $SCRATCH/set/images --out $SCRATCH/run --set schedule.drops=250,"
                   "schedule.iterations=300,solver.learning_rate=0.01 && "
                   "cp $SCRATCH/run/checkpoints/step-*300/model.safetensors "
                   "$SCRATCH/m.safetensors"),
               0);
}

// ---- The same detections ----

// Beside each other: a detection in float32, and what bfloat16 makes of it.
struct nearness {
    double pixels; // the largest difference of a side's place
    double score;
    double mask_iou;
};

static double largest_shift(const struct coco_box *a, const struct coco_box *b) {
    double near = fmax(fabs(a->x - b->x), fabs(a->y - b->y));
    double far =
        fmax(fabs(a->x + a->width - b->x - b->width), fabs(a->y + a->height - b->y - b->height));
    return fmax(near, far);
}

static double mask_iou(const struct coco_annotation *a, const struct coco_annotation *b) {
    struct arena arena;
    struct error err;
    struct rle masks[2];
    arena_init(&arena, 1 << 16, 0);
    const struct coco_segment *segments[] = {&a->segment, &b->segment};
    for (int i = 0; i < 2; i++)
        EXPECT_OK(coco_segment_to_rle(&masks[i], segments[i], segments[i]->height,
                                      segments[i]->width, &arena, &err),
                  &err);
    double iou = rle_iou_of_areas(rle_intersection_area(&masks[0], &masks[1]), rle_area(&masks[0]),
                                  rle_area(&masks[1]), false);
    arena_destroy(&arena);
    return iou;
}

// Whether a detection of the same class lies within limits.
static bool is_found(const struct coco_annotation *expected, const struct coco_set *got,
                     const struct nearness *limits) {
    for (int64_t i = 0; i < got->num_annotations; i++) {
        const struct coco_annotation *g = &got->annotations[i];
        if (g->image_id == expected->image_id && g->category_id == expected->category_id &&
            largest_shift(&g->box, &expected->box) <= limits->pixels &&
            fabs(g->score - expected->score) <= limits->score &&
            mask_iou(g, expected) >= limits->mask_iou)
            return true;
    }
    return false;
}

// The share of the detections of at least that score that are found within limits.
static double share_found(const struct coco_set *expected, const struct coco_set *got, double score,
                          const struct nearness *limits) {
    int64_t total = 0;
    int64_t found = 0;
    for (int64_t i = 0; i < expected->num_annotations; i++) {
        if (expected->annotations[i].score < score) continue;
        total++;
        found += is_found(&expected->annotations[i], got, limits);
    }
    EXPECT(total >= 30);
    return (double)found / (double)total;
}

static void load(struct coco_set *results, const char *name) {
    char path[512];
    struct error err;
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    EXPECT_OK(coco_load_results(results, path, &(struct coco_load_options){0}, &err), &err);
}

static void same_detections(void) {
    train();
    struct coco_set exact;
    struct coco_set rounded;
    EXPECT_INT(run_program(EVAL "--save-results $SCRATCH/exact.json --quiet && " EVAL
                                "--save-results $SCRATCH/rounded.json --precision bfloat16 "
                                "--quiet && ! cmp -s $SCRATCH/exact.json $SCRATCH/rounded.json"),
               0);
    load(&exact, "exact.json");
    load(&rounded, "rounded.json");
    // Beside them, rounding decides now and then which of two boxes round one thing suppresses the
    // other.
    static const struct nearness limits = {.pixels = 1, .score = 0.02, .mask_iou = 0.95};
    EXPECT(share_found(&exact, &rounded, 0.3, &limits) >= 0.95);
    EXPECT(share_found(&rounded, &exact, 0.3, &limits) >= 0.95);
    EXPECT(share_found(&exact, &rounded, 0.05, &limits) >= 0.95);
    coco_destroy(&exact);
    coco_destroy(&rounded);
}

// ---- The same scores ----

// AP of boxes, then of masks.
static void read_scores(const char *line, double ap[2]) {
    static const char *const kinds[] = {"\"box\": {", "\"mask\": {"};
    EXPECT_INT(run_program(line), 0);
    for (int i = 0; i < 2; i++) {
        const char *at = strstr(program_output, kinds[i]);
        at = at ? strstr(at, "\"AP\": ") : NULL;
        REQUIRE(at);
        ap[i] = strtod(at + strlen("\"AP\": "), NULL);
    }
}

static void same_scores(void) {
    train();
    double exact[2];
    double rounded[2];
    read_scores(EVAL "--json --quiet | head -c 30000", exact);
    read_scores(EVAL "--json --quiet --precision bfloat16 | head -c 30000", rounded);
    for (int i = 0; i < 2; i++) {
        EXPECT(exact[i] > 0.1);
        EXPECT_NEAR(rounded[i], exact[i], 0.01);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"same detections", same_detections},
                         {"same scores", same_scores},
                         {0},
                     });
}

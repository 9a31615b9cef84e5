#include "eval/breakdown.h"

#include "eval/ranking.h"

// ---- What each result and object is ----

struct judge {
    const struct scenes *scenes;
    const struct scene *scene;
    const struct scene_truth *truths;   // of the scene
    const struct scene_result *results; // of the scene
    struct judged_truth *judged_truths;
    struct judged_result *judged_results;
};

// Which objects a search considers.
enum relation { ANY_CLASS, SAME_CLASS, OTHER_CLASS, SAME_CLASS_FREE, SAME_CLASS_FOUND };

static bool is_related(const struct judge *judge, const struct scene_result *result, int32_t truth,
                       enum relation relation) {
    if (judge->truths[truth].annotation->is_crowd) return false;
    bool same = judge->truths[truth].class_index == result->class_index;
    bool found = judge->judged_truths[truth].is_found;
    switch (relation) {
    case ANY_CLASS:
        return true;
    case SAME_CLASS:
        return same;
    case OTHER_CLASS:
        return !same;
    case SAME_CLASS_FREE:
        return same && !found;
    case SAME_CLASS_FOUND:
        return same && found;
    }
    return false;
}

// The related object of highest IoU, the first of equals; NULL if none reaches SCENE_MIN_IOU.
static const struct scene_overlap *
best_overlap(const struct judge *judge, const struct scene_result *result, enum relation relation) {
    const struct scene_overlap *best = NULL;
    for (int64_t i = 0; i < result->num_overlaps; i++) {
        const struct scene_overlap *overlap = &result->overlaps[i];
        if (!is_related(judge, result, overlap->truth, relation)) continue;
        if (!best || overlap->iou > best->iou) best = overlap;
    }
    return best;
}

static bool lies_on_crowd(const struct judge *judge, const struct scene_result *result) {
    for (int64_t i = 0; i < result->num_overlaps; i++) {
        const struct scene_truth *truth = &judge->truths[result->overlaps[i].truth];
        if (truth->annotation->is_crowd && truth->class_index == result->class_index &&
            result->overlaps[i].iou > TIDE_FOREGROUND)
            return true;
    }
    return false;
}

static void match_results(struct judge *judge) {
    for (int64_t r = 0; r < judge->scene->num_results; r++) {
        struct judged_result *judged = &judge->judged_results[r];
        *judged = (struct judged_result){.judgement = JUDGED_BACKGROUND, .truth = -1};
        const struct scene_overlap *overlap =
            best_overlap(judge, &judge->results[r], SAME_CLASS_FREE);
        if (!overlap || overlap->iou < TIDE_FOREGROUND) {
            judged->is_ignored = lies_on_crowd(judge, &judge->results[r]);
            continue;
        }
        *judged = (struct judged_result){JUDGED_CORRECT, false, overlap->truth, overlap->iou};
        judge->judged_truths[overlap->truth].is_found = true;
        judge->judged_truths[overlap->truth].result = (int32_t)r;
    }
}

static void set_error(struct judged_result *judged, enum judgement kind,
                      const struct scene_overlap *overlap) {
    judged->judgement = kind;
    if (!overlap) return;
    judged->truth = overlap->truth;
    judged->iou = overlap->iou;
}

static void explain_error(struct judge *judge, int64_t r) {
    const struct scene_result *result = &judge->results[r];
    struct judged_result *judged = &judge->judged_results[r];
    const struct scene_overlap *overlap = best_overlap(judge, result, SAME_CLASS);
    if (overlap && overlap->iou >= TIDE_BACKGROUND && overlap->iou <= TIDE_FOREGROUND) {
        set_error(judged, JUDGED_LOCALISATION, overlap);
        return;
    }
    overlap = best_overlap(judge, result, OTHER_CLASS);
    if (overlap && overlap->iou >= TIDE_FOREGROUND) {
        set_error(judged, JUDGED_CLASS, overlap);
        return;
    }
    overlap = best_overlap(judge, result, SAME_CLASS_FOUND);
    if (overlap && overlap->iou >= TIDE_FOREGROUND) {
        set_error(judged, JUDGED_DUPLICATE, overlap);
        return;
    }
    overlap = best_overlap(judge, result, ANY_CLASS);
    bool is_background = !overlap || overlap->iou <= TIDE_BACKGROUND;
    set_error(judged, is_background ? JUDGED_BACKGROUND : JUDGED_BOTH,
              is_background ? NULL : overlap);
}

// Results come by falling score, so the first error on an object is the best.
static void judge_scene(struct judge *judge) {
    for (int64_t t = 0; t < judge->scene->num_truths; t++)
        judge->judged_truths[t] = (struct judged_truth){false, false, -1, -1};
    match_results(judge);
    for (int64_t r = 0; r < judge->scene->num_results; r++) {
        struct judged_result *judged = &judge->judged_results[r];
        if (judged->judgement == JUDGED_CORRECT) continue;
        explain_error(judge, r);
        if (judged->judgement != JUDGED_CLASS && judged->judgement != JUDGED_LOCALISATION) continue;
        struct judged_truth *truth = &judge->judged_truths[judged->truth];
        if (!truth->is_found && truth->best_error < 0) truth->best_error = (int32_t)r;
    }
    for (int64_t t = 0; t < judge->scene->num_truths; t++) {
        struct judged_truth *truth = &judge->judged_truths[t];
        truth->is_missed =
            !judge->truths[t].annotation->is_crowd && !truth->is_found && truth->best_error < 0;
    }
}

static void judge_scenes(struct breakdown *breakdown, const struct scenes *scenes) {
    for (int64_t s = 0; s < scenes->num_scenes; s++) {
        const struct scene *scene = &scenes->scenes[s];
        struct judge judge = {scenes,
                              scene,
                              scenes->truths + scene->truth_begin,
                              scenes->results + scene->result_begin,
                              breakdown->truths + scene->truth_begin,
                              breakdown->results + scene->result_begin};
        judge_scene(&judge);
    }
    for (int64_t r = 0; r < scenes->num_results; r++) {
        const struct judged_result *judged = &breakdown->results[r];
        if (judged->judgement == JUDGED_CORRECT) breakdown->num_correct++;
        // parity: ignored results count among the errors, though they cost nothing.
        else
            breakdown->errors[judged->judgement].count++;
        breakdown->num_ignored += judged->is_ignored;
    }
    for (int64_t t = 0; t < scenes->num_truths; t++) {
        breakdown->num_objects += !scenes->truths[t].annotation->is_crowd;
        breakdown->errors[JUDGED_MISSED].count += breakdown->truths[t].is_missed;
    }
}

// ---- Average precision with some errors repaired ----

// A result as precision and recall see it.
struct point {
    int64_t class_index;
    double score;
    bool is_correct;
};

struct points {
    struct point *points; // [scenes->num_results]
    int64_t count;
    int64_t *num_objects; // [num_classes]
    double *scores;       // scratch of the same size as points
    int64_t *begins;      // [num_classes + 2]
    int32_t *order;
    int32_t *merged;
    double *precision;
};

enum repair {
    REPAIR_NOTHING = -1,
    // The kinds of errors, then:
    REPAIR_FALSE_POSITIVES = NUM_ERROR_KINDS,
    REPAIR_FALSE_NEGATIVES,
};

static void add_point(struct points *points, int64_t class_index, double score, bool is_correct) {
    points->points[points->count++] = (struct point){class_index, score, is_correct};
}

// Adds a result that is no true positive as the repair leaves it.
static void add_error(struct points *points, const struct breakdown *breakdown,
                      const struct scenes *scenes, const struct scene *scene, int64_t r,
                      int repair) {
    const struct scene_result *result = &scenes->results[scene->result_begin + r];
    const struct judged_result *judged = &breakdown->results[scene->result_begin + r];
    double score = result->annotation->score;
    if ((int)judged->judgement != repair) {
        if (judged->is_ignored) return;
        if (repair == REPAIR_FALSE_POSITIVES) score = 0;
        add_point(points, result->class_index, score, false);
        return;
    }
    if (repair != JUDGED_CLASS && repair != JUDGED_LOCALISATION) return;
    int64_t truth = scene->truth_begin + judged->truth;
    if (breakdown->truths[truth].best_error == r)
        add_point(points, scenes->truths[truth].class_index, score, true);
}

// parity: once anything is repaired, errors stand before true positives of the same score.
static void fill_points(struct points *points, const struct breakdown *breakdown,
                        const struct scenes *scenes, int repair) {
    points->count = 0;
    for (int errors = 1; errors >= 0; errors--) {
        for (int64_t s = 0; s < scenes->num_scenes; s++) {
            const struct scene *scene = &scenes->scenes[s];
            for (int64_t r = 0; r < scene->num_results; r++) {
                int64_t position = scene->result_begin + r;
                const struct scene_result *result = &scenes->results[position];
                bool is_correct = breakdown->results[position].judgement == JUDGED_CORRECT;
                double score = repair == REPAIR_FALSE_POSITIVES ? 1 : result->annotation->score;
                if (is_correct && (repair == REPAIR_NOTHING || !errors))
                    add_point(points, result->class_index, score, true);
                if (!is_correct && errors) add_error(points, breakdown, scenes, scene, r, repair);
            }
        }
        if (repair == REPAIR_NOTHING) break; // both went in together
    }
    for (int64_t k = 0; k < scenes->num_classes; k++)
        points->num_objects[k] = 0;
    for (int64_t t = 0; t < scenes->num_truths; t++) {
        if (scenes->truths[t].annotation->is_crowd) continue;
        const struct judged_truth *judged = &breakdown->truths[t];
        bool is_gone = (repair == JUDGED_MISSED && judged->is_missed) ||
                       (repair == REPAIR_FALSE_NEGATIVES && !judged->is_found);
        points->num_objects[scenes->truths[t].class_index] += !is_gone;
    }
}

// The points by class, then falling score.
static void sort_points(struct points *points, int64_t num_classes) {
    for (int64_t k = 0; k < num_classes + 2; k++)
        points->begins[k] = 0;
    for (int64_t i = 0; i < points->count; i++)
        points->begins[points->points[i].class_index + 2]++;
    for (int64_t k = 0; k < num_classes; k++)
        points->begins[k + 2] += points->begins[k + 1];
    for (int64_t i = 0; i < points->count; i++) {
        points->scores[i] = points->points[i].score;
        points->order[points->begins[points->points[i].class_index + 1]++] = (int32_t)i;
    }
    for (int64_t k = 0; k < num_classes; k++)
        rank_by_score(points->order + points->begins[k], points->begins[k + 1] - points->begins[k],
                      points->scores, points->merged);
}

static double class_precision(const struct points *points, int64_t class_index) {
    int64_t num_objects = points->num_objects[class_index];
    if (num_objects == 0) return 0;
    int64_t begin = points->begins[class_index];
    int64_t count = points->begins[class_index + 1] - begin;
    double *precision = points->precision;
    int64_t num_correct = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!points->points[points->order[begin + i]].is_correct) continue;
        num_correct++;
        precision[num_correct - 1] = (double)num_correct / (double)(i + 1);
    }
    for (int64_t i = num_correct - 1; i > 0; i--)
        if (precision[i] > precision[i - 1]) precision[i - 1] = precision[i];
    double sum = 0;
    int64_t position = 0;
    for (int64_t r = 0; r < METRIC_NUM_RECALLS; r++) {
        double recall = (double)r / (METRIC_NUM_RECALLS - 1);
        while (position < num_correct && (double)(position + 1) / (double)num_objects < recall)
            position++;
        sum += position < num_correct ? precision[position] : 0;
    }
    return sum / METRIC_NUM_RECALLS;
}

// -1 if there is nothing to judge.
static double mean_precision(struct points *points, const struct breakdown *breakdown,
                             const struct scenes *scenes, int repair) {
    fill_points(points, breakdown, scenes, repair);
    sort_points(points, scenes->num_classes);
    double sum = 0;
    int64_t num_classes = 0;
    for (int64_t k = 0; k < scenes->num_classes; k++) {
        bool is_empty = points->begins[k] == points->begins[k + 1] && points->num_objects[k] == 0;
        if (is_empty) continue;
        sum += class_precision(points, k);
        num_classes++;
    }
    return num_classes ? sum / (double)num_classes : -1;
}

static enum status points_init(struct points *points, const struct scenes *scenes,
                               struct arena *arena, struct error *err) {
    int64_t count = scenes->num_results;
    *points = (struct points){
        .points = arena_alloc(arena, count, sizeof *points->points),
        .num_objects = arena_alloc(arena, scenes->num_classes, sizeof *points->num_objects),
        .scores = arena_alloc(arena, count, sizeof *points->scores),
        .begins = arena_alloc(arena, scenes->num_classes + 2, sizeof *points->begins),
        .order = arena_alloc(arena, count, sizeof *points->order),
        .merged = arena_alloc(arena, count, sizeof *points->merged),
        .precision = arena_alloc(arena, count, sizeof *points->precision),
    };
    if (points->points && points->num_objects && points->scores && points->begins &&
        points->order && points->merged && points->precision)
        return STATUS_OK;
    return error_memory(err, "the breakdown of errors", count * 48);
}

// What AP gains by a repair. If it leaves neither objects nor results, nothing is wrong any more.
static double gain(struct points *points, const struct breakdown *breakdown,
                   const struct scenes *scenes, int repair) {
    double precision = mean_precision(points, breakdown, scenes, repair);
    return (precision < 0 ? 1 : precision) - breakdown->ap;
}

static enum status price_errors(struct breakdown *breakdown, const struct scenes *scenes,
                                struct error *err) {
    struct arena_mark mark = arena_mark(&breakdown->arena);
    struct points points;
    TRY(points_init(&points, scenes, &breakdown->arena, err));
    breakdown->ap = mean_precision(&points, breakdown, scenes, REPAIR_NOTHING);
    if (breakdown->ap >= 0) {
        for (int kind = 0; kind < NUM_ERROR_KINDS; kind++) {
            double delta = gain(&points, breakdown, scenes, kind);
            // A loss is an artefact of reading the curve at 101 points.
            breakdown->errors[kind].delta_ap = delta > 0 ? delta : 0;
        }
        breakdown->false_positive_delta = gain(&points, breakdown, scenes, REPAIR_FALSE_POSITIVES);
        breakdown->false_negative_delta = gain(&points, breakdown, scenes, REPAIR_FALSE_NEGATIVES);
    }
    arena_release(&breakdown->arena, mark);
    return STATUS_OK;
}

enum status breakdown_compute(struct breakdown *breakdown, const struct scenes *scenes,
                              struct error *err) {
    enum { BLOCK_BYTES = 1 << 16 };
    *breakdown = (struct breakdown){0};
    arena_init(&breakdown->arena, BLOCK_BYTES, 0);
    breakdown->results =
        arena_alloc(&breakdown->arena, scenes->num_results, sizeof *breakdown->results);
    breakdown->truths =
        arena_alloc(&breakdown->arena, scenes->num_truths, sizeof *breakdown->truths);
    enum status status = STATUS_OK;
    if (!breakdown->results || !breakdown->truths) {
        status = error_memory(err, "the breakdown of errors",
                              scenes->num_results * (int64_t)sizeof *breakdown->results);
    } else {
        judge_scenes(breakdown, scenes);
        status = price_errors(breakdown, scenes, err);
    }
    if (status != STATUS_OK) breakdown_destroy(breakdown);
    return status;
}

void breakdown_destroy(struct breakdown *breakdown) {
    arena_destroy(&breakdown->arena);
    *breakdown = (struct breakdown){0};
}

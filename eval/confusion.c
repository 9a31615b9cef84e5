#include "eval/confusion.h"

#include <stdlib.h>

#include "base/array.h"

// A result and an object that may become a pair.
struct candidate {
    double iou;
    int32_t result; // positions in the scene
    int32_t truth;
};

struct pairing {
    struct confusion *confusion;
    struct candidate *candidates;
    int64_t num_candidates;
    int64_t candidate_capacity;
    bool *truth_taken; // of the scene
    int64_t truth_capacity;
    bool *result_taken;
    int64_t result_capacity;
};

static int compare_candidates(const void *a, const void *b) {
    const struct candidate *x = a;
    const struct candidate *y = b;
    if (x->iou != y->iou) return x->iou < y->iou ? 1 : -1;
    if (x->result != y->result) return x->result < y->result ? -1 : 1;
    return (x->truth > y->truth) - (x->truth < y->truth);
}

static void count(struct confusion *confusion, int64_t object_class, int64_t result_class) {
    confusion->counts[object_class * (confusion->num_classes + 1) + result_class]++;
}

static bool scores_enough(const struct pairing *pairing, const struct scene_result *result) {
    return result->annotation->score >= pairing->confusion->min_score;
}

// Whether the result counts neither way, being on a crowd of its class.
static bool lies_on_crowd(const struct scene_result *result, const struct scene_truth *truths) {
    for (int64_t i = 0; i < result->num_overlaps; i++) {
        const struct scene_truth *truth = &truths[result->overlaps[i].truth];
        if (truth->annotation->is_crowd && truth->class_index == result->class_index &&
            result->overlaps[i].iou >= CONFUSION_IOU)
            return true;
    }
    return false;
}

static enum status find_candidates(struct pairing *pairing, const struct scene *scene,
                                   const struct scene_truth *truths,
                                   const struct scene_result *results, struct error *err) {
    pairing->num_candidates = 0;
    for (int64_t r = 0; r < scene->num_results; r++) {
        if (!scores_enough(pairing, &results[r])) continue;
        for (int64_t i = 0; i < results[r].num_overlaps; i++) {
            const struct scene_overlap *overlap = &results[r].overlaps[i];
            if (overlap->iou < CONFUSION_IOU || truths[overlap->truth].annotation->is_crowd)
                continue;
            TRY(array_reserve(&pairing->candidates, &pairing->candidate_capacity,
                              pairing->num_candidates + 1, sizeof *pairing->candidates, err));
            pairing->candidates[pairing->num_candidates++] =
                (struct candidate){overlap->iou, (int32_t)r, overlap->truth};
        }
    }
    if (pairing->num_candidates)
        qsort(pairing->candidates, (size_t)pairing->num_candidates, sizeof *pairing->candidates,
              compare_candidates);
    return STATUS_OK;
}

static void make_pairs(struct pairing *pairing, const struct scene_truth *truths,
                       const struct scene_result *results) {
    for (int64_t i = 0; i < pairing->num_candidates; i++) {
        const struct candidate *candidate = &pairing->candidates[i];
        if (pairing->truth_taken[candidate->truth] || pairing->result_taken[candidate->result])
            continue;
        pairing->truth_taken[candidate->truth] = true;
        pairing->result_taken[candidate->result] = true;
        count(pairing->confusion, truths[candidate->truth].class_index,
              results[candidate->result].class_index);
    }
}

static enum status pair_scene(struct pairing *pairing, const struct scenes *scenes,
                              const struct scene *scene, struct error *err) {
    const struct scene_truth *truths = scenes->truths + scene->truth_begin;
    const struct scene_result *results = scenes->results + scene->result_begin;
    struct confusion *confusion = pairing->confusion;
    TRY(array_reserve(&pairing->truth_taken, &pairing->truth_capacity, scene->num_truths,
                      sizeof(bool), err));
    TRY(array_reserve(&pairing->result_taken, &pairing->result_capacity, scene->num_results,
                      sizeof(bool), err));
    for (int64_t t = 0; t < scene->num_truths; t++)
        pairing->truth_taken[t] = false;
    for (int64_t r = 0; r < scene->num_results; r++)
        pairing->result_taken[r] = false;
    TRY(find_candidates(pairing, scene, truths, results, err));
    make_pairs(pairing, truths, results);
    for (int64_t t = 0; t < scene->num_truths; t++) {
        if (truths[t].annotation->is_crowd) continue;
        confusion->num_objects++;
        if (!pairing->truth_taken[t])
            count(confusion, truths[t].class_index, confusion->num_classes);
    }
    for (int64_t r = 0; r < scene->num_results; r++) {
        if (!scores_enough(pairing, &results[r])) continue;
        confusion->num_results++;
        if (!pairing->result_taken[r] && !lies_on_crowd(&results[r], truths))
            count(confusion, confusion->num_classes, results[r].class_index);
    }
    return STATUS_OK;
}

static enum status pair_scenes(struct confusion *confusion, const struct scenes *scenes,
                               struct error *err) {
    struct pairing pairing = {.confusion = confusion};
    enum status status = STATUS_OK;
    for (int64_t s = 0; s < scenes->num_scenes && status == STATUS_OK; s++)
        status = pair_scene(&pairing, scenes, &scenes->scenes[s], err);
    array_free(&pairing.candidates);
    array_free(&pairing.truth_taken);
    array_free(&pairing.result_taken);
    for (int64_t t = 0; t < confusion->num_classes; t++) {
        for (int64_t r = 0; r < confusion->num_classes; r++) {
            if (t == r)
                confusion->num_right += confusion_at(confusion, t, r);
            else
                confusion->num_confused += confusion_at(confusion, t, r);
        }
    }
    return status;
}

enum status confusion_compute(struct confusion *confusion, const struct scenes *scenes,
                              double min_score, struct error *err) {
    int64_t side = scenes->num_classes + 1;
    *confusion = (struct confusion){
        .scenes = scenes, .min_score = min_score, .num_classes = scenes->num_classes};
    arena_init(&confusion->arena, side * 16, 0);
    confusion->counts = arena_alloc_zero(&confusion->arena, side * side, sizeof(int64_t));
    enum status status = confusion->counts ? pair_scenes(confusion, scenes, err)
                                           : error_memory(err, "confusions", side * side * 8);
    if (status != STATUS_OK) confusion_destroy(confusion);
    return status;
}

void confusion_destroy(struct confusion *confusion) {
    arena_destroy(&confusion->arena);
    *confusion = (struct confusion){0};
}

int64_t confusion_at(const struct confusion *confusion, int64_t object_class,
                     int64_t result_class) {
    return confusion->counts[object_class * (confusion->num_classes + 1) + result_class];
}

int64_t confusion_top(const struct confusion *confusion, bool with_background,
                      struct confused_pair *pairs, int64_t max_pairs) {
    int64_t side = confusion->num_classes + with_background;
    int64_t num_pairs = 0;
    for (int64_t t = 0; t < side; t++) {
        for (int64_t r = 0; r < side; r++) {
            struct confused_pair pair = {t, r, confusion_at(confusion, t, r)};
            if (t == r || pair.count == 0) continue;
            int64_t place = num_pairs;
            while (place > 0 && pairs[place - 1].count < pair.count)
                place--;
            if (place == max_pairs) continue;
            if (num_pairs < max_pairs) num_pairs++;
            for (int64_t i = num_pairs - 1; i > place; i--)
                pairs[i] = pairs[i - 1];
            pairs[place] = pair;
        }
    }
    return num_pairs;
}

// ---- Text and JSON ----

static const char *name_of(const struct confusion *confusion, int64_t class_index, char *buffer) {
    if (class_index == confusion->num_classes) return "background";
    return scene_class_name(confusion->scenes, class_index, buffer);
}

void confusion_print(const struct confusion *confusion, struct output *out) {
    enum { MAX_PAIRS = 20 };
    output_printf(out, "Confusions at score %.2f, IoU %.2f\n", confusion->min_score, CONFUSION_IOU);
    output_printf(out,
                  " %lld of %lld objects found under their class, %lld under another; %lld "
                  "results\n",
                  (long long)confusion->num_right, (long long)confusion->num_objects,
                  (long long)confusion->num_confused, (long long)confusion->num_results);
    struct confused_pair pairs[MAX_PAIRS];
    int64_t num_pairs = confusion_top(confusion, false, pairs, MAX_PAIRS);
    if (num_pairs == 0) return;
    output_printf(out, " %-24s %-24s %7s\n", "object", "taken for", "count");
    for (int64_t i = 0; i < num_pairs; i++) {
        char object[SCENE_NAME_BYTES];
        char result[SCENE_NAME_BYTES];
        output_printf(out, " %-24s %-24s %7lld\n",
                      name_of(confusion, pairs[i].object_class, object),
                      name_of(confusion, pairs[i].result_class, result), (long long)pairs[i].count);
    }
}

static void write_class_id(struct json_writer *w, const struct confusion *confusion,
                           int64_t class_index) {
    if (class_index == confusion->num_classes)
        json_write_null(w);
    else
        json_write_int64(w, confusion->scenes->classes[class_index]->id);
}

void confusion_write_json(const struct confusion *confusion, struct json_writer *w) {
    json_write_begin_object(w);
    json_write_key_double(w, "min_score", confusion->min_score);
    json_write_key_double(w, "iou", CONFUSION_IOU);
    json_write_key_int64(w, "objects", confusion->num_objects);
    json_write_key_int64(w, "results", confusion->num_results);
    json_write_key_int64(w, "right", confusion->num_right);
    json_write_key_int64(w, "confused", confusion->num_confused);
    json_write_key(w, "counts");
    json_write_begin_array(w);
    for (int64_t t = 0; t <= confusion->num_classes; t++) {
        for (int64_t r = 0; r <= confusion->num_classes; r++) {
            int64_t cell = confusion_at(confusion, t, r);
            if (cell == 0) continue;
            json_write_begin_array(w);
            write_class_id(w, confusion, t);
            write_class_id(w, confusion, r);
            json_write_int64(w, cell);
            json_write_end_array(w);
        }
    }
    json_write_end_array(w);
    json_write_end_object(w);
}

#include "eval/label_errors.h"

#include <stdlib.h>

// What the result suggests, if anything. truth is the position of the object in the scene.
static bool find_kind(const struct judged_result *judged, const struct judged_truth *truths,
                      const struct scene_result *result, enum label_error_kind *kind) {
    switch (judged->judgement) {
    case JUDGED_BACKGROUND:
        *kind = LABEL_OVERLOOKED;
        return result->num_overlaps == 0; // crowds are annotations too
    case JUDGED_CLASS:
        *kind = LABEL_SWAPPED;
        return !truths[judged->truth].is_found;
    case JUDGED_LOCALISATION:
        *kind = LABEL_MISPLACED;
        return !truths[judged->truth].is_found;
    case JUDGED_BOTH:
    case JUDGED_DUPLICATE:
    case JUDGED_MISSED:
    case JUDGED_CORRECT:
        return false;
    }
    return false;
}

static int compare_errors(const void *a, const void *b) {
    const struct label_error *x = a;
    const struct label_error *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return (x->result > y->result) - (x->result < y->result);
}

// Lists what one scene gives; an object is listed once, for the best result that says so.
static void find_in_scene(struct label_errors *errors, const struct scenes *scenes, int64_t s,
                          const struct breakdown *breakdown) {
    const struct scene *scene = &scenes->scenes[s];
    const struct judged_truth *truths = breakdown->truths + scene->truth_begin;
    for (int64_t r = 0; r < scene->num_results; r++) {
        int64_t position = scene->result_begin + r;
        const struct scene_result *result = &scenes->results[position];
        const struct judged_result *judged = &breakdown->results[position];
        enum label_error_kind kind = LABEL_OVERLOOKED;
        if (result->annotation->score < errors->min_score || judged->is_ignored) continue;
        if (!find_kind(judged, truths, result, &kind)) continue;
        bool is_best = judged->truth < 0 || truths[judged->truth].best_error == r;
        if (!is_best) continue;
        errors->errors[errors->count++] = (struct label_error){
            .kind = kind,
            .scene = s,
            .result = position,
            .truth = judged->truth < 0 ? -1 : scene->truth_begin + judged->truth,
            .score = result->annotation->score,
            .iou = judged->iou,
        };
    }
}

enum status label_errors_find(struct label_errors *errors, const struct scenes *scenes,
                              const struct breakdown *breakdown, double min_score,
                              struct error *err) {
    enum { BLOCK_BYTES = 1 << 12 };
    *errors = (struct label_errors){.min_score = min_score};
    arena_init(&errors->arena, BLOCK_BYTES, 0);
    int64_t capacity = 0;
    for (int64_t r = 0; r < scenes->num_results; r++)
        capacity += scenes->results[r].annotation->score >= min_score;
    errors->errors = arena_alloc(&errors->arena, capacity, sizeof *errors->errors);
    if (!errors->errors) {
        label_errors_destroy(errors);
        return error_memory(err, "label errors", capacity * (int64_t)sizeof *errors->errors);
    }
    for (int64_t s = 0; s < scenes->num_scenes; s++)
        find_in_scene(errors, scenes, s, breakdown);
    if (errors->count)
        qsort(errors->errors, (size_t)errors->count, sizeof *errors->errors, compare_errors);
    return STATUS_OK;
}

void label_errors_destroy(struct label_errors *errors) {
    arena_destroy(&errors->arena);
    *errors = (struct label_errors){0};
}

// ---- Text and JSON ----

const char *label_error_name(enum label_error_kind kind) {
    static const char *const names[NUM_LABEL_ERROR_KINDS] = {"overlooked", "swapped", "misplaced"};
    return names[kind];
}

void label_error_describe(const struct label_error *error, const struct scenes *scenes,
                          struct output *out) {
    char found[SCENE_NAME_BYTES];
    char annotated[SCENE_NAME_BYTES];
    const char *found_name =
        scene_class_name(scenes, scenes->results[error->result].class_index, found);
    if (error->kind == LABEL_OVERLOOKED) {
        output_printf(out, "%s found, nothing annotated there", found_name);
        return;
    }
    const char *annotated_name =
        scene_class_name(scenes, scenes->truths[error->truth].class_index, annotated);
    if (error->kind == LABEL_SWAPPED)
        output_printf(out, "annotated as %s, found as %s", annotated_name, found_name);
    else
        output_printf(out, "%s found at a different place or extent", found_name);
}

void label_errors_print(const struct label_errors *errors, const struct scenes *scenes,
                        int64_t max_lines, struct output *out) {
    output_printf(out, "Likely label errors: %lld at score %.2f or more\n",
                  (long long)errors->count, errors->min_score);
    if (errors->count == 0) return;
    output_printf(out, " %-10s %12s %14s %6s %5s  %s\n", "kind", "image", "annotation", "score",
                  "IoU", "why");
    for (int64_t i = 0; i < errors->count && i < max_lines; i++) {
        const struct label_error *error = &errors->errors[i];
        output_printf(out, " %-10s %12lld ", label_error_name(error->kind),
                      (long long)scenes->scenes[error->scene].image->id);
        if (error->truth < 0)
            output_printf(out, "%14s", "-");
        else
            output_printf(out, "%14lld", (long long)scenes->truths[error->truth].annotation->id);
        output_printf(out, " %6.3f %5.2f  ", error->score, error->iou);
        label_error_describe(error, scenes, out);
        output_text(out, "\n");
    }
    if (errors->count > max_lines)
        output_printf(out, " and %lld more\n", (long long)(errors->count - max_lines));
}

static void write_error(const struct label_error *error, const struct scenes *scenes,
                        struct json_writer *w) {
    const struct scene_result *result = &scenes->results[error->result];
    json_write_begin_object(w);
    json_write_key_text(w, "kind", label_error_name(error->kind));
    json_write_key_int64(w, "image_id", scenes->scenes[error->scene].image->id);
    json_write_key(w, "annotation_id");
    if (error->truth < 0)
        json_write_null(w);
    else
        json_write_int64(w, scenes->truths[error->truth].annotation->id);
    // Results are numbered as they stand in their file, from 0.
    json_write_key_int64(w, "result", result->annotation - scenes->results_set->annotations);
    json_write_key_int64(w, "category_id", result->annotation->category_id);
    json_write_key_double(w, "score", error->score);
    json_write_key_double(w, "iou", error->iou);
    struct output text;
    output_open_memory(&text);
    label_error_describe(error, scenes, &text);
    json_write_key_text(w, "reason", text.data ? text.data : "");
    output_discard(&text);
    json_write_end_object(w);
}

void label_errors_write_json(const struct label_errors *errors, const struct scenes *scenes,
                             struct json_writer *w) {
    json_write_begin_array(w);
    for (int64_t i = 0; i < errors->count; i++)
        write_error(&errors->errors[i], scenes, w);
    json_write_end_array(w);
}

#include "tools/annotate_filter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

static const double DEFAULT_SCORE = 0.5;

static enum status find_label(int32_t *label, const char *option, const char *text,
                              const struct class_list *classes, struct error *err) {
    struct nearest nearest = {.wanted = text};
    char *end = NULL;
    long long id = strtoll(text, &end, 10);
    bool is_id = end != text && *end == '\0';
    for (*label = 1; *label <= classes->count; ++*label) {
        const char *name = classes->items[*label - 1].name;
        if (strcmp(name, text) == 0) return STATUS_OK;
        nearest_offer(&nearest, name);
    }
    for (*label = 1; is_id && *label <= classes->count; ++*label)
        if (classes->items[*label - 1].id == id) return STATUS_OK;
    const char *suggestion = nearest_name(&nearest);
    return error_set(err, STATUS_USAGE, "--%s: the model has no class \"%s\"%s%s%s", option, text,
                     suggestion ? "; did you mean \"" : "", suggestion ? suggestion : "",
                     suggestion ? "\"?" : "");
}

static enum status read_score(double *score, const char *text, struct error *err) {
    char *end = NULL;
    *score = strtod(text, &end);
    if (end != text && *end == '\0' && *score >= 0 && *score <= 1) return STATUS_OK;
    return error_set(err, STATUS_USAGE, "--score: %s is not a number from 0 to 1", text);
}

// "0.5" is for all classes; "person=0.7" for one, whatever stands before or after it.
static enum status choose_scores(struct detection_filter *filter, const struct option_texts *texts,
                                 const struct class_list *classes, struct arena *arena,
                                 struct error *err) {
    int64_t count = classes->count;
    double common = DEFAULT_SCORE;
    for (int64_t i = 0; i < texts->count; i++)
        if (!strchr(texts->items[i], '=')) TRY(read_score(&common, texts->items[i], err));
    for (int64_t label = 1; label <= count; label++)
        filter->scores[label] = common;
    for (int64_t i = 0; i < texts->count; i++) {
        const char *equals = strrchr(texts->items[i], '=');
        int32_t label = 0;
        if (!equals) continue;
        const char *name = arena_copy_text(arena, texts->items[i], equals - texts->items[i]);
        if (!name) return error_memory(err, "classes", 64);
        TRY(find_label(&label, "score", name, classes, err));
        TRY(read_score(&filter->scores[label], equals + 1, err));
    }
    filter->limits.min_score = 1;
    for (int64_t label = 1; label <= count; label++)
        if (filter->wanted[label])
            filter->limits.min_score = fmin(filter->limits.min_score, filter->scores[label]);
    return STATUS_OK;
}

enum status detection_filter_make(struct detection_filter *filter,
                                  const struct filter_options *options,
                                  const struct class_list *classes, int64_t own,
                                  struct arena *arena, struct error *err) {
    int64_t count = classes->count + 1;
    *filter = (struct detection_filter){
        .wanted = arena_alloc_zero(arena, count, sizeof *filter->wanted),
        .scores = arena_alloc_zero(arena, count, sizeof *filter->scores),
        .min_area = options->min_area,
        .max_detections = options->max_detections,
    };
    if (!filter->wanted || !filter->scores) return error_memory(err, "classes", 9 * count);
    for (int64_t i = 0; i < count && options->classes.count == 0; i++)
        filter->wanted[i] = true;
    for (int64_t i = 0; i < options->classes.count; i++) {
        int32_t label = 0;
        TRY(find_label(&label, "classes", options->classes.items[i], classes, err));
        filter->wanted[label] = true;
    }
    // More than the model would give are asked for; fewer are taken from what is wanted.
    filter->limits.max_detections = options->max_detections > own ? options->max_detections : 0;
    return choose_scores(filter, &options->scores, classes, arena, err);
}

void detection_filter_apply(const struct detection_filter *filter, struct detection_list *list) {
    int64_t count = 0;
    int64_t most = filter->max_detections > 0 ? filter->max_detections : list->count;
    for (int64_t i = 0; i < list->count && count < most; i++) {
        const struct detection *d = &list->items[i];
        if (!filter->wanted[d->label]) continue;
        if (!(d->score > (float)filter->scores[d->label])) continue;
        if (filter->min_area > 0 && rle_area(&d->mask) < filter->min_area) continue;
        list->items[count++] = *d;
    }
    list->count = count;
}

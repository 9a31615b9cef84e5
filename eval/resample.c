#include "eval/resample.h"

#include <float.h>
#include <math.h>

#include "base/check.h"
#include "eval/ranking.h"

// ---- Ranking, once ----

// One class while its arrays are filled.
struct class_source {
    const struct verdicts *verdicts;
    int64_t begin, end; // cells
    int64_t first;      // the class's first result, in cells->results
};

// The class's results by falling score over all images, as positions from `first` on. order and
// scratch have room for all of them, as has images, which tells the image of each position.
static int64_t rank_results(const struct class_source *source, int32_t *order, int32_t *images,
                            int32_t *scratch) {
    const struct cells *cells = &source->verdicts->cells;
    int64_t count = 0;
    for (int64_t c = source->begin; c < source->end; c++) {
        const struct cell *cell = &cells->cells[c];
        for (int64_t i = 0; i < cell->num_results; i++) {
            int64_t position = cell->result_begin + i - source->first;
            images[position] = cell->image;
            order[count++] = (int32_t)position;
        }
    }
    rank_by_score(order, count, cells->scores + source->first, scratch);
    return count;
}

// Lists the events of all thresholds; class->num_results becomes what lies before the last true
// positive. images: of positions. Without memory for events (NULL) it only counts.
static int64_t find_events(struct ranked_class *class, const struct class_source *source,
                           const int32_t *order, const int32_t *images, int64_t count,
                           int64_t num_thresholds, struct ranked_event *events,
                           int64_t *event_begins) {
    const struct verdict *verdicts = source->verdicts->verdicts + source->first;
    int64_t num_events = 0;
    for (int64_t t = 0; t < num_thresholds; t++) {
        if (events) event_begins[t] = num_events;
        for (int64_t i = 0; i < count; i++) {
            const struct verdict *verdict = &verdicts[order[i]];
            bool is_ignored_here = verdict->ignored >> t & 1;
            bool is_correct = !is_ignored_here && (verdict->matched >> t & 1);
            if (!is_ignored_here && !is_correct) continue;
            int32_t image = images[order[i]];
            if (events)
                events[num_events] =
                    (struct ranked_event){(int32_t)i, is_correct ? image : -1 - image};
            num_events++;
            if (is_correct && i >= class->num_results) class->num_results = i + 1;
        }
    }
    if (events) event_begins[num_thresholds] = num_events;
    return num_events;
}

static enum status find_objects(struct ranked_class *class, const struct class_source *source,
                                const struct coco_set *truth, const struct area_range *range,
                                struct arena *arena, struct error *err) {
    const struct cells *cells = &source->verdicts->cells;
    int64_t capacity = 0;
    for (int64_t c = source->begin; c < source->end; c++)
        capacity += cells->cells[c].num_truths;
    int32_t *images = arena_alloc(arena, capacity, sizeof *images);
    if (!images) return error_memory(err, "a comparison", capacity * 4);
    for (int64_t c = source->begin; c < source->end; c++) {
        const struct cell *cell = &cells->cells[c];
        for (int64_t i = 0; i < cell->num_truths; i++) {
            int32_t position = cells->truths[cell->truth_begin + i];
            if (!is_ignored(&truth->annotations[position], range))
                images[class->num_objects++] = cell->image;
        }
    }
    class->object_images = images;
    return STATUS_OK;
}

static enum status rank_class(struct ranked_class *class, const struct class_source *source,
                              int64_t num_thresholds, struct arena *arena, struct error *err) {
    const struct cells *cells = &source->verdicts->cells;
    int64_t capacity = 0; // up to the last position in use
    if (source->begin < source->end) {
        const struct cell *last = &cells->cells[source->end - 1];
        capacity = last->result_begin + last->num_results - source->first;
    }
    int32_t *order = arena_alloc(arena, capacity, sizeof *order);
    int32_t *position_images = arena_alloc(arena, capacity, sizeof *position_images);
    int32_t *images = arena_alloc(arena, capacity, sizeof *images);
    int64_t *event_begins = arena_alloc(arena, num_thresholds + 1, sizeof *event_begins);
    if (!order || !position_images || !images || !event_begins)
        return error_memory(err, "a comparison", capacity * 12);
    int64_t count = rank_results(source, order, position_images, images);
    int64_t num_events =
        find_events(class, source, order, position_images, count, num_thresholds, NULL, NULL);
    struct ranked_event *events = arena_alloc(arena, num_events, sizeof *events);
    if (!events) return error_memory(err, "a comparison", num_events * 8);
    (void)find_events(class, source, order, position_images, count, num_thresholds, events,
                      event_begins);
    for (int64_t i = 0; i < class->num_results; i++)
        images[i] = position_images[order[i]];
    class->images = images;
    class->events = events;
    class->event_begins = event_begins;
    return STATUS_OK;
}

enum status ranking_build(struct ranking *ranking, const struct coco_set *truth,
                          const struct coco_set *results, const struct metric_settings *settings,
                          struct workers *workers, struct arena *arena, struct error *err) {
    CHECK(settings->num_areas == 1);
    struct verdicts verdicts;
    TRY(verdicts_compute(&verdicts, truth, results, settings, workers, arena, err));
    const struct cells *cells = &verdicts.cells;
    *ranking = (struct ranking){.num_thresholds = settings->num_thresholds,
                                .num_images = cells->num_images,
                                .num_classes = cells->num_categories,
                                .category_ids = cells->category_ids};
    ranking->classes = arena_alloc_zero(arena, ranking->num_classes, sizeof *ranking->classes);
    if (!ranking->classes) return error_memory(err, "a comparison", ranking->num_classes * 56);
    for (int64_t k = 0; k < ranking->num_classes; k++) {
        struct ranked_class *class = &ranking->classes[k];
        struct class_source source = {&verdicts, cells->category_begins[k],
                                      cells->category_begins[k + 1], 0};
        if (source.begin < source.end) source.first = cells->cells[source.begin].result_begin;
        TRY(rank_class(class, &source, settings->num_thresholds, arena, err));
        TRY(find_objects(class, &source, truth, &settings->areas[0], arena, err));
        if (class->num_results > ranking->max_results) ranking->max_results = class->num_results;
    }
    return STATUS_OK;
}

// ---- Precision, for each resample ----

enum status resample_scratch_init(struct resample_scratch *scratch, int64_t max_results,
                                  struct arena *arena, struct error *err) {
    scratch->seen = arena_alloc(arena, max_results + 1, sizeof *scratch->seen);
    scratch->num_found = arena_alloc(arena, max_results, sizeof *scratch->num_found);
    scratch->num_seen = arena_alloc(arena, max_results, sizeof *scratch->num_seen);
    scratch->precision = arena_alloc(arena, max_results, sizeof *scratch->precision);
    if (scratch->seen && scratch->num_found && scratch->num_seen && scratch->precision)
        return STATUS_OK;
    return error_memory(err, "a comparison", max_results * 32);
}

// How many objects must be found for each of COCO's 101 recalls.
struct recall_needs {
    double counts[METRIC_NUM_RECALLS];
};

static struct recall_needs find_needs(int64_t num_objects) {
    struct recall_needs needs;
    double total = (double)num_objects;
    for (int64_t r = 0; r < METRIC_NUM_RECALLS; r++) {
        double recall = r == METRIC_NUM_RECALLS - 1 ? 1.0 : (double)r * 0.01;
        double count = ceil(recall * total);
        // The product may be rounded to the wrong side of a whole number; the quotient decides.
        if (count > 0 && (count - 1) / total >= recall) count--;
        if (count / total < recall) count++;
        needs.counts[r] = count;
    }
    return needs;
}

// Fills num_found and num_seen for the true positives that are in the resample; returns how many.
static int64_t walk_events(const struct ranked_event *events, int64_t num_events,
                           const struct ranked_class *class, const int32_t *weights,
                           const struct resample_scratch *scratch) {
    int64_t count = 0;
    int64_t num_found = 0;
    int64_t num_ignored = 0;
    for (int64_t e = 0; e < num_events; e++) {
        struct ranked_event event = events[e];
        if (event.image < 0) {
            if (event.position >= class->num_results) break;
            num_ignored += weights[-1 - event.image];
            continue;
        }
        // Whether an image was drawn is as good as random: no branch, what is not is overwritten.
        int32_t weight = weights[event.image];
        num_found += weight;
        scratch->num_found[count] = (double)num_found;
        scratch->num_seen[count] = (double)(scratch->seen[event.position + 1] - num_ignored);
        count += weight != 0;
    }
    return count;
}

// The mean over recalls of the best precision at that recall or above.
static double mean_precision(int64_t count, const struct recall_needs *needs,
                             const struct resample_scratch *scratch) {
    for (int64_t i = 0; i < count; i++)
        scratch->precision[i] = scratch->num_found[i] / (scratch->num_seen[i] + DBL_EPSILON);
    double sum = 0;
    double best = 0;
    int64_t r = METRIC_NUM_RECALLS - 1;
    while (r >= 0 && (count == 0 || needs->counts[r] > scratch->num_found[count - 1]))
        r--;
    for (int64_t i = count - 1; i >= 0; i--) {
        if (scratch->precision[i] > best) best = scratch->precision[i];
        double before = i > 0 ? scratch->num_found[i - 1] : -1;
        for (; r >= 0 && needs->counts[r] > before; r--)
            sum += best;
    }
    return sum / METRIC_NUM_RECALLS;
}

bool resample_class(double *precisions, const struct ranking *ranking, int64_t class_index,
                    const int32_t *weights, const struct resample_scratch *scratch) {
    const struct ranked_class *class = &ranking->classes[class_index];
    int64_t num_objects = 0;
    for (int64_t i = 0; i < class->num_objects; i++)
        num_objects += weights[class->object_images[i]];
    if (num_objects == 0) return false;
    scratch->seen[0] = 0;
    for (int64_t i = 0; i < class->num_results; i++)
        scratch->seen[i + 1] = scratch->seen[i] + weights[class->images[i]];
    struct recall_needs needs = find_needs(num_objects);
    for (int64_t t = 0; t < ranking->num_thresholds; t++) {
        int64_t begin = class->event_begins[t];
        int64_t count = walk_events(class->events + begin, class->event_begins[t + 1] - begin,
                                    class, weights, scratch);
        precisions[t] = mean_precision(count, &needs, scratch);
    }
    return true;
}

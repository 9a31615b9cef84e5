// From words of the command line to the metric's settings.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file_view.h"
#include "base/nearest.h"
#include "tools/eval_options.h"

int64_t eval_iou_kinds(const struct eval_options *options, enum iou_kind kinds[MAX_IOU_KINDS]) {
    bool wanted[MAX_IOU_KINDS] = {[IOU_BOUNDARY] = options->boundary};
    for (int64_t i = 0; i < options->iou_kinds.count; i++)
        wanted[strcmp(options->iou_kinds.items[i], "box") == 0 ? IOU_BOX : IOU_MASK] = true;
    int64_t count = 0;
    for (int kind = 0; kind < MAX_IOU_KINDS; kind++)
        if (wanted[kind]) kinds[count++] = (enum iou_kind)kind;
    return count;
}

// True if all of text is an integer.
static bool parse_id(const char *text, int64_t *id) {
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *id = value;
    return end != text && *end == '\0' && errno == 0;
}

static int compare_numbers(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static enum status set_max_dets(struct metric_settings *settings, const struct option_ints *counts,
                                struct error *err) {
    if (counts->count != METRIC_NUM_MAX_DETS)
        return error_set(err, STATUS_USAGE, "--max-dets takes %d numbers, found %lld",
                         METRIC_NUM_MAX_DETS, (long long)counts->count);
    memcpy(settings->max_dets, counts->items, sizeof settings->max_dets);
    qsort(settings->max_dets, METRIC_NUM_MAX_DETS, sizeof *settings->max_dets, compare_numbers);
    return STATUS_OK;
}

static enum status set_thresholds(struct metric_settings *settings,
                                  const struct option_doubles *thresholds, struct error *err) {
    if (thresholds->count < 1 || thresholds->count > METRIC_MAX_THRESHOLDS)
        return error_set(err, STATUS_USAGE, "--iou-thresholds takes 1 to %d numbers, found %lld",
                         METRIC_MAX_THRESHOLDS, (long long)thresholds->count);
    settings->num_thresholds = thresholds->count;
    memcpy(settings->thresholds, thresholds->items,
           (size_t)thresholds->count * sizeof *settings->thresholds);
    return STATUS_OK;
}

// NAME=LOW:HIGH
static enum status parse_area(struct area_range *range, const char *text, struct arena *arena,
                              struct error *err) {
    const char *equals = strchr(text, '=');
    char *colon = NULL;
    char *end = NULL;
    if (equals && equals > text) range->low = strtod(equals + 1, &colon);
    if (colon && colon > equals + 1 && *colon == ':') range->high = strtod(colon + 1, &end);
    bool complete = end && end > colon + 1 && *end == '\0';
    if (!complete || !isfinite(range->low) || !isfinite(range->high) || range->low > range->high)
        return error_set(err, STATUS_USAGE, "--areas: expected NAME=LOW:HIGH, found \"%s\"", text);
    range->name = arena_copy_text(arena, text, equals - text);
    return range->name ? STATUS_OK : error_memory(err, "a name", equals - text);
}

static enum status set_areas(struct metric_settings *settings, const struct option_texts *areas,
                             struct arena *arena, struct error *err) {
    if (areas->count < 1 || areas->count > METRIC_MAX_AREAS)
        return error_set(err, STATUS_USAGE, "--areas takes 1 to %d ranges, found %lld",
                         METRIC_MAX_AREAS, (long long)areas->count);
    settings->num_areas = areas->count;
    for (int64_t i = 0; i < areas->count; i++)
        TRY(parse_area(&settings->areas[i], areas->items[i], arena, err));
    return STATUS_OK;
}

// A class by its name, else by its id.
static enum status find_class(int64_t *id, const char *text, const struct coco_set *truth,
                              struct error *err) {
    struct nearest nearest = {.wanted = text};
    for (int64_t i = 0; i < truth->num_categories; i++) {
        const struct coco_category *category = &truth->categories[i];
        *id = category->id;
        if (strcmp(category->name, text) == 0) return STATUS_OK;
        nearest_offer(&nearest, category->name);
    }
    if (parse_id(text, id) && coco_find_category(truth, *id)) return STATUS_OK;
    const char *suggestion = nearest_name(&nearest);
    return error_set(err, STATUS_USAGE, "--classes: %s has no class \"%s\"%s%s%s", truth->path,
                     text, suggestion ? "; did you mean \"" : "", suggestion ? suggestion : "",
                     suggestion ? "\"?" : "");
}

static enum status set_classes(struct metric_settings *settings, const struct option_texts *classes,
                               const struct coco_set *truth, struct arena *arena,
                               struct error *err) {
    if (classes->count == 0) return STATUS_OK;
    int64_t *ids = arena_alloc(arena, classes->count, sizeof *ids);
    if (!ids) return error_memory(err, "class ids", classes->count * 8);
    for (int64_t i = 0; i < classes->count; i++)
        TRY(find_class(&ids[i], classes->items[i], truth, err));
    settings->category_ids = ids;
    settings->num_category_ids = classes->count;
    return STATUS_OK;
}

struct id_list {
    int64_t *ids;
    int64_t count;
    int64_t capacity;
};

static enum status add_id(struct id_list *list, int64_t id, struct error *err) {
    TRY(array_reserve(&list->ids, &list->capacity, list->count + 1, sizeof *list->ids, err));
    list->ids[list->count++] = id;
    return STATUS_OK;
}

static enum status add_id_of_word(struct id_list *list, const char *word, struct error *err) {
    int64_t id = 0;
    if (parse_id(word, &id)) return add_id(list, id, err);
    return error_set(err, STATUS_USAGE, "--images: expected an image id, found \"%s\"", word);
}

enum { MAX_ID_BYTES = 31 };

static enum status add_id_of_line(struct id_list *list, const char *line, int64_t size,
                                  struct error *err) {
    char text[MAX_ID_BYTES + 1] = "";
    int64_t id = 0;
    if (size > 0 && line[size - 1] == '\r') size--;
    if (size == 0) return STATUS_OK;
    memcpy(text, line, (size_t)(size < MAX_ID_BYTES ? size : MAX_ID_BYTES));
    bool whole = (int64_t)strlen(text) == size; // neither cut nor with a NUL inside
    if (whole && parse_id(text, &id)) return add_id(list, id, err);
    return error_set(err, STATUS_DATA, "expected an image id, found \"%s\"%s", text,
                     whole ? "" : "...");
}

// One id on each line; empty lines are skipped.
static enum status add_ids_of_file(struct id_list *list, const char *path, struct error *err) {
    enum { MAX_FILE_BYTES = 1 << 30 };
    struct file_view view;
    TRY(file_view_open(&view, path, MAX_FILE_BYTES, err));
    enum status status = STATUS_OK;
    int64_t number = 1;
    for (int64_t at = 0; at < view.size && status == STATUS_OK; number++) {
        const char *line = view.data + at;
        const char *line_end = memchr(line, '\n', (size_t)(view.size - at));
        int64_t size = line_end ? line_end - line : view.size - at;
        status = add_id_of_line(list, line, size, err);
        if (status == STATUS_DATA) error_prefix(err, "%s: line %lld: ", path, (long long)number);
        at += size + 1;
    }
    file_view_close(&view);
    return status;
}

static enum status set_images(struct metric_settings *settings, const struct option_texts *images,
                              struct arena *arena, struct error *err) {
    if (images->count == 0) return STATUS_OK;
    struct id_list list = {0};
    enum status status = STATUS_OK;
    for (int64_t i = 0; i < images->count && status == STATUS_OK; i++) {
        const char *text = images->items[i];
        status =
            *text == '@' ? add_ids_of_file(&list, text + 1, err) : add_id_of_word(&list, text, err);
    }
    int64_t *ids = arena_alloc(arena, list.count, sizeof *ids);
    if (status == STATUS_OK && !ids) status = error_memory(err, "image ids", list.count * 8);
    if (status == STATUS_OK && ids && list.ids)
        memcpy(ids, list.ids, (size_t)list.count * sizeof *ids);
    settings->image_ids = ids;
    settings->num_image_ids = list.count;
    array_free(&list.ids);
    return status;
}

enum status eval_settings(struct metric_settings *settings, enum iou_kind iou,
                          const struct eval_options *options, const struct coco_set *truth,
                          struct arena *arena, struct error *err) {
    *settings = metric_default_settings(iou);
    settings->dilation_ratio = options->dilation_ratio;
    TRY(set_max_dets(settings, &options->max_dets, err));
    TRY(set_thresholds(settings, &options->iou_thresholds, err));
    TRY(set_areas(settings, &options->areas, arena, err));
    TRY(set_classes(settings, &options->classes, truth, arena, err));
    return set_images(settings, &options->images, arena, err);
}

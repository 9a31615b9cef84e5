#include "tools/eval_classes.h"

#include <stdio.h>
#include <string.h>

enum { MAX_NAMED = 3, LIST_BYTES = 512 };

// The first few of what may be many: "a", "b", "c" and 5 more.
struct name_list {
    char text[LIST_BYTES];
    int64_t count;
};

static void add_name(struct name_list *list, const char *name) {
    size_t size = strlen(list->text);
    if (list->count++ < MAX_NAMED)
        snprintf(list->text + size, sizeof list->text - size, "%s\"%.40s\"", size ? ", " : "",
                 name);
}

// "tv" for "television"
static void add_pair(struct name_list *list, const char *name, const char *other) {
    add_name(list, name);
    size_t size = strlen(list->text);
    if (list->count <= MAX_NAMED)
        snprintf(list->text + size, sizeof list->text - size, " for \"%.40s\"", other);
}

static void end_names(struct name_list *list) {
    size_t size = strlen(list->text);
    if (list->count > MAX_NAMED)
        snprintf(list->text + size, sizeof list->text - size, " and %lld more",
                 (long long)(list->count - MAX_NAMED));
}

static bool has_class_of_name(const struct detector *detector, const char *name) {
    for (int32_t label = 1; label <= detector_num_classes(detector); label++)
        if (strcmp(detector_class_name(detector, label), name) == 0) return true;
    return false;
}

static const struct coco_category *find_category(const struct detector *detector, int32_t label,
                                                 const struct coco_set *truth) {
    const char *name = detector_class_name(detector, label);
    for (int64_t i = 0; i < truth->num_categories; i++)
        if (strcmp(truth->categories[i].name, name) == 0) return &truth->categories[i];
    const struct coco_category *category =
        coco_find_category(truth, detector_category_id(detector, label));
    return category && !has_class_of_name(detector, category->name) ? category : NULL;
}

static void warn_about_categories(const int64_t *categories, const struct detector *detector,
                                  const struct coco_set *truth, const struct log *log) {
    struct name_list unknown = {0};
    for (int64_t i = 0; i < truth->num_categories; i++) {
        bool found = false;
        for (int32_t label = 1; label <= detector_num_classes(detector) && !found; label++)
            found = categories[label] == truth->categories[i].id;
        if (!found) add_name(&unknown, truth->categories[i].name);
    }
    end_names(&unknown);
    if (unknown.count > 0)
        log_message(log, LOG_WARNING, "%s has classes that the model lacks: %s; none can be found",
                    truth->path, unknown.text);
}

static enum status refuse(const struct detector *detector, const struct coco_set *truth,
                          struct error *err) {
    struct name_list ours = {0};
    struct name_list theirs = {0};
    for (int32_t label = 1; label <= detector_num_classes(detector); label++)
        add_name(&ours, detector_class_name(detector, label));
    for (int64_t i = 0; i < truth->num_categories; i++)
        add_name(&theirs, truth->categories[i].name);
    end_names(&ours);
    end_names(&theirs);
    return error_set(err, STATUS_DATA,
                     "%s has none of the model's classes: it has %s, the model %s", truth->path,
                     theirs.count ? theirs.text : "no classes", ours.text);
}

enum status eval_map_classes(int64_t **result, const struct detector *detector,
                             const struct coco_set *truth, const struct log *log,
                             struct arena *arena, struct error *err) {
    struct name_list renamed = {0};
    struct name_list missing = {0};
    int64_t count = detector_num_classes(detector);
    int64_t *categories = arena_alloc(arena, count + 1, sizeof *categories);
    if (!categories) return error_memory(err, "classes", count);
    categories[0] = NO_CATEGORY;
    for (int32_t label = 1; label <= count; label++) {
        const char *name = detector_class_name(detector, label);
        const struct coco_category *category = find_category(detector, label, truth);
        categories[label] = category ? category->id : NO_CATEGORY;
        if (!category)
            add_name(&missing, name);
        else if (strcmp(category->name, name) != 0)
            add_pair(&renamed, name, category->name);
    }
    if (missing.count == count) return refuse(detector, truth, err);
    end_names(&renamed);
    end_names(&missing);
    if (renamed.count > 0)
        log_message(log, LOG_WARNING,
                    "%s has classes of the model under other names, known by their ids: %s",
                    truth->path, renamed.text);
    if (missing.count > 0)
        log_message(log, LOG_WARNING, "%s lacks classes of the model: %s; they do not count",
                    truth->path, missing.text);
    warn_about_categories(categories, detector, truth, log);
    *result = categories;
    return STATUS_OK;
}

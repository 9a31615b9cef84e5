#include "detector/class_map.h"

#include <string.h>

static const char *class_name(const struct model_config *config, int32_t label) {
    return config->classes.names.items[label - 1];
}

static int64_t class_id(const struct model_config *config, int32_t label) {
    const struct option_ints *ids = &config->classes.ids;
    return ids->count > 0 ? ids->items[label - 1] : label;
}

static bool has_class_of_name(const struct model_config *config, const char *name) {
    for (int32_t label = 1; label <= config->classes.names.count; label++)
        if (strcmp(class_name(config, label), name) == 0) return true;
    return false;
}

static const struct coco_category *find_category(const struct model_config *config, int32_t label,
                                                 const struct coco_set *set) {
    const char *name = class_name(config, label);
    for (int64_t i = 0; i < set->num_categories; i++)
        if (strcmp(set->categories[i].name, name) == 0) return &set->categories[i];
    const struct coco_category *category = coco_find_category(set, class_id(config, label));
    return category && !has_class_of_name(config, category->name) ? category : NULL;
}

static enum status refuse(const struct model_config *config, const struct coco_set *set,
                          struct error *err) {
    struct name_list ours = {0};
    struct name_list theirs = {0};
    for (int32_t label = 1; label <= config->classes.names.count; label++)
        name_list_add(&ours, class_name(config, label));
    for (int64_t i = 0; i < set->num_categories; i++)
        name_list_add(&theirs, set->categories[i].name);
    name_list_end(&ours);
    name_list_end(&theirs);
    return error_set(err, STATUS_DATA,
                     "%s has none of the model's classes: it has %s, the model %s", set->path,
                     theirs.count ? theirs.text : "no classes", ours.text);
}

static void map_class(struct class_map *map, const struct model_config *config, int32_t label,
                      const struct coco_set *set) {
    const char *name = class_name(config, label);
    const struct coco_category *category = find_category(config, label, set);
    map->categories[label] = category ? category->id : NO_CATEGORY;
    if (!category) {
        name_list_add(&map->missing, name);
        return;
    }
    if (strcmp(category->name, name) != 0) name_list_add_pair(&map->renamed, name, category->name);
    int32_t *mapped = &map->labels[category - set->categories];
    if (*mapped == 0) *mapped = label;
}

enum status class_map_make(struct class_map *map, const struct model_config *config,
                           const struct coco_set *set, struct arena *arena, struct error *err) {
    int64_t count = config->classes.names.count;
    *map = (struct class_map){
        .num_classes = count,
        .categories = arena_alloc(arena, count + 1, sizeof *map->categories),
        .labels = arena_alloc_zero(arena, set->num_categories, sizeof *map->labels),
    };
    if (!map->categories || !map->labels) return error_memory(err, "classes", count);
    map->categories[0] = NO_CATEGORY;
    for (int32_t label = 1; label <= count; label++)
        map_class(map, config, label, set);
    if (map->missing.count == count) return refuse(config, set, err);
    for (int64_t i = 0; i < set->num_categories; i++)
        if (map->labels[i] == 0) name_list_add(&map->unknown, set->categories[i].name);
    name_list_end(&map->renamed);
    name_list_end(&map->missing);
    name_list_end(&map->unknown);
    return STATUS_OK;
}

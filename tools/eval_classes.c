#include "tools/eval_classes.h"

enum status eval_map_classes(struct class_map *map, const struct detector *detector,
                             const struct coco_set *truth, const struct log *log,
                             struct arena *arena, struct error *err) {
    TRY(class_map_make(map, &detector->model.config, truth, arena, err));
    if (map->renamed.count > 0)
        log_message(log, LOG_WARNING,
                    "%s has classes of the model under other names, known by their ids: %s",
                    truth->path, map->renamed.text);
    if (map->missing.count > 0)
        log_message(log, LOG_WARNING, "%s lacks classes of the model: %s; they do not count",
                    truth->path, map->missing.text);
    if (map->unknown.count > 0)
        log_message(log, LOG_WARNING, "%s has classes that the model lacks: %s; none can be found",
                    truth->path, map->unknown.text);
    return STATUS_OK;
}

#include "formats/format.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file_view.h"
#include "base/json_reader.h"
#include "formats/file_tree.h"

const char *const FORMAT_NAMES[NUM_FORMATS + 1] = {
    [FORMAT_COCO] = "coco",
    [FORMAT_COCO_RESULTS] = "coco-results",
    [FORMAT_LABELME] = "labelme",
    [FORMAT_YOLO_SEG] = "yolo-seg",
    [FORMAT_LABEL_STUDIO] = "label-studio",
    [FORMAT_NDJSON] = "ndjson",
    [FORMAT_CSV] = "csv",
    [FORMAT_PNG] = "png",
    [NUM_FORMATS] = NULL,
};

static bool exists(const char *folder, const char *name) {
    char path[FILE_TREE_PATH_BYTES];
    struct stat info;
    return file_tree_path(path, folder, name, "", "", NULL) == STATUS_OK && stat(path, &info) == 0;
}

static bool holds(const char *folder, const char *suffix) {
    struct arena arena;
    struct file_tree tree;
    arena_init(&arena, 1 << 16, 0);
    enum status status = file_tree_find(&tree, folder, suffix, &arena, NULL);
    bool any = status == STATUS_OK && tree.count > 0;
    arena_destroy(&arena);
    return any;
}

// An object is COCO's set; an array holds results or tasks, whose keys tell them apart.
static enum annotation_format guess_json(const struct file_view *file) {
    struct json_reader r;
    struct json_string key;
    json_reader_init(&r, file->data, file->size, "", NULL);
    if (json_peek(&r) == JSON_OBJECT) return FORMAT_COCO;
    if (json_peek(&r) != JSON_ARRAY) return NUM_FORMATS;
    json_begin_array(&r);
    if (!json_next_element(&r) || json_peek(&r) != JSON_OBJECT) return NUM_FORMATS;
    json_begin_object(&r);
    while (json_next_key(&r, &key)) {
        if (json_string_is(&key, "image_id")) return FORMAT_COCO_RESULTS;
        if (json_string_is(&key, "data")) return FORMAT_LABEL_STUDIO;
        json_skip(&r);
    }
    return NUM_FORMATS;
}

enum annotation_format format_guess(const char *path) {
    struct stat info;
    struct file_view file;
    const char *dot = strrchr(path, '.');
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        if (exists(path, "data.yaml") && exists(path, "labels")) return FORMAT_YOLO_SEG;
        if (holds(path, ".png")) return FORMAT_PNG;
        return holds(path, ".json") ? FORMAT_LABELME : NUM_FORMATS;
    }
    if (dot && strcasecmp(dot, ".csv") == 0) return FORMAT_CSV;
    if (dot && (strcasecmp(dot, ".ndjson") == 0 || strcasecmp(dot, ".jsonl") == 0))
        return FORMAT_NDJSON;
    if (file_view_open(&file, path, 0, NULL) != STATUS_OK) return NUM_FORMATS;
    enum annotation_format format = guess_json(&file);
    file_view_close(&file);
    return format;
}

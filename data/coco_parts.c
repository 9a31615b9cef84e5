// One large array of annotations, read by several threads.
//
// Where a record begins cannot be known without reading all before it: "},{" may stand inside a
// string. So each thread but the first guesses a beginning near its share of the bytes and reads on
// from there; a part stops when it arrives, between two records, exactly at the guess of a later
// part, which proves that guess right by induction from the first part. Parts whose guess nobody
// arrives at were wrong and are dropped; the part before has then read their stretch itself. Wrong
// guesses cost time, never correctness.
#include <string.h>

#include "base/array.h"
#include "base/check.h"
#include "data/coco_internal.h"

enum {
    MAX_PARTS = 64,
    MIN_PART_BYTES = 1 << 16,
    DROP_BYTES = 4 << 20, // pages are given back in steps of this
};

struct parts {
    struct coco_part part[MAX_PARTS];
    int64_t count;
    const struct file_view *view;
};

// The next place at or after `at` that looks like the beginning of a record, or NULL.
static const char *guess_beginning(const char *at, const char *end) {
    while (at < end && (at = memchr(at, '}', (size_t)(end - at)))) {
        bool comma = false;
        for (at++; at < end && strchr(" \t\r\n,", *at) && *at; at++)
            comma |= *at == ',';
        if (comma && at < end && *at == '{') return at;
    }
    return NULL;
}

// Which later part begins at this place: its index, or -1.
static int64_t part_beginning_at(const struct parts *parts, int64_t after, const char *at) {
    for (int64_t i = after + 1; i < parts->count; i++)
        if (parts->part[i].begin == at) return i;
    return -1;
}

static void drop_pages(const struct parts *parts, const char **dropped, const char *at) {
    if (!parts->view || at - *dropped < DROP_BYTES) return;
    file_view_drop(parts->view, *dropped - parts->view->data, at - parts->view->data);
    *dropped = at;
}

// Reads records from the part's beginning until a later part's beginning or the end of the array.
static void read_part(void *context, int64_t index, int worker) {
    (void)worker;
    struct parts *parts = context;
    struct coco_part *part = &parts->part[index];
    struct json_reader *json = &part->json;
    const char *dropped = json->at;
    int64_t next = index + 1;
    part->reached = parts->count;
    while (json_next_element(json)) {
        // Guesses that were passed over can only be wrong.
        while (next < parts->count && parts->part[next].begin < json->at)
            next++;
        if (next < parts->count && parts->part[next].begin == json->at) {
            part->reached = part_beginning_at(parts, index, json->at);
            return;
        }
        enum status status =
            array_reserve(&part->annotations, &part->annotation_capacity, part->num_annotations + 1,
                          sizeof *part->annotations, &part->err);
        if (status != STATUS_OK) {
            json->status = status;
            return;
        }
        coco_read_annotation(part, &part->annotations[part->num_annotations++]);
        drop_pages(parts, &dropped, json->at);
    }
    part->at_end = *json;
}

static void plan_parts(struct parts *parts, const struct json_reader *json, int64_t count,
                       const struct coco_load_options *options) {
    int64_t bytes = json->end - json->at;
    if (count > bytes / MIN_PART_BYTES) count = bytes / MIN_PART_BYTES;
    if (count > MAX_PARTS) count = MAX_PARTS;
    if (count < 1) count = 1;
    parts->count = 0;
    for (int64_t i = 0; i < count; i++) {
        const char *begin = json->at;
        if (i > 0) begin = guess_beginning(json->at + bytes * i / count, json->end);
        if (!begin) break;
        if (i > 0 && begin <= parts->part[parts->count - 1].begin) continue;
        struct coco_part *part = &parts->part[parts->count++];
        coco_part_init(part, options);
        part->json = *json;
        part->json.err = &part->err;
        part->json.at = begin;
        part->json.at_first = i == 0 ? json->at_first : true;
        part->begin = begin;
    }
}

// Moves what a proven part found to the set.
static enum status append_part(struct coco_set *set, struct coco_part *part, struct error *err) {
    if (part->json.status != STATUS_OK)
        return error_set(err, part->err.code, "%s", part->err.message);
    arena_adopt(&set->arena, &part->arena);
    if (set->num_annotations == 0) {
        array_free(&set->annotations);
        set->annotations = part->annotations;
        set->num_annotations = part->num_annotations;
        set->annotation_capacity = part->annotation_capacity;
        part->annotations = NULL;
        return STATUS_OK;
    }
    TRY(array_reserve(&set->annotations, &set->annotation_capacity,
                      set->num_annotations + part->num_annotations, sizeof *set->annotations, err));
    if (part->num_annotations)
        memcpy(set->annotations + set->num_annotations, part->annotations,
               (size_t)part->num_annotations * sizeof *set->annotations);
    set->num_annotations += part->num_annotations;
    array_free(&part->annotations);
    return STATUS_OK;
}

enum status coco_read_annotation_array(struct coco_set *set, struct json_reader *json,
                                       const struct file_view *view,
                                       const struct coco_load_options *options, struct error *err) {
    json_begin_array(json);
    TRY(json_status(json));
    struct parts parts = {.view = view};
    plan_parts(&parts, json, options->workers ? workers_count(options->workers) : 1, options);
    if (options->workers)
        workers_run(options->workers, parts.count, 1, read_part, &parts);
    else
        read_part(&parts, 0, 0);
    enum status status = STATUS_OK;
    for (int64_t i = 0; i < parts.count && status == STATUS_OK; i = parts.part[i].reached) {
        status = append_part(set, &parts.part[i], err);
        if (parts.part[i].reached == parts.count) *json = parts.part[i].at_end;
    }
    for (int64_t i = 0; i < parts.count; i++)
        coco_part_destroy(&parts.part[i]);
    json->err = err;
    if (status == STATUS_OK)
        array_shrink(&set->annotations, &set->annotation_capacity, set->num_annotations,
                     sizeof *set->annotations);
    return status;
}

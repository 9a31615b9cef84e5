#include "data/coco_write.h"

#include <string.h>

#include "base/check.h"
#include "data/coco_json.h"

static const char *const section_keys[COCO_NUM_SECTIONS] = {
    [COCO_IMAGES_SECTION] = "images",
    [COCO_ANNOTATIONS_SECTION] = "annotations",
    [COCO_CATEGORIES_SECTION] = "categories",
};

enum status coco_writer_open_set(struct coco_writer *w, const char *path, const char *description,
                                 struct error *err) {
    *w = (struct coco_writer){0};
    TRY(output_open_file(&w->out, path, err));
    json_writer_init(&w->json, &w->out, 0);
    json_write_begin_object(&w->json);
    json_write_key(&w->json, "info");
    json_write_begin_object(&w->json);
    json_write_key_text(&w->json, "description", description);
    json_write_end_object(&w->json);
    return STATUS_OK;
}

enum status coco_writer_open_results(struct coco_writer *w, const char *path, struct error *err) {
    *w = (struct coco_writer){.is_results = true};
    TRY(output_open_file(&w->out, path, err));
    json_writer_init(&w->json, &w->out, 0);
    json_write_begin_array(&w->json);
    return STATUS_OK;
}

void coco_writer_open_results_text(struct coco_writer *w) {
    *w = (struct coco_writer){.is_results = true};
    output_open_memory(&w->out);
    json_writer_init(&w->json, &w->out, 0);
    json_write_begin_array(&w->json);
}

// ---- Pieces ----

static void write_box(struct coco_writer *w, const struct coco_box *box) {
    json_write_key(&w->json, "bbox");
    coco_json_box(&w->json, box);
}

static void write_polygons(struct coco_writer *w, const struct coco_segment *segment) {
    json_write_begin_array(&w->json);
    for (int64_t i = 0; i < segment->count; i++) {
        const struct polygon *polygon = &segment->polygons[i];
        json_write_begin_array(&w->json);
        for (int64_t k = 0; k < 2 * polygon->num_points; k++)
            json_write_double(&w->json, polygon->points[k]);
        json_write_end_array(&w->json);
    }
    json_write_end_array(&w->json);
}

static void write_rle(struct coco_writer *w, const struct coco_segment *segment) {
    json_write_begin_object(&w->json);
    json_write_key(&w->json, "size");
    json_write_begin_array(&w->json);
    json_write_int64(&w->json, segment->height);
    json_write_int64(&w->json, segment->width);
    json_write_end_array(&w->json);
    json_write_key(&w->json, "counts");
    if (segment->kind == SEGMENT_STRING) {
        json_write_bytes(&w->json, segment->string, segment->count);
    } else {
        json_write_begin_array(&w->json);
        for (int64_t i = 0; i < segment->count; i++)
            json_write_int64(&w->json, segment->counts[i]);
        json_write_end_array(&w->json);
    }
    json_write_end_object(&w->json);
}

static void write_segment(struct coco_writer *w, const struct coco_segment *segment) {
    if (segment->kind == SEGMENT_NONE) return;
    json_write_key(&w->json, "segmentation");
    if (segment->kind == SEGMENT_POLYGONS)
        write_polygons(w, segment);
    else
        write_rle(w, segment);
}

// ---- Sections and records ----

static void close_section(struct coco_writer *w) {
    if (w->section != COCO_NO_SECTION) json_write_end_array(&w->json);
    w->section = COCO_NO_SECTION;
}

// Begins the next record of a section, and the section's array if this is its first one. Records
// stand on lines of their own: the file stays readable, and tools that work by lines stay usable.
static void begin_record(struct coco_writer *w, enum coco_section section) {
    CHECK(!w->is_results);
    if (w->section != section) {
        close_section(w);
        CHECK(!w->is_written[section]); // an array is written in one piece
        json_write_key(&w->json, section_keys[section]);
        json_write_begin_array(&w->json);
        w->section = section;
        w->is_written[section] = true;
    }
    json_write_begin_object(&w->json);
}

static void end_record(struct coco_writer *w) {
    json_write_end_object(&w->json);
    output_text(&w->out, "\n");
}

void coco_write_image(struct coco_writer *w, const struct coco_image *image) {
    begin_record(w, COCO_IMAGES_SECTION);
    json_write_key_int64(&w->json, "id", image->id);
    if (image->width) json_write_key_int64(&w->json, "width", image->width);
    if (image->height) json_write_key_int64(&w->json, "height", image->height);
    if (image->file_name) json_write_key_text(&w->json, "file_name", image->file_name);
    if (image->exif_orientation > 1)
        json_write_key_int64(&w->json, "exif_orientation", image->exif_orientation);
    end_record(w);
}

void coco_write_category(struct coco_writer *w, const struct coco_category *category) {
    begin_record(w, COCO_CATEGORIES_SECTION);
    json_write_key_int64(&w->json, "id", category->id);
    json_write_key_text(&w->json, "name", category->name);
    json_write_key_text(&w->json, "supercategory", category->supercategory);
    end_record(w);
}

void coco_write_annotation(struct coco_writer *w, const struct coco_annotation *annotation) {
    begin_record(w, COCO_ANNOTATIONS_SECTION);
    json_write_key_int64(&w->json, "id", annotation->id);
    json_write_key_int64(&w->json, "image_id", annotation->image_id);
    json_write_key_int64(&w->json, "category_id", annotation->category_id);
    if (annotation->has_box) write_box(w, &annotation->box);
    if (annotation->has_area) json_write_key_double(&w->json, "area", annotation->area);
    json_write_key_int64(&w->json, "iscrowd", annotation->is_crowd);
    if (annotation->has_score) json_write_key_double(&w->json, "score", annotation->score);
    write_segment(w, &annotation->segment);
    end_record(w);
}

void coco_write_result(struct coco_writer *w, const struct coco_annotation *result) {
    CHECK(w->is_results);
    json_write_begin_object(&w->json);
    json_write_key_int64(&w->json, "image_id", result->image_id);
    json_write_key_int64(&w->json, "category_id", result->category_id);
    if (result->has_box) write_box(w, &result->box);
    json_write_key_double(&w->json, "score", result->score);
    write_segment(w, &result->segment);
    end_record(w);
}

static void end_document(struct coco_writer *w) {
    close_section(w);
    if (w->is_results) {
        json_write_end_array(&w->json);
    } else {
        for (enum coco_section s = COCO_IMAGES_SECTION; s < COCO_NUM_SECTIONS; s++) {
            if (w->is_written[s]) continue;
            json_write_key(&w->json, section_keys[s]);
            json_write_begin_array(&w->json);
            json_write_end_array(&w->json);
        }
        json_write_end_object(&w->json);
    }
    output_text(&w->out, "\n");
}

enum status coco_writer_commit(struct coco_writer *w, struct error *err) {
    end_document(w);
    return output_commit(&w->out, err);
}

enum status coco_writer_text(struct coco_writer *w, const char **text, int64_t *size,
                             struct error *err) {
    end_document(w);
    TRY(output_finish(&w->out, err));
    *text = w->out.data;
    *size = w->out.size;
    return STATUS_OK;
}

void coco_writer_discard(struct coco_writer *w) {
    output_discard(&w->out);
}

// ---- Segmentations from masks ----

static enum status string_from_rle(struct coco_segment *segment, const struct rle *rle,
                                   struct arena *arena, struct error *err) {
    struct output text;
    output_open_memory(&text);
    rle_write_string(rle, &text);
    enum status status = output_finish(&text, err);
    if (status == STATUS_OK) {
        segment->string = arena_copy_text(arena, text.data ? text.data : "", text.size);
        segment->count = text.size;
        if (!segment->string) status = error_memory(err, "a mask", text.size);
    }
    output_discard(&text);
    return status;
}

static enum status counts_from_rle(struct coco_segment *segment, const struct rle *rle,
                                   struct arena *arena, struct error *err) {
    int64_t *counts = arena_alloc(arena, rle->num_runs, sizeof *counts);
    if (!counts) return error_memory(err, "a mask", rle->num_runs * (long long)sizeof *counts);
    for (int64_t i = 0; i < rle->num_runs; i++)
        counts[i] = rle->runs[i];
    segment->counts = counts;
    segment->count = rle->num_runs;
    return STATUS_OK;
}

enum status coco_segment_from_rle(struct coco_segment *segment, const struct rle *rle,
                                  enum segment_kind kind, struct arena *arena, struct error *err) {
    CHECK(kind == SEGMENT_STRING || kind == SEGMENT_COUNTS);
    *segment = (struct coco_segment){.kind = kind, .height = rle->height, .width = rle->width};
    return kind == SEGMENT_STRING ? string_from_rle(segment, rle, arena, err)
                                  : counts_from_rle(segment, rle, arena, err);
}

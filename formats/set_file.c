#include "formats/set_file.h"

#include <stdio.h>

#include "base/array.h"
#include "base/check.h"
#include "formats/coco_set.h"
#include "formats/csv.h"
#include "formats/file_tree.h"
#include "formats/label_studio.h"
#include "formats/ndjson.h"

static const char *const INTERFACE_NAME = "label-studio.xml";

const char *set_file_name(enum annotation_format format) {
    switch (format) {
    case FORMAT_COCO:
        return "instances.json";
    case FORMAT_COCO_RESULTS:
        return "results.json";
    case FORMAT_LABEL_STUDIO:
        return "label-studio.json";
    case FORMAT_NDJSON:
        return "annotations.ndjson";
    case FORMAT_CSV:
        return "annotations.csv";
    case FORMAT_LABELME:
    case FORMAT_YOLO_SEG:
    case FORMAT_PNG:
    case NUM_FORMATS:
        break;
    }
    return NULL;
}

enum status set_file_open(struct set_file *file, enum annotation_format format,
                          const struct set_file_options *options, const char *folder,
                          struct error *err) {
    char path[FILE_TREE_PATH_BYTES];
    CHECK(set_file_name(format));
    *file = (struct set_file){.format = format, .options = *options, .folder = folder};
    TRY(file_tree_path(path, folder, set_file_name(format), "", "", err));
    if (format == FORMAT_COCO)
        return coco_writer_open_set(&file->coco, path, options->description, err);
    if (format == FORMAT_COCO_RESULTS) return coco_writer_open_results(&file->coco, path, err);
    TRY(output_open_file(&file->out, path, err));
    json_writer_init(&file->json, &file->out, 0);
    if (format == FORMAT_LABEL_STUDIO) json_write_begin_array(&file->json);
    if (format == FORMAT_CSV) csv_begin(&file->out);
    return STATUS_OK;
}

static enum status add_coco(struct set_file *file, const struct annotated_image *image,
                            struct arena *scratch, struct error *err) {
    const struct set_file_options *o = &file->options;
    TRY(array_reserve(&file->images, &file->image_capacity, file->num_images + 1,
                      sizeof *file->images, err));
    file->images[file->num_images++] = (struct coco_image){
        .id = image->id,
        .width = image->width,
        .height = image->height,
        .file_name = image->name,
        .exif_orientation = image->exif_orientation,
    };
    for (int64_t i = 0; i < image->num_objects; i++) {
        struct arena_mark mark = arena_mark(scratch);
        struct coco_annotation record;
        if (rle_area(&image->objects[i].mask) == 0) continue;
        TRY(coco_annotation_from(&record, image, &image->objects[i], o->classes, o->masks, scratch,
                                 err));
        record.id = ++file->num_annotations;
        coco_write_annotation(&file->coco, &record);
        arena_release(scratch, mark);
    }
    return STATUS_OK;
}

static enum status add_results(struct set_file *file, const struct annotated_image *image,
                               struct arena *scratch, struct error *err) {
    const struct set_file_options *o = &file->options;
    for (int64_t i = 0; i < image->num_objects; i++) {
        struct arena_mark mark = arena_mark(scratch);
        struct coco_annotation record;
        TRY(coco_result_from(&record, image, &image->objects[i], o->classes, o->masks, scratch,
                             err));
        coco_write_result(&file->coco, &record);
        arena_release(scratch, mark);
    }
    return STATUS_OK;
}

enum status set_file_add(struct set_file *file, const struct annotated_image *image, double *ious,
                         struct arena *scratch, struct error *err) {
    const struct set_file_options *o = &file->options;
    for (int64_t i = 0; i < image->num_objects; i++)
        ious[i] = 1;
    switch (file->format) {
    case FORMAT_COCO:
        return add_coco(file, image, scratch, err);
    case FORMAT_COCO_RESULTS:
        return add_results(file, image, scratch, err);
    case FORMAT_LABEL_STUDIO:
        return label_studio_write(&file->json, image, o->classes, o->label_studio_prefix, scratch,
                                  err);
    case FORMAT_NDJSON:
        return ndjson_write(&file->out, image, o->classes, err);
    case FORMAT_CSV:
        csv_write(&file->out, image, o->classes, ious);
        return STATUS_OK;
    case FORMAT_LABELME:
    case FORMAT_YOLO_SEG:
    case FORMAT_PNG:
    case NUM_FORMATS:
        break;
    }
    CHECK(false);
    return STATUS_INTERNAL;
}

static enum status write_interface(const struct set_file *file, struct error *err) {
    char path[FILE_TREE_PATH_BYTES];
    struct output out;
    TRY(file_tree_path(path, file->folder, INTERFACE_NAME, "", "", err));
    TRY(output_open_file(&out, path, err));
    label_studio_write_interface(&out, file->options.classes);
    return output_commit(&out, err);
}

enum status set_file_commit(struct set_file *file, struct error *err) {
    if (file->format == FORMAT_COCO) {
        for (int64_t i = 0; i < file->num_images; i++)
            coco_write_image(&file->coco, &file->images[i]);
        for (int64_t i = 0; i < file->options.classes->count; i++)
            coco_write_category(&file->coco, &file->options.classes->items[i]);
    }
    if (file->format == FORMAT_COCO || file->format == FORMAT_COCO_RESULTS)
        return coco_writer_commit(&file->coco, err);
    if (file->format == FORMAT_LABEL_STUDIO) {
        json_write_end_array(&file->json);
        output_text(&file->out, "\n");
        TRY(write_interface(file, err));
    }
    return output_commit(&file->out, err);
}

void set_file_discard(struct set_file *file) {
    coco_writer_discard(&file->coco);
    output_discard(&file->out);
    array_free(&file->images);
}

#include "tools/annotate_outputs.h"

#include "formats/yolo_seg.h"
#include "train/folder.h"

void annotate_outputs_complete(struct annotate_output_options *options) {
    if (options->html && options->overlay == OVERLAY_NONE) options->overlay = OVERLAY_JPG;
}

static bool is_one_file(const struct annotate_outputs *outputs, enum annotation_format format) {
    return set_file_name(format) && annotate_wants(outputs->options, format);
}

enum status annotate_outputs_open(struct annotate_outputs *outputs,
                                  const struct annotate_output_options *options,
                                  const struct class_list *classes, const char *description,
                                  struct error *err) {
    const struct set_file_options file = {
        .classes = classes,
        .masks = options->masks == 0 ? SEGMENT_STRING : SEGMENT_COUNTS,
        .description = description,
        .label_studio_prefix = options->label_studio_prefix,
    };
    *outputs = (struct annotate_outputs){.options = options, .classes = classes};
    TRY(folder_make(options->out, err));
    TRY(gallery_init(&outputs->gallery, options, classes, err));
    TRY(roundtrip_open(&outputs->roundtrip, options, err));
    for (enum annotation_format f = 0; f < NUM_FORMATS; f++)
        if (is_one_file(outputs, f))
            TRY(set_file_open(&outputs->files[f], f, &file, options->out, err));
    return STATUS_OK;
}

enum status annotate_outputs_add(struct annotate_outputs *outputs,
                                 const struct annotated_image *image,
                                 const struct annotate_losses *losses, struct arena *scratch,
                                 struct error *err) {
    double *ious = arena_alloc(scratch, image->num_objects, sizeof *ious);
    if (!ious) return error_memory(err, "overlaps", 8 * image->num_objects);
    for (enum annotation_format f = 0; f < NUM_FORMATS; f++) {
        if (is_one_file(outputs, f))
            TRY(set_file_add(&outputs->files[f], image, ious, scratch, err));
        if (outputs->roundtrip.formats[f].is_used && (losses->ious[f] || f == FORMAT_CSV))
            roundtrip_add(&outputs->roundtrip, f, image, outputs->classes,
                          f == FORMAT_CSV ? ious : losses->ious[f]);
    }
    return outputs->options->html ? gallery_add(&outputs->gallery, image, err) : STATUS_OK;
}

static enum status save_yolo_classes(const struct annotate_outputs *outputs, struct error *err) {
    char path[PATH_BYTES];
    struct output out;
    TRY(path_join(path, outputs->options->out, "yolo-seg/labels", err));
    TRY(folder_make(path, err));
    TRY(path_join(path, outputs->options->out, "yolo-seg/data.yaml", err));
    TRY(output_open_file(&out, path, err));
    yolo_seg_write_classes(&out, outputs->classes);
    return output_commit(&out, err);
}

enum status annotate_outputs_commit(struct annotate_outputs *outputs, struct error *err) {
    for (enum annotation_format f = 0; f < NUM_FORMATS; f++)
        if (is_one_file(outputs, f)) TRY(set_file_commit(&outputs->files[f], err));
    if (annotate_wants(outputs->options, FORMAT_YOLO_SEG)) TRY(save_yolo_classes(outputs, err));
    if (outputs->options->html) TRY(gallery_save(&outputs->gallery, err));
    return roundtrip_commit(&outputs->roundtrip, outputs->options, err);
}

void annotate_outputs_discard(struct annotate_outputs *outputs) {
    for (enum annotation_format f = 0; f < NUM_FORMATS; f++)
        set_file_discard(&outputs->files[f]);
    roundtrip_discard(&outputs->roundtrip);
    gallery_destroy(&outputs->gallery);
}

#include "tools/annotate_roundtrip.h"

#include <stdio.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "train/folder.h"

static const char *const REPORT_NAME = "roundtrip.jsonl";

enum status roundtrip_open(struct annotate_roundtrip *report,
                           const struct annotate_output_options *options, struct error *err) {
    char path[PATH_BYTES];
    *report = (struct annotate_roundtrip){.min_iou = options->min_iou};
    report->formats[FORMAT_CSV].is_used = annotate_wants(options, FORMAT_CSV);
    report->formats[FORMAT_PNG].is_used = annotate_wants(options, FORMAT_PNG);
    report->formats[FORMAT_YOLO_SEG].is_used = annotate_wants(options, FORMAT_YOLO_SEG);
    report->formats[FORMAT_LABELME].is_used =
        annotate_wants(options, FORMAT_LABELME) && options->labelme_shapes == LABELME_POLYGONS;
    TRY(path_join(path, options->out, REPORT_NAME, err));
    return output_open_file(&report->out, path, err);
}

static void write_line(struct output *out, enum annotation_format format, const char *name,
                       int64_t object, const char *class, double iou) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_write_begin_object(&w);
    json_write_key_text(&w, "format", FORMAT_NAMES[format]);
    json_write_key_text(&w, "file_name", name);
    json_write_key_int64(&w, "object", object);
    json_write_key_text(&w, "class", class);
    json_write_key_double(&w, "iou", iou);
    json_write_end_object(&w);
    output_text(out, "\n");
}

void roundtrip_add(struct annotate_roundtrip *report, enum annotation_format format,
                   const struct annotated_image *image, const struct class_list *classes,
                   const double *ious) {
    struct format_losses *losses = &report->formats[format];
    for (int64_t i = 0; i < image->num_objects; i++) {
        const char *class = classes->items[image->objects[i].class_index].name;
        if (losses->num_objects == 0 || ious[i] < losses->worst) {
            losses->worst = ious[i];
            snprintf(losses->worst_object, sizeof losses->worst_object,
                     "object %lld (%.60s) of %.150s", (long long)i + 1, class, image->name);
        }
        losses->num_objects++;
        losses->sum += ious[i];
        losses->num_exact += ious[i] >= 1;
        losses->num_below += ious[i] < report->min_iou;
        if (ious[i] < 1) write_line(&report->out, format, image->name, i + 1, class, ious[i]);
    }
}

enum status roundtrip_commit(struct annotate_roundtrip *report,
                             const struct annotate_output_options *options, struct error *err) {
    char path[PATH_BYTES];
    for (enum annotation_format f = 0; f < NUM_FORMATS; f++)
        if (report->formats[f].is_used) return output_commit(&report->out, err);
    output_discard(&report->out);
    TRY(path_join(path, options->out, REPORT_NAME, err));
    (void)unlink(path);
    return STATUS_OK;
}

void roundtrip_log(const struct annotate_roundtrip *report, const struct log *log) {
    for (enum annotation_format f = 0; f < NUM_FORMATS; f++) {
        const struct format_losses *losses = &report->formats[f];
        if (!losses->is_used || losses->num_objects == 0) continue;
        if (losses->num_exact == losses->num_objects)
            log_message(log, LOG_INFO, "%s: all %lld objects come back exact", FORMAT_NAMES[f],
                        (long long)losses->num_objects);
        else
            log_message(log, LOG_INFO,
                        "%s: %lld of %lld objects come back exact; IoU %.4f in the mean, at worst "
                        "%.4f: %s",
                        FORMAT_NAMES[f], (long long)losses->num_exact,
                        (long long)losses->num_objects, losses->sum / (double)losses->num_objects,
                        losses->worst, losses->worst_object);
    }
}

enum status roundtrip_check(const struct annotate_roundtrip *report, struct error *err) {
    for (enum annotation_format f = 0; f < NUM_FORMATS; f++) {
        const struct format_losses *losses = &report->formats[f];
        if (losses->num_below == 0) continue;
        return error_set(err, STATUS_DATA,
                         "%s: %s comes back with an IoU of %.4f, below %g; so do %lld others (%s "
                         "lists them)",
                         FORMAT_NAMES[f], losses->worst_object, losses->worst, report->min_iou,
                         (long long)losses->num_below - 1, REPORT_NAME);
    }
    return STATUS_OK;
}

void roundtrip_discard(struct annotate_roundtrip *report) {
    output_discard(&report->out);
}

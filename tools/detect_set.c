#include "tools/detect_set.h"

#include <string.h>

#include "data/coco_image.h"
#include "data/coco_write.h"
#include "detector/coco_result.h"
#include "tools/interrupt.h"

enum { BLOCK_BYTES = 1 << 20 };

// So long an image may take before the other processes think that this one is stuck.
static const double IMAGE_SECONDS = 300;

// ---- One process's images ----

static enum status write_results(const struct detect_set *run, const struct coco_image *image,
                                 const struct detection_list *list, struct coco_writer *w,
                                 struct arena *arena, struct error *err) {
    for (int64_t i = 0; i < list->count; i++) {
        struct coco_annotation result;
        int64_t category = run->classes->categories[list->items[i].label];
        if (category == NO_CATEGORY) continue;
        TRY(coco_result_of(&result, &list->items[i], image->id, category, arena, err));
        coco_write_result(w, &result);
    }
    return STATUS_OK;
}

static enum status detect_in(const struct detect_set *run, const struct coco_image *image,
                             struct coco_writer *w, struct arena *arena, struct error *err) {
    struct image pixels;
    struct detection_list list;
    TRY(coco_image_load(&pixels, run->truth, image, run->image_folder, arena, err));
    enum status status = detector_detect(run->detector, &pixels, 1, NULL, arena, &list, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s: ", image->file_name);
        return status;
    }
    if (run->progress) progress_done(run->progress, list.count);
    return write_results(run, image, &list, w, arena, err);
}

static enum status detect_in_share(const struct detect_set *run, struct coco_writer *w,
                                   bool *interrupted, struct error *err) {
    int rank = communicator_rank(run->communicator);
    int size = communicator_size(run->communicator);
    int64_t number = 0; // of the wanted images
    for (int64_t i = 0; i < run->truth->num_images; i++) {
        if (run->wanted && !run->wanted[i]) continue;
        if (number++ % size != rank) continue;
        *interrupted = interrupt_asked();
        if (*interrupted) return STATUS_OK;
        struct arena arena;
        arena_init(&arena, BLOCK_BYTES, 0);
        communicator_allow(run->communicator, IMAGE_SECONDS);
        enum status status = detect_in(run, &run->truth->images[i], w, &arena, err);
        arena_destroy(&arena);
        communicator_tick(run->communicator);
        TRY(status);
    }
    return STATUS_OK;
}

// Signals reach processes at different times: all give up if one does.
static enum status agree(const struct detect_set *run, bool interrupted, struct error *err) {
    double count = interrupted;
    TRY(communicator_sum_doubles(run->communicator, &count, 1, err));
    return count > 0 ? error_set(err, STATUS_CANCELLED, "interrupted") : STATUS_OK;
}

// ---- All processes' results ----

// The elements of an array in JSON, as coco_writer writes it.
static void write_elements(struct output *out, const struct communicator_part *part, bool *any) {
    const char *begin = strchr(part->bytes, '[') + 1;
    const char *end = (const char *)part->bytes + part->size;
    while (*--end != ']')
        ;
    if (end == begin) return;
    if (*any) output_text(out, ",");
    output_write(out, begin, end - begin);
    *any = true;
}

static void write_all(struct output *out, const struct communicator_part *parts, int count) {
    bool any = false;
    output_text(out, "[");
    for (int i = 0; i < count; i++)
        write_elements(out, &parts[i], &any);
    output_text(out, "]\n");
}

static enum status save(const struct detect_set *run, const struct output *text,
                        struct error *err) {
    if (!run->save) return STATUS_OK;
    enum status status = output_save(run->save, text->data, text->size, err);
    if (status != STATUS_CANNOT_WRITE || !run->log) return status;
    log_message(run->log, LOG_WARNING, "%s", err->message);
    return STATUS_OK;
}

static enum status load_all(const struct detect_set *run, const struct communicator_part *parts,
                            struct coco_set *results, struct error *err) {
    struct output text;
    const struct coco_load_options load = {0};
    output_open_memory(&text);
    write_all(&text, parts, communicator_size(run->communicator));
    enum status status = output_finish(&text, err);
    if (status == STATUS_OK) status = save(run, &text, err);
    if (status == STATUS_OK)
        status = coco_parse_results(results, text.data, text.size, "results", &load, err);
    output_discard(&text);
    return status;
}

static enum status collect(const struct detect_set *run, struct coco_writer *w,
                           struct coco_set *results, struct error *err) {
    const char *text = NULL;
    int64_t size = 0;
    struct arena arena;
    struct communicator_part *parts = NULL;
    TRY(coco_writer_text(w, &text, &size, err));
    arena_init(&arena, BLOCK_BYTES, 0);
    enum status status = communicator_gather(run->communicator, text, size, &arena, &parts, err);
    if (status == STATUS_OK && parts) status = load_all(run, parts, results, err);
    arena_destroy(&arena);
    return status;
}

enum status detect_set_run(const struct detect_set *run, struct coco_set *results,
                           struct error *err) {
    struct coco_writer w;
    *results = (struct coco_set){0};
    coco_writer_open_results_text(&w);
    bool interrupted = false;
    enum status status = detect_in_share(run, &w, &interrupted, err);
    if (run->progress) progress_clear(run->progress);
    if (status == STATUS_OK) status = agree(run, interrupted, err);
    if (status == STATUS_OK) status = collect(run, &w, results, err);
    coco_writer_discard(&w);
    return status;
}

#include "tools/detect_set.h"

#include "data/coco_image.h"
#include "data/coco_write.h"
#include "detector/coco_result.h"
#include "tools/interrupt.h"

enum { BLOCK_BYTES = 1 << 20 };

// So long an image may take before the other processes think that this one is stuck.
static const double IMAGE_SECONDS = 300;

int64_t detect_set_num_images(const struct detect_set *run) {
    int64_t count = 0;
    for (int64_t i = 0; i < run->truth->num_images; i++)
        count += !run->wanted || run->wanted[i];
    return count;
}

int64_t detect_set_share(const struct detect_set *run) {
    int64_t size = communicator_size(run->communicator);
    return (detect_set_num_images(run) + size - 1 - communicator_rank(run->communicator)) / size;
}

// ---- One process's images ----

// The results of this process's images, as one text.
struct share {
    struct coco_writer writer;
    int64_t *ends; // where those of each image end in it
    int64_t count; // images so far
    bool interrupted;
};

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

static enum status detect_in_share(const struct detect_set *run, struct share *share,
                                   struct error *err) {
    int rank = communicator_rank(run->communicator);
    int size = communicator_size(run->communicator);
    int64_t number = 0; // of the wanted images
    for (int64_t i = 0; i < run->truth->num_images; i++) {
        if (run->wanted && !run->wanted[i]) continue;
        if (number++ % size != rank) continue;
        share->interrupted = interrupt_asked();
        if (share->interrupted) return STATUS_OK;
        struct arena arena;
        arena_init(&arena, BLOCK_BYTES, 0);
        communicator_allow(run->communicator, IMAGE_SECONDS);
        enum status status = detect_in(run, &run->truth->images[i], &share->writer, &arena, err);
        arena_destroy(&arena);
        communicator_tick(run->communicator);
        TRY(status);
        share->ends[share->count++] = share->writer.out.size;
    }
    return STATUS_OK;
}

// Signals reach processes at different times: all give up if one does.
static enum status agree(const struct detect_set *run, const struct share *share,
                         struct error *err) {
    double counts[] = {share->interrupted, (double)share->count};
    TRY(communicator_sum_doubles(run->communicator, counts, 2, err));
    if (counts[0] == 0) return STATUS_OK;
    return error_set(err, STATUS_CANCELLED, "interrupted after %.0f of %lld images", counts[1],
                     (long long)detect_set_num_images(run));
}

// ---- All processes' results ----

// Of each process.
struct gathered {
    const struct communicator_part *texts;
    const struct communicator_part *ends; // of its images in its text
};

// The results of an image, which is the index-th of its process: records as coco_writer writes
// them, with a comma in front of all but the text's first.
static void write_image(struct output *out, const struct communicator_part *text,
                        const int64_t *ends, int64_t index, bool *any) {
    const char *bytes = text->bytes;
    int64_t begin = index > 0 ? ends[index - 1] : 1; // behind the bracket
    if (begin == ends[index]) return;
    if (bytes[begin] == ',') begin++;
    if (*any) output_text(out, ",");
    output_write(out, bytes + begin, ends[index] - begin);
    *any = true;
}

// In the order of the images, of which each process had the next one in turn.
static void write_all(const struct detect_set *run, const struct gathered *all,
                      struct output *out) {
    int size = communicator_size(run->communicator);
    int64_t count = detect_set_num_images(run);
    bool any = false;
    output_text(out, "[");
    for (int64_t i = 0; i < count; i++)
        write_image(out, &all->texts[i % size], all->ends[i % size].bytes, i / size, &any);
    output_text(out, "]\n");
}

// A file that need not be there costs a warning.
static enum status forgive(const struct detect_set *run, enum status status,
                           const struct error *err) {
    if (status != STATUS_CANNOT_WRITE || !run->log) return status;
    log_message(run->log, LOG_WARNING, "%s", err->message);
    return STATUS_OK;
}

static enum status try_to_save(const struct detect_set *run, struct error *err) {
    struct output file;
    if (!run->save || communicator_rank(run->communicator) > 0) return STATUS_OK;
    TRY(forgive(run, output_open_file(&file, run->save, err), err));
    output_discard(&file);
    return STATUS_OK;
}

static enum status load_all(const struct detect_set *run, const struct gathered *all,
                            struct coco_set *results, struct error *err) {
    struct output text;
    const struct coco_load_options load = {0};
    output_open_memory(&text);
    write_all(run, all, &text);
    enum status status = output_finish(&text, err);
    if (status == STATUS_OK && run->save)
        status = forgive(run, output_save(run->save, text.data, text.size, err), err);
    if (status == STATUS_OK)
        status = coco_parse_results(results, text.data, text.size, run->name, &load, err);
    output_discard(&text);
    return status;
}

static enum status collect(const struct detect_set *run, struct share *share, struct arena *arena,
                           struct coco_set *results, struct error *err) {
    const char *text = NULL;
    int64_t size = 0;
    struct communicator_part *texts = NULL;
    struct communicator_part *ends = NULL;
    TRY(coco_writer_text(&share->writer, &text, &size, err));
    TRY(communicator_gather(run->communicator, text, size, arena, &texts, err));
    TRY(communicator_gather(run->communicator, share->ends,
                            share->count * (int64_t)sizeof *share->ends, arena, &ends, err));
    return texts ? load_all(run, &(struct gathered){texts, ends}, results, err) : STATUS_OK;
}

static enum status detect(const struct detect_set *run, struct share *share, struct arena *arena,
                          struct coco_set *results, struct error *err) {
    int64_t count = detect_set_share(run);
    share->ends = arena_alloc(arena, count, sizeof *share->ends);
    if (!share->ends) return error_memory(err, "results", count * (int64_t)sizeof *share->ends);
    TRY(try_to_save(run, err));
    enum status status = detect_in_share(run, share, err);
    if (run->progress) progress_clear(run->progress);
    TRY(status);
    TRY(agree(run, share, err));
    return collect(run, share, arena, results, err);
}

enum status detect_set_run(const struct detect_set *run, struct coco_set *results,
                           struct error *err) {
    struct share share = {0};
    struct arena arena;
    *results = (struct coco_set){0};
    coco_writer_open_results_text(&share.writer);
    arena_init(&arena, BLOCK_BYTES, 0);
    enum status status = detect(run, &share, &arena, results, err);
    arena_destroy(&arena);
    coco_writer_discard(&share.writer);
    return status;
}

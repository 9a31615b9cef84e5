// From records to outputs.
#include <string.h>

#include "base/json_writer.h"
#include "tools/annotate_run.h"
#include "train/folder.h"

static void write_failure(struct output *out, const struct annotate_record *record) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_write_begin_object(&w);
    json_write_key_text(&w, "path", record->file);
    json_write_key_text(&w, "code", record->code);
    json_write_key_text(&w, "message", record->message);
    json_write_end_object(&w);
    output_text(out, "\n");
}

static enum status add_record(struct annotate_run *run, int64_t index, struct output *failures,
                              struct annotate_outputs *outputs, struct arena *scratch,
                              struct error *err) {
    const struct journal_line *line = &run->journal.lines[index];
    struct annotate_record record;
    if (!line->text) return STATUS_OK; // left out by an interruption
    TRY(record_read(&record, line->text, line->size, "journal", false, &run->classes, scratch,
                    err));
    if (record.failed) {
        write_failure(failures, &record);
        return STATUS_OK;
    }
    record.image.id = index + 1;
    record.image.name = run->files.items[index].name;
    run->num_pictures++;
    run->num_objects += record.image.num_objects;
    return annotate_outputs_add(outputs, &record.image, &record.losses, scratch, err);
}

static enum status add_records(struct annotate_run *run, struct output *failures,
                               struct annotate_outputs *outputs, struct error *err) {
    enum { BLOCK_BYTES = 1 << 20 };
    struct arena scratch;
    enum status status = STATUS_OK;
    arena_init(&scratch, BLOCK_BYTES, 0);
    for (int64_t i = 0; i < run->files.count && status == STATUS_OK; i++) {
        struct arena_mark mark = arena_mark(&scratch);
        status = add_record(run, i, failures, outputs, &scratch, err);
        arena_release(&scratch, mark);
        communicator_tick(run->communicator);
    }
    arena_destroy(&scratch);
    return status;
}

enum status annotate_finish(struct annotate_run *run, struct annotate_outputs *outputs,
                            struct error *err) {
    const char *folder = run->options->outputs.out;
    char path[PATH_BYTES];
    struct output failures;
    journal_close(&run->journal);
    TRY(journal_load(&run->journal, folder, &run->files, run->invocation->arena, err));
    TRY(annotate_outputs_open(outputs, &run->options->outputs, &run->classes,
                              "detections of gctmask", err));
    TRY(path_join(path, folder, "failures.jsonl", err));
    TRY(output_open_file(&failures, path, err));
    enum status status = add_records(run, &failures, outputs, err);
    if (status == STATUS_OK) status = annotate_outputs_commit(outputs, err);
    if (status == STATUS_OK) status = output_commit(&failures, err);
    output_discard(&failures);
    // Last, so that a run that is killed before knows that it has to do this again.
    if (status == STATUS_OK)
        status = journal_compact(&run->journal, folder, NULL, run->files.count, err);
    return status;
}

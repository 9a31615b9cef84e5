// The lines of an annotation run (tools/annotate_record.h) on disk: DIR/manifest.jsonl, a line for
// each picture in the order of their names, whole at any time; and while a run goes on,
// DIR/journal-R.jsonl of each process R, to which lines are appended as pictures are done. A killed
// run leaves journals, and at most a part of a line at their ends, which counts as nothing.
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "tools/annotate_inputs.h"

// ---- Reading ----

struct journal_line {
    const char *text; // without its newline; NULL: there is none
    int64_t size;
};

struct journal {
    struct file_view *views; // from the heap
    int64_t num_views;
    int64_t view_capacity;
    struct journal_line *lines; // [number of files], the newest of each; in an arena
    const char **strangers;     // from the heap: paths in records of files that are not among these
    int64_t num_strangers;
    int64_t stranger_capacity;
    bool has_journals; // what a run that was killed leaves
};

// How a picture is called in records: its name, with bytes that are no UTF-8 written as \xNN.
MUST_CHECK enum status journal_path(const char **path, const char *name, struct arena *arena,
                                    struct error *err);

// Finds the newest line of each file. Lines that cannot be read are passed over.
MUST_CHECK enum status journal_load(struct journal *journal, const char *folder,
                                    const struct input_files *files, struct arena *arena,
                                    struct error *err);
void journal_close(struct journal *journal); // a zeroed one is fine

// Writes manifest.jsonl from the lines that the journal has, and removes the journals. Line i stays
// if keep is NULL or keep[i].
MUST_CHECK enum status journal_compact(const struct journal *journal, const char *folder,
                                       const bool *keep, int64_t num_files, struct error *err);

// How many lines process rank has written since *counted, the bytes that were looked at before,
// which moves on.
int64_t journal_count(const char *folder, int rank, int64_t *counted);

// Removes manifest and journals.
MUST_CHECK enum status journal_remove(const char *folder, struct error *err);

// ---- Writing ----

struct journal_writer {
    int descriptor;
    char path[4096];
    double last_sync;
};

MUST_CHECK enum status journal_open(struct journal_writer *writer, const char *folder, int rank,
                                    struct error *err);

// Appends whole lines, and has them and the files that they tell of on disk some seconds later.
MUST_CHECK enum status journal_append(struct journal_writer *writer, const char *text, int64_t size,
                                      struct error *err);
MUST_CHECK enum status journal_end(struct journal_writer *writer, struct error *err);

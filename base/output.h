// Where text and bytes go: memory, a descriptor, or a file that appears only when it is complete.
//
// Errors are sticky: after the first failure writes do nothing, and the failure is reported once,
// by output_finish or output_commit. Code that prints a hundred lines checks one status.
//
//     struct output out;
//     TRY(output_open_file(&out, "results.json", err));
//     output_printf(&out, "[%d]\n", count);
//     return output_commit(&out, err);
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum output_kind { OUTPUT_MEMORY, OUTPUT_DESCRIPTOR, OUTPUT_FILE };

struct output {
    enum output_kind kind;
    char *data;           // the buffer; for OUTPUT_MEMORY all that was written, NUL-terminated
    int64_t size;         // bytes in the buffer
    int64_t capacity;     // of the buffer
    int descriptor;       // OUTPUT_DESCRIPTOR and OUTPUT_FILE
    char *path;           // OUTPUT_FILE: the final name
    char *temporary;      // OUTPUT_FILE: the name while it is being written, in the same folder
    struct error failure; // code is STATUS_OK until something fails
};

// Collects in memory; read out->data and out->size; free with output_discard.
void output_open_memory(struct output *out);

// Writes through a small buffer to an open descriptor (standard output), which stays open.
void output_open_descriptor(struct output *out, int descriptor);

// Starts a file beside path. Readers see the old file or the whole new one, never a part. A link is
// followed; a device, a pipe or a folder of that name is an error.
MUST_CHECK enum status output_open_file(struct output *out, const char *path, struct error *err);

// Whether a name is one that a file has while it is being written: what is left of a process that
// was killed.
bool output_is_temporary(const char *name);

void output_write(struct output *out, const void *bytes, int64_t size);
void output_text(struct output *out, const char *text);
void output_printf(struct output *out, const char *format, ...) PRINTF_LIKE(2, 3);

// Text that may hold anything, for a terminal: control characters show as \xNN.
void output_printable(struct output *out, const char *text, int64_t size);

// Flushes and reports the first failure. Memory stays readable until output_discard.
MUST_CHECK enum status output_finish(struct output *out, struct error *err);

// OUTPUT_FILE only: flush, fsync, rename to the final name, fsync of the folder, free. On failure
// the temporary file is removed and an old file of that name is untouched.
MUST_CHECK enum status output_commit(struct output *out, struct error *err);

// The same without waiting for the disk: for many small files that can be made again. Readers see
// the old file or the new one as ever; only after a crash of the whole system may it be empty or
// missing, until the file system was synced.
MUST_CHECK enum status output_publish(struct output *out, struct error *err);

// Frees; a file that was not committed is removed. Safe after commit and on a zeroed struct.
void output_discard(struct output *out);

// One call for small documents: atomically writes size bytes to path.
MUST_CHECK enum status output_save(const char *path, const void *bytes, int64_t size,
                                   struct error *err);

// Model files in Hugging Face's safetensors format: named arrays that any program can read and that
// hold no code. https://github.com/huggingface/safetensors describes it:
//
//     8 bytes    N, the size of the header, little-endian
//     N bytes    {"NAME": {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}, ..,
//                 "__metadata__": {"KEY": "TEXT", ..}} in JSON, padded with spaces
//     the rest   the data: little-endian, in C order; the tensors cover it without hole or overlap
//
// The reader trusts nothing in a file. The writer adds a checksum of the whole file to its
// metadata, which the reader verifies; files of other programs have none and are taken as they are.
//
//     struct safetensors file;
//     TRY(safetensors_open(&file, path, true, &arena, err));
//     const struct safetensor *weight = safetensors_find(&file, "conv1.weight");
//     if (weight && weight->count == count) status = safetensor_to_float(weight, values, err);
//     safetensors_close(&file);
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/file_view.h"
#include "base/output.h"

enum { SAFETENSOR_MAX_DIMS = 8, SAFETENSORS_MAX_HEADER_BYTES = 16 << 20 };

// The key of the metadata that holds the checksum. It is the reader's and the writer's business and
// shows up in no struct.
#define SAFETENSORS_CHECKSUM_KEY "checksum"

enum safetensor_dtype {
    SAFETENSOR_F64,
    SAFETENSOR_F32,
    SAFETENSOR_F16,
    SAFETENSOR_BF16,
    SAFETENSOR_I64,
    SAFETENSOR_I32,
    SAFETENSOR_I16,
    SAFETENSOR_I8,
    SAFETENSOR_U8,
    SAFETENSOR_BOOL,
};

struct safetensor {
    const char *name;
    const char *file; // that it was read from, for messages; NULL for one that is to be written
    enum safetensor_dtype dtype;
    int num_dims; // 0 for a scalar
    int64_t shape[SAFETENSOR_MAX_DIMS];
    int64_t count;    // product of shape
    const void *data; // of any alignment: safetensor_to_float and memcpy do not mind
    int64_t bytes;
};

struct safetensors_text {
    const char *key;
    const char *value;
};

struct safetensors {
    struct file_view view;    // empty if read from memory
    struct safetensor *items; // sorted by name
    int64_t count;
    struct safetensors_text *metadata; // sorted by key, without the checksum
    int64_t num_metadata;
    bool has_checksum;
};

// Maps the file at path, checks all of its header and, if verify, the checksum if there is one:
// this reads all of the data. What the header says is kept in arena; path is borrowed for messages.
MUST_CHECK enum status safetensors_open(struct safetensors *file, const char *path, bool verify,
                                        struct arena *arena, struct error *err);

// The same for a file in memory, which must stay in place. name is borrowed for messages.
MUST_CHECK enum status safetensors_read(struct safetensors *file, const char *bytes, int64_t size,
                                        const char *name, bool verify, struct arena *arena,
                                        struct error *err);

// Unmaps; a zeroed struct is fine. The data of the tensors is gone afterwards.
void safetensors_close(struct safetensors *file);

// NULL if there is none of that name.
const struct safetensor *safetensors_find(const struct safetensors *file, const char *name);

// The text under key in the metadata, or NULL.
const char *safetensors_metadata(const struct safetensors *file, const char *key);

// "F32" and so on, as in the file.
const char *safetensor_dtype_name(enum safetensor_dtype dtype);
int64_t safetensor_dtype_bytes(enum safetensor_dtype dtype);

// Writes count float32 to out. Integers are refused (STATUS_UNSUPPORTED), and so are finite F64
// beyond the range of float32 (STATUS_DATA). Rounds to nearest.
MUST_CHECK enum status safetensor_to_float(const struct safetensor *tensor, float *out,
                                           struct error *err);

// A tensor of float32 to be written; name and data are borrowed.
struct safetensor safetensor_of_floats(const char *name, int num_dims, const int64_t *shape,
                                       const float *data);

// Writes a file with the tensors in the order given. Names and keys must be unique, and the key of
// the checksum is taken. Failures of out are left for output_commit to report. (Wider types should
// come first: then all data is aligned, which some readers want.)
MUST_CHECK enum status safetensors_write(struct output *out, const struct safetensor *items,
                                         int64_t count, const struct safetensors_text *metadata,
                                         int64_t num_metadata, struct error *err);

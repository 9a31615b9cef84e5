// The writer: a header built in memory, with the checksum of all that will follow it.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json_writer.h"
#include "detector/safetensors.h"
#include "detector/safetensors_internal.h"

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// That no two of the texts, and none of them and reserved, are equal. Sorts them.
static void check_unique(const char **texts, int64_t count, const char *reserved) {
    if (count) qsort(texts, (size_t)count, sizeof *texts, compare_texts);
    for (int64_t i = 0; i < count; i++) {
        CHECK(strcmp(texts[i], reserved) != 0);
        CHECK(i == 0 || strcmp(texts[i - 1], texts[i]) != 0);
    }
}

static enum status check_names(const struct safetensor *items, int64_t count,
                               const struct safetensors_text *metadata, int64_t num_metadata,
                               struct error *err) {
    struct arena arena;
    arena_init(&arena, 1 << 12, 0);
    const char **names = arena_alloc(&arena, count, sizeof *names);
    const char **keys = arena_alloc(&arena, num_metadata, sizeof *keys);
    bool enough = names && keys;
    if (enough) {
        for (int64_t i = 0; i < count; i++)
            names[i] = items[i].name;
        for (int64_t i = 0; i < num_metadata; i++)
            keys[i] = metadata[i].key;
        check_unique(names, count, SAFETENSORS_METADATA_NAME);
        check_unique(keys, num_metadata, SAFETENSORS_CHECKSUM_KEY);
    }
    arena_destroy(&arena);
    if (enough) return STATUS_OK;
    return error_memory(err, "the names of a model file",
                        (count + num_metadata) * (long long)sizeof *names);
}

static void check_size(const struct safetensor *item) {
    int64_t count = 1;
    int64_t bytes = 0;
    CHECK(item->num_dims >= 0 && item->num_dims <= SAFETENSOR_MAX_DIMS);
    for (int i = 0; i < item->num_dims; i++) {
        CHECK(item->shape[i] >= 0);
        CHECK(!__builtin_mul_overflow(count, item->shape[i], &count));
    }
    CHECK(!__builtin_mul_overflow(count, safetensor_dtype_bytes(item->dtype), &bytes));
    CHECK(item->count == count && item->bytes == bytes);
}

static void write_metadata(struct json_writer *w, const struct safetensors_text *metadata,
                           int64_t num_metadata) {
    json_write_key(w, SAFETENSORS_METADATA_NAME);
    json_write_begin_object(w);
    json_write_key_text(w, SAFETENSORS_CHECKSUM_KEY,
                        SAFETENSORS_CHECKSUM_PREFIX SAFETENSORS_CHECKSUM_ZEROS);
    for (int64_t i = 0; i < num_metadata; i++)
        json_write_key_text(w, metadata[i].key, metadata[i].value);
    json_write_end_object(w);
}

// Returns where the tensor's data ends.
static int64_t write_tensor(struct json_writer *w, const struct safetensor *item, int64_t begin) {
    json_write_key(w, item->name);
    json_write_begin_object(w);
    json_write_key_text(w, "dtype", safetensor_dtype_name(item->dtype));
    json_write_key(w, "shape");
    json_write_begin_array(w);
    for (int i = 0; i < item->num_dims; i++)
        json_write_int64(w, item->shape[i]);
    json_write_end_array(w);
    json_write_key(w, "data_offsets");
    json_write_begin_array(w);
    json_write_int64(w, begin);
    json_write_int64(w, begin + item->bytes);
    json_write_end_array(w);
    json_write_end_object(w);
    return begin + item->bytes;
}

// The size, the header with zeros for a checksum, and the padding that aligns the data to 8 bytes.
static enum status build_header(struct output *header, const struct safetensor *items,
                                int64_t count, const struct safetensors_text *metadata,
                                int64_t num_metadata, struct error *err) {
    struct json_writer w;
    uint64_t size = 0;
    int64_t end = 0;
    output_write(header, &size, sizeof size);
    json_writer_init(&w, header, 0);
    json_write_begin_object(&w);
    write_metadata(&w, metadata, num_metadata);
    for (int64_t i = 0; i < count; i++)
        end = write_tensor(&w, &items[i], end);
    json_write_end_object(&w);
    output_write(header, "        ", (8 - header->size % 8) % 8);
    TRY(output_finish(header, err));
    size = (uint64_t)header->size - sizeof size;
    if (size > SAFETENSORS_MAX_HEADER_BYTES)
        return error_set(err, STATUS_UNSUPPORTED,
                         "the header of %lld tensors takes %llu bytes, expected at most %d",
                         (long long)count, (unsigned long long)size, SAFETENSORS_MAX_HEADER_BYTES);
    memcpy(header->data, &size, sizeof size);
    return STATUS_OK;
}

static void set_checksum(struct output *header, const struct safetensor *items, int64_t count) {
    // The metadata comes first, and the checksum first in it.
    static const char before[] = "{\"" SAFETENSORS_METADATA_NAME "\":{\"" SAFETENSORS_CHECKSUM_KEY
                                 "\":\"" SAFETENSORS_CHECKSUM_PREFIX;
    char *digits = header->data + SAFETENSORS_SIZE_BYTES + sizeof before - 1;
    CHECK(memcmp(digits, SAFETENSORS_CHECKSUM_ZEROS, SAFETENSORS_DIGITS) == 0);
    uint32_t crc = safetensors_crc32(0, header->data, header->size);
    for (int64_t i = 0; i < count; i++)
        crc = safetensors_crc32(crc, items[i].data, items[i].bytes);
    safetensors_write_digits(digits, crc);
}

// In pieces, so that the output's buffer stays small.
static void write_data(struct output *out, const struct safetensor *item) {
    const int64_t piece = 1 << 20;
    const char *data = item->data;
    for (int64_t at = 0; at < item->bytes; at += piece)
        output_write(out, data + at, item->bytes - at < piece ? item->bytes - at : piece);
}

enum status safetensors_write(struct output *out, const struct safetensor *items, int64_t count,
                              const struct safetensors_text *metadata, int64_t num_metadata,
                              struct error *err) {
    for (int64_t i = 0; i < count; i++)
        check_size(&items[i]);
    TRY(check_names(items, count, metadata, num_metadata, err));
    struct output header;
    output_open_memory(&header);
    enum status status = build_header(&header, items, count, metadata, num_metadata, err);
    if (status == STATUS_OK) {
        set_checksum(&header, items, count);
        output_write(out, header.data, header.size);
        for (int64_t i = 0; i < count; i++)
            write_data(out, &items[i]);
    }
    output_discard(&header);
    return status;
}

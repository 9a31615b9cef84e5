// The reader: the header's size, its JSON, that the tensors cover the data, the checksum.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_reader.h"
#include "detector/safetensors.h"
#include "detector/safetensors_internal.h"

struct header {
    struct safetensors *file;
    const char *name; // of the file
    const char *data; // what follows the header
    int64_t data_bytes;
    struct json_reader json;
    int64_t capacity;          // of file->items
    int64_t metadata_capacity; // of file->metadata
    bool has_metadata;
    struct json_string checksum; // as it stands in the text, if file->has_checksum
    struct arena *arena;
    struct error *err;
};

// ---- Helpers ----

// Reports an error of a tensor, once. (The JSON reader's status is that of the whole header.)
static void fail(struct header *h, const char *tensor, enum status status, const char *format, ...)
    PRINTF_LIKE(4, 5);
static void fail(struct header *h, const char *tensor, enum status status, const char *format,
                 ...) {
    if (h->json.status != STATUS_OK) return;
    char message[ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    h->json.status = error_set(h->err, status, "%s: tensor \"%.64s\" %s", h->name, tensor, message);
}

static void fail_memory(struct header *h, int64_t bytes) {
    if (h->json.status == STATUS_OK)
        h->json.status = error_memory(h->err, "the header of a model file", bytes);
}

// items with room for one more than count; NULL, with the error set, without memory.
static void *reserve(struct header *h, void *items, int64_t count, int64_t *capacity,
                     size_t item_bytes) {
    enum { FIRST_CAPACITY = 64 };
    if (count < *capacity) return items;
    int64_t grown = *capacity ? 2 * *capacity : FIRST_CAPACITY;
    void *moved = arena_alloc(h->arena, grown, item_bytes);
    if (!moved) {
        fail_memory(h, grown * (int64_t)item_bytes);
        return NULL;
    }
    if (count) memcpy(moved, items, (size_t)count * item_bytes);
    *capacity = grown;
    return moved;
}

// The unescaped key in the arena; NULL on an error.
static const char *copy_key(struct header *h, const struct json_string *key) {
    char *text = arena_alloc(h->arena, key->size + 1, 1);
    if (!text) {
        fail_memory(h, key->size + 1);
        return NULL;
    }
    int64_t size = json_string_unescape(key, text);
    text[size] = '\0';
    if (memchr(text, '\0', (size_t)size)) {
        json_fail(&h->json, "this key contains \\u0000");
        return NULL;
    }
    return text;
}

// ---- Metadata ----

static void read_metadata(struct header *h) {
    struct json_reader *json = &h->json;
    struct safetensors *file = h->file;
    if (h->has_metadata) json_fail(json, "the key \"__metadata__\" stands here a second time");
    h->has_metadata = true;
    struct json_string key;
    json_begin_object(json);
    while (json_next_key(json, &key)) {
        if (json_string_is(&key, SAFETENSORS_CHECKSUM_KEY)) {
            if (file->has_checksum) json_fail(json, "the checksum stands here a second time");
            h->checksum = json_string(json);
            file->has_checksum = true;
            continue;
        }
        struct safetensors_text text = {.key = copy_key(h, &key)};
        text.value = json_text(json, h->arena);
        struct safetensors_text *texts =
            reserve(h, file->metadata, file->num_metadata, &h->metadata_capacity, sizeof text);
        if (json_status(json) != STATUS_OK) return;
        file->metadata = texts;
        file->metadata[file->num_metadata++] = text;
    }
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(((const struct safetensors_text *)a)->key,
                  ((const struct safetensors_text *)b)->key);
}

static enum status sort_metadata(struct header *h) {
    struct safetensors *file = h->file;
    if (file->num_metadata)
        qsort(file->metadata, (size_t)file->num_metadata, sizeof *file->metadata, compare_texts);
    for (int64_t i = 1; i < file->num_metadata; i++) {
        if (compare_texts(&file->metadata[i - 1], &file->metadata[i]) == 0)
            return error_set(h->err, STATUS_DATA,
                             "%s: the metadata has the key \"%.64s\" twice, expected once", h->name,
                             file->metadata[i].key);
    }
    return STATUS_OK;
}

// ---- One tensor ----

static void read_dtype(struct header *h, struct safetensor *item) {
    struct json_string text = json_string(&h->json);
    for (int i = 0; i <= SAFETENSOR_BOOL; i++) {
        item->dtype = (enum safetensor_dtype)i;
        if (json_string_is(&text, safetensor_dtype_name(item->dtype))) return;
    }
    enum { SHOWN_BYTES = 32 };
    int shown = text.size < SHOWN_BYTES ? (int)text.size : SHOWN_BYTES;
    fail(h, item->name, STATUS_UNSUPPORTED,
         "is of type \"%.*s\", expected F64, F32, F16, BF16, I64, I32, I16, I8, U8 or BOOL", shown,
         text.data);
}

static void read_shape(struct header *h, struct safetensor *item) {
    struct json_reader *json = &h->json;
    json_begin_array(json);
    while (json_next_element(json)) {
        int64_t size = json_int64(json);
        if (size < 0) json_fail(json, "expected a size of 0 or more, found %lld", (long long)size);
        if (item->num_dims == SAFETENSOR_MAX_DIMS) {
            fail(h, item->name, STATUS_UNSUPPORTED, "has more than the %d dimensions expected",
                 SAFETENSOR_MAX_DIMS);
            return;
        }
        item->shape[item->num_dims++] = size;
    }
}

static void read_offsets(struct header *h, const struct safetensor *item, int64_t offsets[2]) {
    struct json_reader *json = &h->json;
    int64_t num = 0;
    json_begin_array(json);
    while (json_next_element(json)) {
        int64_t offset = json_int64(json);
        if (num < 2) offsets[num] = offset;
        num++;
    }
    if (num != 2)
        fail(h, item->name, STATUS_DATA, "has %lld data_offsets, expected 2", (long long)num);
}

// "[2, 3]"; cut if it does not fit, which only sizes of many digits do not.
static const char *shape_text(const struct safetensor *item, char *text, size_t size) {
    size_t at = 0;
    for (int i = 0; i < item->num_dims && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%lld", i ? ", " : "[",
                               (long long)item->shape[i]);
    if (at < size) snprintf(text + at, size - at, item->num_dims ? "]" : "[]");
    return text;
}

// Whether the extent of the data is possible and the one that type and shape ask for; points to it.
static void place_data(struct header *h, struct safetensor *item, const int64_t offsets[2]) {
    char shape[128];
    const char *type = safetensor_dtype_name(item->dtype);
    int64_t bytes = safetensor_dtype_bytes(item->dtype);
    bool overflow = false;
    item->count = 1;
    for (int i = 0; i < item->num_dims; i++)
        overflow |= __builtin_mul_overflow(item->count, item->shape[i], &item->count);
    overflow |= __builtin_mul_overflow(item->count, bytes, &item->bytes);
    if (overflow) {
        fail(h, item->name, STATUS_DATA, "has %s of shape %s, more than any memory holds", type,
             shape_text(item, shape, sizeof shape));
    } else if (offsets[0] < 0 || offsets[1] < offsets[0]) {
        fail(h, item->name, STATUS_DATA,
             "has the data_offsets %lld and %lld, expected 0 <= begin <= end",
             (long long)offsets[0], (long long)offsets[1]);
    } else if (offsets[1] > h->data_bytes) {
        fail(h, item->name, STATUS_DATA,
             "ends at byte %lld of the data, expected at most %lld: the file may have been cut off",
             (long long)offsets[1], (long long)h->data_bytes);
    } else if (offsets[1] - offsets[0] != item->bytes) {
        fail(h, item->name, STATUS_DATA, "has %lld bytes of data, expected %lld for %s of shape %s",
             (long long)(offsets[1] - offsets[0]), (long long)item->bytes, type,
             shape_text(item, shape, sizeof shape));
    } else {
        item->data = h->data + offsets[0];
    }
}

static void read_tensor(struct header *h, const struct json_string *key) {
    static const char *const fields[] = {"dtype", "shape", "data_offsets"};
    enum { DTYPE, SHAPE, OFFSETS, NUM_FIELDS };
    struct json_reader *json = &h->json;
    struct safetensors *file = h->file;
    struct safetensor item = {.name = copy_key(h, key), .file = h->name};
    int64_t offsets[2] = {0};
    bool seen[NUM_FIELDS] = {false};
    struct json_string field;
    json_begin_object(json);
    while (json_next_key(json, &field)) {
        int i = 0;
        while (i < NUM_FIELDS && !json_string_is(&field, fields[i]))
            i++;
        if (i == NUM_FIELDS) {
            json_fail(json, "expected dtype, shape or data_offsets, found another key");
            break;
        }
        if (seen[i]) json_fail(json, "the key \"%s\" stands here a second time", fields[i]);
        seen[i] = true;
        if (i == DTYPE) read_dtype(h, &item);
        if (i == SHAPE) read_shape(h, &item);
        if (i == OFFSETS) read_offsets(h, &item, offsets);
    }
    for (int i = 0; i < NUM_FIELDS; i++)
        if (!seen[i]) fail(h, item.name, STATUS_DATA, "has no %s, expected one", fields[i]);
    if (json_status(json) == STATUS_OK) place_data(h, &item, offsets);
    struct safetensor *items = reserve(h, file->items, file->count, &h->capacity, sizeof item);
    if (json_status(json) != STATUS_OK) return;
    file->items = items;
    file->items[file->count++] = item;
}

// ---- All tensors ----

static int compare_places(const void *a, const void *b) {
    const struct safetensor *left = a;
    const struct safetensor *right = b;
    const char *left_data = left->data;
    const char *right_data = right->data;
    if (left_data != right_data) return left_data < right_data ? -1 : 1;
    // Of those at one place, the empty ones come first.
    return left->bytes < right->bytes ? -1 : left->bytes > right->bytes;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct safetensor *)a)->name, ((const struct safetensor *)b)->name);
}

// Each tensor must begin where the one before it ends, and the last one end where the data does.
static enum status check_coverage(struct header *h) {
    struct safetensors *file = h->file;
    int64_t end = 0;
    if (file->count) qsort(file->items, (size_t)file->count, sizeof *file->items, compare_places);
    for (int64_t i = 0; i < file->count; i++) {
        const struct safetensor *item = &file->items[i];
        int64_t begin = (const char *)item->data - h->data;
        if (begin != end)
            fail(h, item->name, STATUS_DATA,
                 "begins at byte %lld of the data, expected %lld, where the one before it ends",
                 (long long)begin, (long long)end);
        end = begin + item->bytes;
    }
    TRY(json_status(&h->json));
    if (end != h->data_bytes)
        return error_set(h->err, STATUS_DATA,
                         "%s: %lld bytes of data, expected %lld, where the last tensor ends",
                         h->name, (long long)h->data_bytes, (long long)end);
    return STATUS_OK;
}

static enum status sort_names(struct header *h) {
    struct safetensors *file = h->file;
    if (file->count) qsort(file->items, (size_t)file->count, sizeof *file->items, compare_names);
    for (int64_t i = 1; i < file->count; i++) {
        if (compare_names(&file->items[i - 1], &file->items[i]) == 0)
            fail(h, file->items[i].name, STATUS_DATA, "is there twice, expected once");
    }
    return json_status(&h->json);
}

// ---- The file ----

static enum status verify_checksum(const struct header *h, const char *bytes, int64_t size) {
    const struct json_string *text = &h->checksum;
    if (text->escaped || text->size != SAFETENSORS_PREFIX_BYTES + SAFETENSORS_DIGITS ||
        memcmp(text->data, SAFETENSORS_CHECKSUM_PREFIX, SAFETENSORS_PREFIX_BYTES) != 0)
        return error_set(h->err, STATUS_UNSUPPORTED,
                         "%s: its checksum is of an unknown kind, expected \"crc32:\" and eight "
                         "digits",
                         h->name);
    const char *digits = text->data + SAFETENSORS_PREFIX_BYTES;
    const char *rest = digits + SAFETENSORS_DIGITS;
    uint32_t crc = safetensors_crc32(0, bytes, digits - bytes);
    crc = safetensors_crc32(crc, SAFETENSORS_CHECKSUM_ZEROS, SAFETENSORS_DIGITS);
    TRY(safetensors_crc32_of_file(&crc, rest, bytes + size - rest, h->err));
    char found[SAFETENSORS_DIGITS];
    safetensors_write_digits(found, crc);
    if (memcmp(found, digits, SAFETENSORS_DIGITS) != 0)
        return error_set(h->err, STATUS_DATA,
                         "%s: the data does not match its checksum (found %.8s, expected %.8s): "
                         "the file was damaged, or changed without a new checksum",
                         h->name, found, digits);
    return STATUS_OK;
}

// Finds the header's text and checks that it is all there.
static enum status find_header(struct header *h, const char *bytes, int64_t size,
                               struct error *err) {
    if (size < SAFETENSORS_SIZE_BYTES)
        return error_set(err, STATUS_DATA,
                         "%s: %lld bytes, expected at least the %d that begin a safetensors file",
                         h->name, (long long)size, SAFETENSORS_SIZE_BYTES);
    uint64_t header_bytes = 0;
    memcpy(&header_bytes, bytes, sizeof header_bytes);
    if (header_bytes > SAFETENSORS_MAX_HEADER_BYTES)
        return error_set(err, STATUS_DATA,
                         "%s: a header of %llu bytes, expected at most %d: this may be no "
                         "safetensors file",
                         h->name, (unsigned long long)header_bytes, SAFETENSORS_MAX_HEADER_BYTES);
    int64_t rest = size - SAFETENSORS_SIZE_BYTES;
    if ((int64_t)header_bytes > rest)
        return error_set(err, STATUS_DATA,
                         "%s: a header of %lld bytes, expected at most the %lld that follow: the "
                         "file may have been cut off",
                         h->name, (long long)header_bytes, (long long)rest);
    const char *text = bytes + SAFETENSORS_SIZE_BYTES;
    if (header_bytes == 0 || text[0] != '{')
        return error_set(err, STATUS_DATA,
                         "%s: the header does not begin with '{', expected of a safetensors file",
                         h->name);
    h->data = text + header_bytes;
    h->data_bytes = rest - (int64_t)header_bytes;
    json_reader_init(&h->json, text, (int64_t)header_bytes, h->name, err);
    return STATUS_OK;
}

static enum status read_file(struct header *h, const char *bytes, int64_t size, bool verify) {
    TRY(find_header(h, bytes, size, h->err));
    struct json_string key;
    json_begin_object(&h->json);
    while (json_next_key(&h->json, &key)) {
        if (json_string_is(&key, SAFETENSORS_METADATA_NAME))
            read_metadata(h);
        else
            read_tensor(h, &key);
    }
    json_end(&h->json);
    TRY(json_status(&h->json));
    TRY(check_coverage(h));
    TRY(sort_names(h));
    TRY(sort_metadata(h));
    return verify && h->file->has_checksum ? verify_checksum(h, bytes, size) : STATUS_OK;
}

enum status safetensors_read(struct safetensors *file, const char *bytes, int64_t size,
                             const char *name, bool verify, struct arena *arena,
                             struct error *err) {
    *file = (struct safetensors){0};
    struct header h = {.file = file, .name = name, .arena = arena, .err = err};
    struct arena_mark mark = arena_mark(arena);
    enum status status = read_file(&h, bytes, size, verify);
    if (status != STATUS_OK) {
        arena_release(arena, mark);
        *file = (struct safetensors){0};
    }
    return status;
}

enum status safetensors_open(struct safetensors *file, const char *path, bool verify,
                             struct arena *arena, struct error *err) {
    *file = (struct safetensors){0};
    struct file_view view;
    TRY(file_view_open(&view, path, 0, err));
    enum status status = safetensors_read(file, view.data, view.size, path, verify, arena, err);
    if (status == STATUS_OK)
        file->view = view;
    else
        file_view_close(&view);
    return status;
}

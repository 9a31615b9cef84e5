#include "detector/import/torch_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detector/import/zip.h"

struct reader {
    struct torch_file *file;
    const char *bytes;
    int64_t size;
    const char *name;
    struct arena *arena;
    struct error *err;
};

static int compare_keys(struct pickle_text a, struct pickle_text b) {
    int64_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter ? memcmp(a.data, b.data, (size_t)shorter) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_storages(const void *a, const void *b) {
    return compare_keys(((const struct torch_storage *)a)->key,
                        ((const struct torch_storage *)b)->key);
}

const struct torch_storage *torch_file_find(const struct torch_file *file, struct pickle_text key) {
    struct torch_storage wanted = {.key = key};
    if (!file->num_storages) return NULL;
    return bsearch(&wanted, file->storages, (size_t)file->num_storages, sizeof wanted,
                   compare_storages);
}

static int compare_references(const void *a, const void *b) {
    const struct pickle_storage *const *left = a;
    const struct pickle_storage *const *right = b;
    return compare_keys((*left)->key, (*right)->key);
}

// The storages that the pickle refers to, each once and as large as the largest reference says; in
// *types the types of their elements. They have no data yet.
static enum status list_storages(const struct reader *r, struct pickle *pickle,
                                 enum safetensor_dtype **types) {
    struct torch_file *file = r->file;
    int64_t count = pickle->num_storages;
    file->storages = arena_alloc(r->arena, count, sizeof *file->storages);
    *types = arena_alloc(r->arena, count, sizeof **types);
    if (!file->storages || !*types) return error_memory(r->err, "a list of storages", count);
    if (count) qsort(pickle->storages, (size_t)count, sizeof(void *), compare_references);
    for (int64_t i = 0; i < count; i++) {
        const struct pickle_storage *storage = pickle->storages[i];
        int64_t bytes = 0;
        if (__builtin_mul_overflow(storage->count, safetensor_dtype_bytes(storage->dtype), &bytes))
            return error_set(r->err, STATUS_DATA, "%s: a storage of %lld elements", r->name,
                             (long long)storage->count);
        struct torch_storage *last = file->storages + file->num_storages - 1;
        if (i > 0 && compare_keys(last->key, storage->key) == 0) {
            if (last->bytes < bytes) last->bytes = bytes;
            continue;
        }
        (*types)[file->num_storages] = storage->dtype;
        file->storages[file->num_storages++] = (struct torch_storage){storage->key, NULL, bytes};
    }
    return STATUS_OK;
}

static enum status too_small(const struct reader *r, const struct torch_storage *storage,
                             int64_t bytes) {
    return error_set(r->err, STATUS_DATA,
                     "%s: storage %.*s has %lld bytes, expected %lld: the file may have been cut "
                     "off",
                     r->name, storage->key.size < 32 ? (int)storage->key.size : 32,
                     storage->key.data, (long long)bytes, (long long)storage->bytes);
}

// ---- Zip archives ----

enum { NAME_BYTES = 512 };

// "FOLDER/data/KEY" in the archive; NULL if there is none.
static const struct zip_entry *find_storage(const struct zip *zip, struct pickle_text folder,
                                            struct pickle_text key) {
    char name[NAME_BYTES];
    int size = snprintf(name, sizeof name, "%.*sdata/%.*s", (int)folder.size, folder.data,
                        key.size < NAME_BYTES ? (int)key.size : NAME_BYTES, key.data);
    return size > 0 && size < NAME_BYTES ? zip_find(zip, name, size) : NULL;
}

static enum status find_zip_storages(const struct reader *r, const struct zip *zip,
                                     struct pickle_text folder) {
    int64_t left = zip->size;
    for (int64_t i = 0; i < r->file->num_storages; i++) {
        struct torch_storage *storage = &r->file->storages[i];
        const struct zip_entry *entry = find_storage(zip, folder, storage->key);
        if (!entry) return too_small(r, storage, 0);
        // Each byte of the file is read once at most, even if entries lie over one another.
        left -= entry->size;
        if (left < 0)
            return error_set(r->err, STATUS_DATA, "%s: zip: entries of more bytes than the file",
                             r->name);
        TRY(zip_data(zip, entry, &storage->data, r->err));
        if (entry->size < storage->bytes) return too_small(r, storage, entry->size);
    }
    return STATUS_OK;
}

// The pickle's entry; the folder that holds everything is what stands before "data.pkl".
static const struct zip_entry *find_pickle(const struct zip *zip, struct pickle_text *folder) {
    static const char name[] = "data.pkl";
    enum { SIZE = sizeof name - 1 };
    for (int64_t i = 0; i < zip->count; i++) {
        const struct zip_entry *entry = &zip->entries[i];
        int64_t before = entry->name_size - SIZE;
        if (before < 0 || before > NAME_BYTES || memcmp(entry->name + before, name, SIZE) != 0)
            continue;
        const char *slash = before ? memchr(entry->name, '/', (size_t)before) : NULL;
        if (before > 0 && slash != entry->name + before - 1) continue;
        *folder = (struct pickle_text){entry->name, before};
        return entry;
    }
    return NULL;
}

static enum status check_byte_order(const struct reader *r, const struct zip *zip,
                                    struct pickle_text folder) {
    char name[NAME_BYTES + 16];
    int size = snprintf(name, sizeof name, "%.*sbyteorder", (int)folder.size, folder.data);
    const struct zip_entry *entry = zip_find(zip, name, size);
    const char *data = NULL;
    if (!entry) return STATUS_OK; // older versions note none
    TRY(zip_data(zip, entry, &data, r->err));
    if (entry->size == 6 && memcmp(data, "little", 6) == 0) return STATUS_OK;
    return error_set(r->err, STATUS_UNSUPPORTED,
                     "%s: its numbers are big-endian, expected little-endian", r->name);
}

static enum status read_zip(const struct reader *r) {
    struct zip zip;
    struct pickle pickle;
    struct pickle_text folder;
    const char *data = NULL;
    enum safetensor_dtype *types = NULL;
    TRY(zip_read(&zip, r->bytes, r->size, r->name, r->arena, r->err));
    const struct zip_entry *entry = find_pickle(&zip, &folder);
    if (!entry)
        return error_set(r->err, STATUS_DATA,
                         "%s: a zip archive without data.pkl: it was not written by torch.save",
                         r->name);
    TRY(check_byte_order(r, &zip, folder));
    TRY(zip_data(&zip, entry, &data, r->err));
    TRY(pickle_read(&pickle, data, entry->size, r->name, r->arena, r->err));
    TRY(list_storages(r, &pickle, &types));
    r->file->container = TORCH_ZIP;
    r->file->root = pickle.root;
    return find_zip_storages(r, &zip, folder);
}

// ---- The old container ----

// PyTorch's magic number, 0x1950a86a20f9469cfc6c, little-endian.
static const char MAGIC[] = "\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19";
enum { MAGIC_BYTES = sizeof MAGIC - 1, LEGACY_PROTOCOL = 1001 };

static bool is_magic(const struct pickle_value *value) {
    return value->kind == PICKLE_LONG && value->text.size == MAGIC_BYTES &&
           memcmp(value->text.data, MAGIC, MAGIC_BYTES) == 0;
}

// The next pickle of the file.
static enum status next_pickle(const struct reader *r, int64_t *at, struct pickle *pickle) {
    TRY(pickle_read(pickle, r->bytes + *at, r->size - *at, r->name, r->arena, r->err));
    *at += pickle->size;
    return STATUS_OK;
}

static enum status read_legacy_storage(const struct reader *r, const struct pickle_value *key,
                                       const enum safetensor_dtype *types, int64_t *at) {
    bool is_text = key->kind == PICKLE_TEXT || key->kind == PICKLE_BYTES;
    const struct torch_storage *found = is_text ? torch_file_find(r->file, key->text) : NULL;
    if (!found)
        return error_set(r->err, STATUS_DATA, "%s: a storage that no tensor refers to", r->name);
    struct torch_storage *storage = &r->file->storages[found - r->file->storages];
    int64_t left = r->size - *at;
    int64_t count = 0;
    int64_t bytes = 0;
    if (left < (int64_t)sizeof count) return too_small(r, storage, 0);
    memcpy(&count, r->bytes + *at, sizeof count);
    left -= (int64_t)sizeof count;
    int64_t element = safetensor_dtype_bytes(types[found - r->file->storages]);
    if (count < 0 || __builtin_mul_overflow(count, element, &bytes) || bytes > left)
        return too_small(r, storage, left);
    if (bytes < storage->bytes) return too_small(r, storage, bytes);
    storage->data = r->bytes + *at + sizeof count;
    *at += (int64_t)sizeof count + bytes;
    return STATUS_OK;
}

// *at is behind the magic number.
static enum status read_legacy(const struct reader *r, int64_t at) {
    struct pickle pickle;
    struct pickle keys;
    enum safetensor_dtype *types = NULL;
    TRY(next_pickle(r, &at, &pickle));
    if (pickle.root->kind != PICKLE_INT || pickle.root->integer != LEGACY_PROTOCOL)
        return error_set(r->err, STATUS_UNSUPPORTED,
                         "%s: a version of PyTorch's format other than "
                         "%d",
                         r->name, LEGACY_PROTOCOL);
    TRY(next_pickle(r, &at, &pickle));
    const struct pickle_value *order = pickle_get(pickle.root, "little_endian");
    if (order && order->kind == PICKLE_BOOL && !order->integer)
        return error_set(r->err, STATUS_UNSUPPORTED,
                         "%s: its numbers are big-endian, expected little-endian", r->name);
    TRY(next_pickle(r, &at, &pickle));
    TRY(list_storages(r, &pickle, &types));
    TRY(next_pickle(r, &at, &keys));
    if (keys.root->kind != PICKLE_LIST)
        return error_set(r->err, STATUS_DATA, "%s: %s, expected the list of storages", r->name,
                         pickle_kind_name(keys.root->kind));
    for (int64_t i = 0; i < keys.root->list.count; i++)
        TRY(read_legacy_storage(r, keys.root->list.items[i], types, &at));
    for (int64_t i = 0; i < r->file->num_storages; i++)
        if (!r->file->storages[i].data) return too_small(r, &r->file->storages[i], 0);
    r->file->container = TORCH_LEGACY;
    r->file->root = pickle.root;
    return STATUS_OK;
}

// ---- Which it is ----

// How pickles begin: with their protocol, or, of protocols 0 and 1, with an empty container, a mark
// or a name.
static bool may_be_pickle(const char *bytes, int64_t size) {
    static const char starts[] = "\x80(}]c";
    return size > 0 && memchr(starts, bytes[0], sizeof starts - 1) != NULL;
}

enum status torch_file_read(struct torch_file *file, const char *bytes, int64_t size,
                            const char *name, struct arena *arena, struct error *err) {
    struct reader r = {file, bytes, size, name, arena, err};
    struct pickle pickle;
    *file = (struct torch_file){0};
    if (size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0) return read_zip(&r);
    if (!may_be_pickle(bytes, size))
        return error_set(err, STATUS_DATA,
                         "%s: neither a file of PyTorch, nor a pickle, nor a safetensors file",
                         name);
    TRY(pickle_read(&pickle, bytes, size, name, arena, err));
    if (is_magic(pickle.root)) return read_legacy(&r, pickle.size);
    if (pickle.num_storages)
        return error_set(err, STATUS_DATA, "%s: refers to storages of PyTorch's, but holds none",
                         name);
    file->container = TORCH_PICKLE;
    file->root = pickle.root;
    return STATUS_OK;
}

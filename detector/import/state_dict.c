#include "detector/import/state_dict.h"

#include <stdlib.h>
#include <string.h>

#include "detector/import/torch_file.h"

enum { MAX_NAME_BYTES = 512, MAX_LEVELS = 4 };

struct builder {
    struct state_dict *dict;
    const struct torch_file *file;
    struct arena *arena;
    struct error *err;
};

// ---- Tensors of pickles ----

static enum status wrong(const struct builder *b, const char *name, enum status status,
                         const char *what) {
    return error_set(b->err, status, "%s: tensor \"%.64s\" %s", b->dict->path, name, what);
}

// Sets count and bytes; whether all elements lie within size elements of storage.
static bool measure(struct state_tensor *item, int64_t offset, int64_t size) {
    struct safetensor *t = &item->tensor;
    int64_t last = offset;
    bool overflow = false;
    t->count = 1;
    item->contiguous = true;
    for (int i = t->num_dims - 1; i >= 0; i--) {
        int64_t span = 0;
        if (t->shape[i] != 1 && item->strides[i] != t->count) item->contiguous = false;
        overflow |=
            t->shape[i] > 0 && __builtin_mul_overflow(t->shape[i] - 1, item->strides[i], &span);
        overflow |= __builtin_add_overflow(last, span, &last);
        overflow |= __builtin_mul_overflow(t->count, t->shape[i], &t->count);
    }
    overflow |= __builtin_mul_overflow(t->count, safetensor_dtype_bytes(t->dtype), &t->bytes);
    if (overflow) return false;
    if (t->count == 0) item->contiguous = true;
    // Elements may lie over one another (a stride of 0), but there are no more of them than in
    // storage: no small file becomes a large tensor.
    return t->count == 0 ? offset <= size : last < size && t->count <= size;
}

// data: size elements.
static enum status place(const struct builder *b, struct state_tensor *item, const char *data,
                         int64_t size, int64_t offset) {
    if (!measure(item, offset, size))
        return wrong(b, item->tensor.name, STATUS_DATA, "reaches beyond its storage");
    if (item->tensor.count)
        item->tensor.data = data + offset * safetensor_dtype_bytes(item->tensor.dtype);
    return STATUS_OK;
}

static enum status add_tensor(const struct builder *b, const char *name,
                              const struct pickle_tensor *from) {
    struct state_tensor *item = &b->dict->items[b->dict->count];
    if (!from->type.known)
        return wrong(b, name, STATUS_UNSUPPORTED, "is an array of something else than numbers");
    if (from->type.big_endian)
        return wrong(b, name, STATUS_UNSUPPORTED, "is big-endian, expected little-endian");
    *item = (struct state_tensor){
        .tensor = {.name = name,
                   .file = b->dict->path,
                   .dtype = from->type.dtype,
                   .num_dims = from->num_dims},
    };
    memcpy(item->tensor.shape, from->shape, sizeof from->shape);
    memcpy(item->strides, from->strides, sizeof from->strides);
    int64_t element = safetensor_dtype_bytes(from->type.dtype);
    if (from->storage) {
        const struct torch_storage *storage = torch_file_find(b->file, from->storage->key);
        if (!storage) return wrong(b, name, STATUS_DATA, "has no storage");
        TRY(place(b, item, storage->data, storage->bytes / element, from->offset));
    } else {
        TRY(place(b, item, from->data.data, from->data.size / element, 0));
    }
    b->dict->count++;
    return STATUS_OK;
}

// The name as a C string; NULL for a key that is none, or without memory (then *status says so).
static const char *copy_name(const struct builder *b, const struct pickle_value *key,
                             enum status *status) {
    if (key->kind != PICKLE_TEXT && key->kind != PICKLE_BYTES) return NULL;
    struct pickle_text text = key->text;
    if (text.size > MAX_NAME_BYTES || (text.size && memchr(text.data, '\0', (size_t)text.size))) {
        *status = error_set(b->err, STATUS_DATA,
                            "%s: a tensor whose name has %lld bytes or a NUL, expected at most %d",
                            b->dict->path, (long long)text.size, MAX_NAME_BYTES);
        return NULL;
    }
    const char *name = arena_copy_text(b->arena, text.data, text.size);
    if (!name) *status = error_memory(b->err, "a name", text.size);
    return name;
}

static enum status add_tensors(const struct builder *b, const struct pickle_value *dict) {
    b->dict->items = arena_alloc(b->arena, dict->list.count / 2, sizeof *b->dict->items);
    if (!b->dict->items) return error_memory(b->err, "a list of tensors", dict->list.count);
    for (int64_t i = 0; i < dict->list.count; i += 2) {
        const struct pickle_value *value = dict->list.items[i + 1];
        if (value->kind != PICKLE_TENSOR) continue;
        enum status status = STATUS_OK;
        const char *name = copy_name(b, dict->list.items[i], &status);
        TRY(status);
        if (name) TRY(add_tensor(b, name, value->tensor));
    }
    return STATUS_OK;
}

// Follows the keys under which programs keep a model's weights beside other things.
static const struct pickle_value *find_weights(const struct pickle_value *root) {
    static const char *const keys[] = {"model", "state_dict", "model_state_dict", "blobs"};
    for (int level = 0; level < MAX_LEVELS; level++) {
        const struct pickle_value *inner = NULL;
        for (size_t i = 0; i < sizeof keys / sizeof *keys && !inner; i++) {
            inner = pickle_get(root, keys[i]);
            if (inner && inner->kind != PICKLE_DICT) inner = NULL;
        }
        if (!inner) break;
        root = inner;
    }
    return root;
}

static enum status read_torch(struct state_dict *dict, const char *bytes, int64_t size,
                              struct arena *arena, struct error *err) {
    static const char *const formats[] = {
        [TORCH_ZIP] = "a zip archive of PyTorch",
        [TORCH_LEGACY] = "an old file of PyTorch",
        [TORCH_PICKLE] = "a pickle",
    };
    struct torch_file file;
    TRY(torch_file_read(&file, bytes, size, dict->path, arena, err));
    dict->format = formats[file.container];
    const struct pickle_value *weights = find_weights(file.root);
    if (weights->kind != PICKLE_DICT)
        return error_set(err, STATUS_DATA, "%s: holds %s, expected a dictionary of tensors",
                         dict->path, pickle_kind_name(weights->kind));
    const struct builder b = {dict, &file, arena, err};
    return add_tensors(&b, weights);
}

// ---- safetensors ----

static enum status read_safetensors(struct state_dict *dict, const char *bytes, int64_t size,
                                    struct arena *arena, struct error *err) {
    struct safetensors file;
    TRY(safetensors_read(&file, bytes, size, dict->path, true, arena, err));
    dict->format = "a safetensors file";
    dict->items = arena_alloc_zero(arena, file.count, sizeof *dict->items);
    if (!dict->items) return error_memory(err, "a list of tensors", file.count);
    for (dict->count = 0; dict->count < file.count; dict->count++) {
        dict->items[dict->count].tensor = file.items[dict->count];
        dict->items[dict->count].contiguous = true;
    }
    return STATUS_OK;
}

// Its first 8 bytes are the size of the text that follows, and that begins with a brace.
static bool is_safetensors(const char *bytes, int64_t size) {
    uint64_t header_bytes = 0;
    if (size < 9 || bytes[8] != '{') return false;
    memcpy(&header_bytes, bytes, sizeof header_bytes);
    return header_bytes <= SAFETENSORS_MAX_HEADER_BYTES;
}

// ---- All ----

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct state_tensor *)a)->tensor.name,
                  ((const struct state_tensor *)b)->tensor.name);
}

enum status state_dict_read(struct state_dict *dict, const char *bytes, int64_t size,
                            const char *name, struct arena *arena, struct error *err) {
    *dict = (struct state_dict){.path = name};
    TRY(is_safetensors(bytes, size) ? read_safetensors(dict, bytes, size, arena, err)
                                    : read_torch(dict, bytes, size, arena, err));
    if (dict->count == 0)
        return error_set(err, STATUS_DATA, "%s: %s without tensors", name, dict->format);
    qsort(dict->items, (size_t)dict->count, sizeof *dict->items, compare_names);
    for (int64_t i = 1; i < dict->count; i++)
        if (compare_names(&dict->items[i - 1], &dict->items[i]) == 0)
            return error_set(err, STATUS_DATA, "%s: tensor \"%.64s\" is there twice, expected once",
                             name, dict->items[i].tensor.name);
    return STATUS_OK;
}

enum status state_dict_open(struct state_dict *dict, const char *path, struct arena *arena,
                            struct error *err) {
    *dict = (struct state_dict){0};
    struct file_view view;
    TRY(file_view_open(&view, path, 0, err));
    enum status status = state_dict_read(dict, view.data, view.size, path, arena, err);
    if (status == STATUS_OK)
        dict->view = view;
    else
        file_view_close(&view);
    return status;
}

void state_dict_close(struct state_dict *dict) {
    file_view_close(&dict->view);
    *dict = (struct state_dict){0};
}

static int compare_name_with_item(const void *name, const void *item) {
    return strcmp(name, ((const struct state_tensor *)item)->tensor.name);
}

const struct state_tensor *state_dict_find(const struct state_dict *dict, const char *name) {
    if (!dict->count) return NULL;
    return bsearch(name, dict->items, (size_t)dict->count, sizeof *dict->items,
                   compare_name_with_item);
}

// Copies the elements in C order.
static void gather(const struct state_tensor *item, char *to) {
    const struct safetensor *t = &item->tensor;
    int64_t element = safetensor_dtype_bytes(t->dtype);
    int64_t index[SAFETENSOR_MAX_DIMS] = {0};
    const char *from = t->data;
    int64_t at = 0;
    for (int64_t i = 0; i < t->count; i++) {
        memcpy(to + i * element, from + at * element, (size_t)element);
        for (int d = t->num_dims - 1; d >= 0; d--) {
            if (++index[d] < t->shape[d]) {
                at += item->strides[d];
                break;
            }
            at -= item->strides[d] * (t->shape[d] - 1);
            index[d] = 0;
        }
    }
}

enum status state_tensor_to_float(const struct state_tensor *item, float *out, struct arena *arena,
                                  struct error *err) {
    if (item->contiguous) return safetensor_to_float(&item->tensor, out, err);
    struct arena_mark mark = arena_mark(arena);
    struct safetensor copy = item->tensor;
    char *data = arena_alloc(arena, copy.bytes, 1);
    if (!data) return error_memory(err, "a tensor", copy.bytes);
    gather(item, data);
    copy.data = data;
    enum status status = safetensor_to_float(&copy, out, err);
    arena_release(arena, mark);
    return status;
}

// The names that a pickle may refer to, and what stands for them in the tree.
//
// What torch.save writes of a tensor (torch/_utils.py):
//     _rebuild_tensor_v2(STORAGE, offset, shape, strides, requires_grad, hooks)
//     STORAGE: the persistent id ("storage", torch.FloatStorage, key, place, count)
// and what numpy writes of an array (numpy/core/src/multiarray/methods.c):
//     _reconstruct(ndarray, (0,), b"b"), then the state (1, shape, dtype, is_fortran, bytes)
//     dtype("f4", False, True), then the state (3, "<", ...)
// Since protocol 5: _frombuffer(bytes, dtype, shape, "C").
#include <string.h>

#include "detector/import/pickle_internal.h"

enum global {
    GLOBAL_DICT,
    GLOBAL_TENSOR,
    GLOBAL_PARAMETER,
    GLOBAL_STORAGE_TYPE,
    GLOBAL_ARRAY,
    GLOBAL_ARRAY_OF_BUFFER,
    GLOBAL_ARRAY_TYPE,
    GLOBAL_SCALAR,
    GLOBAL_DTYPE,
    GLOBAL_BYTES,
    GLOBAL_ENCODE,
};

static const struct known_global {
    const char *module, *name;
    enum global global;
    enum safetensor_dtype dtype; // of GLOBAL_STORAGE_TYPE
} GLOBALS[] = {
    {"collections", "OrderedDict", GLOBAL_DICT, 0},
    {"collections", "Counter", GLOBAL_DICT, 0},
    {"torch._utils", "_rebuild_tensor", GLOBAL_TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v2", GLOBAL_TENSOR, 0},
    {"torch._utils", "_rebuild_parameter", GLOBAL_PARAMETER, 0},
    {"torch", "DoubleStorage", GLOBAL_STORAGE_TYPE, SAFETENSOR_F64},
    {"torch", "FloatStorage", GLOBAL_STORAGE_TYPE, SAFETENSOR_F32},
    {"torch", "HalfStorage", GLOBAL_STORAGE_TYPE, SAFETENSOR_F16},
    {"torch", "BFloat16Storage", GLOBAL_STORAGE_TYPE, SAFETENSOR_BF16},
    {"torch", "LongStorage", GLOBAL_STORAGE_TYPE, SAFETENSOR_I64},
    {"torch", "IntStorage", GLOBAL_STORAGE_TYPE, SAFETENSOR_I32},
    {"torch", "ShortStorage", GLOBAL_STORAGE_TYPE, SAFETENSOR_I16},
    {"torch", "CharStorage", GLOBAL_STORAGE_TYPE, SAFETENSOR_I8},
    {"torch", "ByteStorage", GLOBAL_STORAGE_TYPE, SAFETENSOR_U8},
    {"torch", "BoolStorage", GLOBAL_STORAGE_TYPE, SAFETENSOR_BOOL},
    {"numpy.core.multiarray", "_reconstruct", GLOBAL_ARRAY, 0},
    {"numpy._core.multiarray", "_reconstruct", GLOBAL_ARRAY, 0},
    {"numpy.core.numeric", "_frombuffer", GLOBAL_ARRAY_OF_BUFFER, 0},
    {"numpy._core.numeric", "_frombuffer", GLOBAL_ARRAY_OF_BUFFER, 0},
    {"numpy.core.multiarray", "scalar", GLOBAL_SCALAR, 0},
    {"numpy._core.multiarray", "scalar", GLOBAL_SCALAR, 0},
    {"numpy", "ndarray", GLOBAL_ARRAY_TYPE, 0},
    {"numpy", "dtype", GLOBAL_DTYPE, 0},
    {"builtins", "bytes", GLOBAL_BYTES, 0},
    {"__builtin__", "bytes", GLOBAL_BYTES, 0},
    {"_codecs", "encode", GLOBAL_ENCODE, 0},
};

static bool is_name(struct pickle_text text, const char *name) {
    return text.size == (int64_t)strlen(name) && memcmp(text.data, name, (size_t)text.size) == 0;
}

static int shown(struct pickle_text text) {
    return text.size < 64 ? (int)text.size : 64;
}

void pickle_push_global(struct pickle_machine *m, struct pickle_text module,
                        struct pickle_text name) {
    if (m->status != STATUS_OK) return;
    // Old versions of PyTorch had storages of their own for GPUs.
    struct pickle_text place =
        is_name(module, "torch.cuda") ? (struct pickle_text){"torch", 5} : module;
    for (size_t i = 0; i < sizeof GLOBALS / sizeof *GLOBALS; i++) {
        const struct known_global *known = &GLOBALS[i];
        if (!is_name(place, known->module) || !is_name(name, known->name)) continue;
        struct pickle_value *value = pickle_new(m, PICKLE_GLOBAL);
        if (!value) return;
        value->global = (int)known->global;
        value->dtype = (struct pickle_dtype){true, known->dtype, false};
        pickle_push(m, value);
        return;
    }
    pickle_fail(m, STATUS_UNSUPPORTED,
                "refers to %.*s.%.*s, which is not one of the few names that weights need; nothing "
                "was executed (a state dict alone, torch.save(model.state_dict(), FILE), needs "
                "none)",
                shown(module), module.data, shown(name), name.data);
}

// ---- Arguments ----

// Item i of a tuple if it is of that kind; NULL, with a failure, if not.
static const struct pickle_value *item(struct pickle_machine *m, const struct pickle_value *tuple,
                                       int64_t i, enum pickle_kind kind) {
    if (m->status != STATUS_OK) return NULL;
    if (tuple->kind != PICKLE_TUPLE || i >= tuple->list.count) {
        pickle_fail(m, STATUS_DATA, "%lld arguments, expected at least %lld",
                    tuple->kind == PICKLE_TUPLE ? (long long)tuple->list.count : 0,
                    (long long)i + 1);
        return NULL;
    }
    const struct pickle_value *value = tuple->list.items[i];
    if (value->kind == kind) return value;
    pickle_fail(m, STATUS_DATA, "argument %lld is %s, expected %s", (long long)i + 1,
                pickle_kind_name(value->kind), pickle_kind_name(kind));
    return NULL;
}

static int64_t item_integer(struct pickle_machine *m, const struct pickle_value *tuple, int64_t i) {
    const struct pickle_value *value = item(m, tuple, i, PICKLE_INT);
    return value ? value->integer : 0;
}

// Item i, a tuple of sizes. Returns how many.
static int item_sizes(struct pickle_machine *m, const struct pickle_value *tuple, int64_t i,
                      int64_t sizes[SAFETENSOR_MAX_DIMS]) {
    const struct pickle_value *value = item(m, tuple, i, PICKLE_TUPLE);
    if (!value) return 0;
    if (value->list.count > SAFETENSOR_MAX_DIMS) {
        pickle_fail(m, STATUS_UNSUPPORTED, "%lld dimensions, expected at most %d",
                    (long long)value->list.count, SAFETENSOR_MAX_DIMS);
        return 0;
    }
    for (int64_t j = 0; j < value->list.count; j++) {
        sizes[j] = item_integer(m, value, j);
        if (sizes[j] < 0)
            pickle_fail(m, STATUS_DATA, "a size of %lld, expected 0 or more", (long long)sizes[j]);
    }
    return (int)value->list.count;
}

static struct pickle_value *new_tensor(struct pickle_machine *m) {
    struct pickle_value *value = pickle_new(m, PICKLE_TENSOR);
    if (!value) return NULL;
    value->tensor = arena_alloc_zero(m->arena, 1, sizeof *value->tensor);
    if (value->tensor) return value;
    pickle_fail_memory(m);
    return NULL;
}

// ---- PyTorch ----

void pickle_load_persistent(struct pickle_machine *m) {
    const struct pickle_value *id = pickle_pop(m);
    if (!id) return;
    if (id->kind != PICKLE_TUPLE || id->list.count < 5 ||
        !pickle_is_text(id->list.items[0], "storage")) {
        pickle_fail(m, STATUS_DATA, "a persistent id that is no storage of PyTorch's");
        return;
    }
    const struct pickle_value *type = item(m, id, 1, PICKLE_GLOBAL);
    const struct pickle_value *key = id->list.items[2];
    int64_t count = item_integer(m, id, 4);
    if (m->status != STATUS_OK || !type) return;
    if (type->global != GLOBAL_STORAGE_TYPE || count < 0 ||
        (key->kind != PICKLE_TEXT && key->kind != PICKLE_BYTES)) {
        pickle_fail(m, STATUS_DATA, "a storage without a type, a key or a size");
        return;
    }
    if (id->list.count > 5 && id->list.items[5]->kind != PICKLE_NONE) {
        pickle_fail(m, STATUS_UNSUPPORTED, "a storage that is a view of another one");
        return;
    }
    struct pickle_value *value = pickle_new(m, PICKLE_STORAGE);
    struct pickle_storage *storage = arena_alloc(m->arena, 1, sizeof *storage);
    if (!storage) pickle_fail_memory(m);
    if (!value || !storage) return;
    *storage = (struct pickle_storage){key->text, type->dtype.dtype, count};
    value->storage = storage;
    pickle_add_storage(m, storage);
    pickle_push(m, value);
}

static struct pickle_value *make_tensor(struct pickle_machine *m, const struct pickle_value *args) {
    const struct pickle_value *storage = item(m, args, 0, PICKLE_STORAGE);
    struct pickle_value *value = new_tensor(m);
    if (!storage || !value) return NULL;
    struct pickle_tensor *tensor = value->tensor;
    tensor->storage = storage->storage;
    tensor->type = (struct pickle_dtype){true, storage->storage->dtype, false};
    tensor->offset = item_integer(m, args, 1);
    tensor->num_dims = item_sizes(m, args, 2, tensor->shape);
    int num_strides = item_sizes(m, args, 3, tensor->strides);
    if (num_strides != tensor->num_dims)
        pickle_fail(m, STATUS_DATA, "%d strides for %d dimensions", num_strides, tensor->num_dims);
    if (tensor->offset < 0)
        pickle_fail(m, STATUS_DATA, "an offset of %lld, expected 0 or more",
                    (long long)tensor->offset);
    return value;
}

static struct pickle_value *take_parameter(struct pickle_machine *m,
                                           const struct pickle_value *args) {
    return item(m, args, 0, PICKLE_TENSOR) ? args->list.items[0] : NULL;
}

// ---- numpy ----

static struct pickle_value *make_dtype(struct pickle_machine *m, const struct pickle_value *args) {
    static const struct {
        const char *code;
        enum safetensor_dtype dtype;
    } codes[] = {
        {"f8", SAFETENSOR_F64}, {"f4", SAFETENSOR_F32}, {"f2", SAFETENSOR_F16},
        {"i8", SAFETENSOR_I64}, {"i4", SAFETENSOR_I32}, {"i2", SAFETENSOR_I16},
        {"i1", SAFETENSOR_I8},  {"u1", SAFETENSOR_U8},  {"b1", SAFETENSOR_BOOL},
    };
    struct pickle_value *value = pickle_new(m, PICKLE_DTYPE);
    if (!value || args->kind != PICKLE_TUPLE || args->list.count < 1) {
        pickle_fail(m, STATUS_DATA, "a type of numpy's without a code");
        return NULL;
    }
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (pickle_is_text(args->list.items[0], codes[i].code))
            value->dtype = (struct pickle_dtype){true, codes[i].dtype, false};
    return value;
}

static void set_order(struct pickle_machine *m, struct pickle_value *dtype,
                      const struct pickle_value *state) {
    if (state->kind != PICKLE_TUPLE || state->list.count < 2)
        pickle_fail(m, STATUS_DATA, "a type of numpy's without a byte order");
    else
        dtype->dtype.big_endian = pickle_is_text(state->list.items[1], ">");
}

// What all arrays have: shape, type and bytes are items of args.
static void set_array(struct pickle_machine *m, struct pickle_tensor *tensor,
                      const struct pickle_value *args, int64_t shape, int64_t type, int64_t bytes,
                      bool is_fortran) {
    const struct pickle_value *dtype = item(m, args, type, PICKLE_DTYPE);
    tensor->num_dims = item_sizes(m, args, shape, tensor->shape);
    if (m->status != STATUS_OK || !dtype) return;
    tensor->type = dtype->dtype;
    if (!tensor->type.known) return; // its data may be a list of anything
    const struct pickle_value *data = item(m, args, bytes, PICKLE_BYTES);
    if (!data) return;
    tensor->data = data->text;
    int64_t size = safetensor_dtype_bytes(tensor->type.dtype);
    int64_t count = 1;
    bool overflow = false;
    for (int i = 0; i < tensor->num_dims; i++) {
        int d = is_fortran ? i : tensor->num_dims - 1 - i; // the fastest one first
        tensor->strides[d] = count;
        overflow |= __builtin_mul_overflow(count, tensor->shape[d], &count);
    }
    overflow |= __builtin_mul_overflow(size, count, &size);
    if (overflow || size != data->text.size)
        pickle_fail(m, STATUS_DATA, "an array with %lld bytes, which its shape and type contradict",
                    (long long)data->text.size);
}

static void set_array_state(struct pickle_machine *m, struct pickle_tensor *tensor,
                            const struct pickle_value *state) {
    if (tensor->storage) {
        pickle_fail(m, STATUS_DATA, "a state for a tensor of PyTorch's");
        return;
    }
    const struct pickle_value *is_fortran =
        state->kind == PICKLE_TUPLE && state->list.count > 3 ? state->list.items[3] : NULL;
    if (!is_fortran || (is_fortran->kind != PICKLE_BOOL && is_fortran->kind != PICKLE_INT))
        pickle_fail(m, STATUS_DATA, "a state that is none of an array's");
    else
        set_array(m, tensor, state, 1, 2, 4, is_fortran->integer != 0);
}

static struct pickle_value *make_array_of_buffer(struct pickle_machine *m,
                                                 const struct pickle_value *args) {
    struct pickle_value *value = new_tensor(m);
    const struct pickle_value *order = item(m, args, 3, PICKLE_TEXT);
    if (!value || !order) return NULL;
    set_array(m, value->tensor, args, 2, 1, 0, pickle_is_text(order, "F"));
    return value;
}

// ---- Python ----

// OrderedDict(), OrderedDict([[key, value], ...]) of Python 2, Counter({key: value}).
static struct pickle_value *make_dict(struct pickle_machine *m, const struct pickle_value *args) {
    struct pickle_value *value = pickle_new(m, PICKLE_DICT);
    if (!value || args->list.count == 0) return value;
    const struct pickle_value *from = args->list.items[0];
    if (from->kind == PICKLE_DICT) {
        pickle_append(m, value, from->list.items, from->list.count);
        return value;
    }
    if (from->kind != PICKLE_LIST) {
        pickle_fail(m, STATUS_DATA, "a dictionary of %s, expected a list",
                    pickle_kind_name(from->kind));
        return NULL;
    }
    for (int64_t i = 0; i < from->list.count && m->status == STATUS_OK; i++) {
        const struct pickle_value *pair = from->list.items[i];
        if ((pair->kind == PICKLE_LIST || pair->kind == PICKLE_TUPLE) && pair->list.count == 2)
            pickle_append(m, value, pair->list.items, 2);
        else
            pickle_fail(m, STATUS_DATA, "a dictionary with %s in it, expected pairs",
                        pickle_kind_name(pair->kind));
    }
    return value;
}

// Before Python 3, and in protocols up to 2, bytes are a text of the characters 0 to 255.
static struct pickle_value *encode(struct pickle_machine *m, const struct pickle_value *args) {
    const struct pickle_value *text = item(m, args, 0, PICKLE_TEXT);
    const struct pickle_value *codec = item(m, args, 1, PICKLE_TEXT);
    struct pickle_value *value = pickle_new(m, PICKLE_BYTES);
    if (!text || !codec || !value) return NULL;
    // A text can be encoded again and again, but no honest pickle does.
    m->encoded_bytes += text->text.size;
    char *bytes = NULL;
    if (!pickle_is_text(codec, "latin1"))
        pickle_fail(m, STATUS_UNSUPPORTED, "an encoding other than latin1");
    else if (m->encoded_bytes > 2 * (m->end - m->begin))
        pickle_fail(m, STATUS_UNSUPPORTED, "the same text is encoded many times");
    else if (!(bytes = arena_alloc(m->arena, text->text.size, 1)))
        pickle_fail_memory(m);
    if (!bytes) return NULL;
    const unsigned char *from = (const unsigned char *)text->text.data;
    int64_t size = 0;
    for (int64_t i = 0; i < text->text.size; i++) {
        unsigned byte = from[i];
        if (byte >= 0x80) { // 0xC2 or 0xC3, and six bits more
            bool good = (byte == 0xC2 || byte == 0xC3) && i + 1 < text->text.size &&
                        (from[i + 1] & 0xC0) == 0x80;
            if (!good) {
                pickle_fail(m, STATUS_DATA, "a text with characters that latin1 does not have");
                return NULL;
            }
            byte = (byte & 3) << 6 | (from[++i] & 0x3F);
        }
        bytes[size++] = (char)byte;
    }
    value->text = (struct pickle_text){bytes, size};
    return value;
}

// ---- Calls ----

static struct pickle_value *call(struct pickle_machine *m, enum global global,
                                 const struct pickle_value *args) {
    switch (global) {
    case GLOBAL_DICT:
        return make_dict(m, args);
    case GLOBAL_TENSOR:
        return make_tensor(m, args);
    case GLOBAL_PARAMETER:
        return take_parameter(m, args);
    case GLOBAL_ARRAY:
        return new_tensor(m); // its state follows
    case GLOBAL_ARRAY_OF_BUFFER:
        return make_array_of_buffer(m, args);
    case GLOBAL_SCALAR:
        return pickle_new(m, PICKLE_OTHER);
    case GLOBAL_DTYPE:
        return make_dtype(m, args);
    case GLOBAL_BYTES:
        return pickle_new(m, PICKLE_BYTES); // bytes(): the only use in pickles
    case GLOBAL_ENCODE:
        return encode(m, args);
    case GLOBAL_STORAGE_TYPE:
    case GLOBAL_ARRAY_TYPE:
        break;
    }
    pickle_fail(m, STATUS_DATA, "a call of a type");
    return NULL;
}

void pickle_reduce(struct pickle_machine *m) {
    if (!pickle_require(m, 2)) return;
    const struct pickle_value *args = pickle_pop(m);
    const struct pickle_value *function = pickle_pop(m);
    if (function->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE)
        pickle_fail(m, STATUS_DATA, "a call of %s with %s, expected a function and a tuple",
                    pickle_kind_name(function->kind), pickle_kind_name(args->kind));
    else
        pickle_push(m, call(m, (enum global)function->global, args));
}

void pickle_build(struct pickle_machine *m) {
    if (!pickle_require(m, 2)) return;
    const struct pickle_value *state = pickle_pop(m);
    struct pickle_value *value = m->stack[m->depth - 1];
    if (value->kind == PICKLE_TENSOR)
        set_array_state(m, value->tensor, state);
    else if (value->kind == PICKLE_DTYPE)
        set_order(m, value, state);
    else if (value->kind != PICKLE_DICT) // whose state is what PyTorch's modules note beside it
        pickle_fail(m, STATUS_DATA, "a state for %s", pickle_kind_name(value->kind));
}

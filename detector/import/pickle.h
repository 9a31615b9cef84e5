// Python pickles as plain data: what torch.save and numpy write of weights, as a tree of values.
//
// A pickle is a program for a small stack machine, and Python's own machine runs whatever function
// the file names. This one executes nothing: it knows the opcodes that data needs, and of the names
// that a file may refer to a fixed few (dictionaries, tensors, arrays, their types), for which it
// makes a value of the tree itself. Every other opcode and name is an error that says which it is.
// Protocols 0 to 5, of Python 2 as well.
//
// The files are strangers': stack, marks, memo and the number of values are bounded, nothing is
// recursive, and a tree holds views of the file rather than copies. Values may be shared and may
// even contain themselves, so a walk through a tree must not follow it without a bound.
//
//     struct pickle pickle;
//     TRY(pickle_read(&pickle, bytes, size, path, arena, err));
//     const struct pickle_value *epoch = pickle_get(pickle.root, "epoch");
#pragma once

#include "detector/safetensors.h"

// Values, and items of lists, in one pickle; on the stack; of the memo; "(" inside one another.
enum { PICKLE_MAX_ITEMS = 1 << 21, PICKLE_MAX_STACK = 1 << 20, PICKLE_MAX_MEMO = 1 << 20 };
enum { PICKLE_MAX_MARKS = 256 };

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_LONG, // beyond 64 bits: its bytes, little-endian
    PICKLE_FLOAT,
    PICKLE_TEXT,  // UTF-8
    PICKLE_BYTES, // and what Python 2 calls a string
    PICKLE_LIST,
    PICKLE_TUPLE,
    PICKLE_DICT,
    PICKLE_TENSOR,
    PICKLE_OTHER, // of no use here: a number of numpy's
    // Only on the way to a tensor.
    PICKLE_GLOBAL,
    PICKLE_DTYPE,
    PICKLE_STORAGE,
};

struct pickle_text { // not NUL-terminated
    const char *data;
    int64_t size;
};

struct pickle_list {
    struct pickle_value **items; // of a dictionary: key, value, key, value, ...
    int64_t count;               // of items
    int64_t capacity;
};

// The type of an array's elements. Types that this program has no name for are known by their size
// alone.
struct pickle_dtype {
    bool known;
    enum safetensor_dtype dtype;
    bool big_endian;
};

// PyTorch's storages are flat arrays outside the pickle, known by a key.
struct pickle_storage {
    struct pickle_text key;
    enum safetensor_dtype dtype;
    int64_t count;
};

struct pickle_tensor {
    struct pickle_dtype type;
    int num_dims;
    int64_t shape[SAFETENSOR_MAX_DIMS];
    int64_t strides[SAFETENSOR_MAX_DIMS]; // in elements
    int64_t offset;                       // of the first element, in elements
    const struct pickle_storage *storage; // PyTorch's; NULL for numpy's arrays
    struct pickle_text data;              // numpy's
};

struct pickle_value {
    enum pickle_kind kind;
    int global; // of PICKLE_GLOBAL: detector/import/pickle_objects.c
    union {
        int64_t integer; // PICKLE_BOOL too
        double number;
        struct pickle_text text; // PICKLE_LONG, PICKLE_TEXT, PICKLE_BYTES
        struct pickle_list list; // PICKLE_LIST, PICKLE_TUPLE, PICKLE_DICT
        struct pickle_dtype dtype;
        struct pickle_storage *storage;
        struct pickle_tensor *tensor;
    };
};

struct pickle {
    const struct pickle_value *root;
    const struct pickle_storage **storages; // all that it refers to, some of them often
    int64_t num_storages;
    int64_t size; // bytes that it took
};

// Reads the pickle at the start of bytes, which must stay in place. name is the file's, for
// messages.
MUST_CHECK enum status pickle_read(struct pickle *pickle, const char *bytes, int64_t size,
                                   const char *name, struct arena *arena, struct error *err);

// Whether value is a text, or bytes, of just these characters.
bool pickle_is_text(const struct pickle_value *value, const char *text);

// What a dictionary has under key: NULL if there is none, or if dict is no dictionary.
const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key);

// "a list" and so on, for messages.
const char *pickle_kind_name(enum pickle_kind kind);

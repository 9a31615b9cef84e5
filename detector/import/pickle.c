// The machine: its stack, its memo and the opcodes of protocols 1 to 5.
#include "detector/import/pickle.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "detector/import/pickle_internal.h"

// ---- Failures ----

void pickle_fail(struct pickle_machine *m, enum status status, const char *format, ...) {
    if (m->status != STATUS_OK) return;
    char message[ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    m->status = error_set(m->err, status, "%s: pickle, byte %lld: %s", m->name,
                          (long long)(m->opcode - m->begin), message);
}

void pickle_fail_memory(struct pickle_machine *m) {
    if (m->status == STATUS_OK) m->status = error_memory(m->err, "a pickle", m->num_items);
}

// Counts items that are about to be made.
static bool spend(struct pickle_machine *m, int64_t count) {
    if (m->status != STATUS_OK) return false;
    if (count > PICKLE_MAX_ITEMS - m->num_items) {
        pickle_fail(m, STATUS_UNSUPPORTED, "more than the %d values that are read at most",
                    PICKLE_MAX_ITEMS);
        return false;
    }
    m->num_items += count;
    return true;
}

// ---- Bytes ----

const char *pickle_take(struct pickle_machine *m, int64_t size) {
    if (m->status != STATUS_OK) return NULL;
    if (size < 0 || size > m->end - m->at) {
        pickle_fail(m, STATUS_DATA,
                    "%lld bytes expected, %lld are left: the file may have been cut off",
                    (long long)size, (long long)(m->end - m->at));
        return NULL;
    }
    const char *bytes = m->at;
    m->at += size;
    return bytes;
}

uint64_t pickle_take_number(struct pickle_machine *m, int bytes) {
    const unsigned char *from = (const unsigned char *)pickle_take(m, bytes);
    uint64_t value = 0;
    for (int i = bytes - 1; from && i >= 0; i--)
        value = value << 8 | from[i];
    return value;
}

struct pickle_text pickle_take_line(struct pickle_machine *m) {
    struct pickle_text line = {m->at, 0};
    if (m->status != STATUS_OK) return line;
    const char *end = m->at < m->end ? memchr(m->at, '\n', (size_t)(m->end - m->at)) : NULL;
    if (!end) {
        pickle_fail(m, STATUS_DATA, "a line without an end: the file may have been cut off");
        return line;
    }
    line.size = end - m->at;
    m->at = end + 1;
    return line;
}

// ---- Values ----

struct pickle_value *pickle_new(struct pickle_machine *m, enum pickle_kind kind) {
    if (!spend(m, 1)) return NULL;
    struct pickle_value *value = arena_alloc_zero(m->arena, 1, sizeof *value);
    if (value)
        value->kind = kind;
    else
        pickle_fail_memory(m);
    return value;
}

void pickle_push(struct pickle_machine *m, struct pickle_value *value) {
    if (!value || m->status != STATUS_OK) return;
    if (m->depth == PICKLE_MAX_STACK) {
        pickle_fail(m, STATUS_UNSUPPORTED, "more than %d values on the stack", PICKLE_MAX_STACK);
        return;
    }
    m->status = array_reserve(&m->stack, &m->stack_capacity, m->depth + 1, sizeof(void *), m->err);
    if (m->status == STATUS_OK) m->stack[m->depth++] = value;
}

static int64_t last_mark(const struct pickle_machine *m) {
    return m->num_marks ? m->marks[m->num_marks - 1] : 0;
}

struct pickle_value **pickle_pop_mark(struct pickle_machine *m, int64_t *count) {
    *count = 0;
    if (m->status != STATUS_OK) return NULL;
    if (m->num_marks == 0) {
        pickle_fail(m, STATUS_DATA, "no mark on the stack, expected one");
        return NULL;
    }
    int64_t depth = m->marks[--m->num_marks];
    *count = m->depth - depth;
    m->depth = depth;
    return m->stack + depth;
}

bool pickle_require(struct pickle_machine *m, int64_t count) {
    if (m->status != STATUS_OK) return false;
    if (m->depth - last_mark(m) >= count) return true;
    pickle_fail(m, STATUS_DATA, "%lld values expected on the stack, found %lld", (long long)count,
                (long long)(m->depth - last_mark(m)));
    return false;
}

struct pickle_value *pickle_pop(struct pickle_machine *m) {
    return pickle_require(m, 1) ? m->stack[--m->depth] : NULL;
}

void pickle_append(struct pickle_machine *m, struct pickle_value *value,
                   struct pickle_value *const *items, int64_t count) {
    struct pickle_list *list = &value->list;
    if (count == 0 || !spend(m, count)) return;
    if (list->count + count > list->capacity) {
        int64_t capacity = list->count ? 2 * list->capacity + count : count;
        struct pickle_value **moved = arena_alloc(m->arena, capacity, sizeof(void *));
        if (!moved) {
            pickle_fail_memory(m);
            return;
        }
        if (list->count) memcpy(moved, list->items, (size_t)list->count * sizeof(void *));
        list->items = moved;
        list->capacity = capacity;
    }
    memcpy(list->items + list->count, items, (size_t)count * sizeof(void *));
    list->count += count;
}

void pickle_add_storage(struct pickle_machine *m, const struct pickle_storage *storage) {
    if (m->status != STATUS_OK) return;
    if (m->num_storages == m->storages_capacity) {
        int64_t capacity = m->num_storages ? 2 * m->num_storages : 64;
        const struct pickle_storage **moved = arena_alloc(m->arena, capacity, sizeof(void *));
        if (!moved) {
            pickle_fail_memory(m);
            return;
        }
        if (m->num_storages) memcpy(moved, m->storages, (size_t)m->num_storages * sizeof(void *));
        m->storages = moved;
        m->storages_capacity = capacity;
    }
    m->storages[m->num_storages++] = storage;
}

static void push_integer(struct pickle_machine *m, enum pickle_kind kind, int64_t integer) {
    struct pickle_value *value = pickle_new(m, kind);
    if (value) value->integer = integer;
    pickle_push(m, value);
}

static void push_text(struct pickle_machine *m, enum pickle_kind kind, uint64_t size) {
    if (size > INT64_MAX) size = INT64_MAX; // more than is left in any case
    const char *data = pickle_take(m, (int64_t)size);
    struct pickle_value *value = pickle_new(m, kind);
    if (value) value->text = (struct pickle_text){data, (int64_t)size};
    pickle_push(m, value);
}

// An integer of size bytes in two's complement.
static void push_long(struct pickle_machine *m, uint64_t size) {
    if (size > 8) {
        push_text(m, PICKLE_LONG, size);
        return;
    }
    uint64_t bits = pickle_take_number(m, (int)size);
    if (size > 0 && size < 8 && bits >> (8 * size - 1)) bits |= UINT64_MAX << 8 * size;
    push_integer(m, PICKLE_INT, (int64_t)bits);
}

static void push_double(struct pickle_machine *m) { // big-endian
    const unsigned char *from = (const unsigned char *)pickle_take(m, 8);
    struct pickle_value *value = pickle_new(m, PICKLE_FLOAT);
    uint64_t bits = 0;
    for (int i = 0; from && i < 8; i++)
        bits = bits << 8 | from[i];
    if (value) memcpy(&value->number, &bits, sizeof bits);
    pickle_push(m, value);
}

static bool run_number(struct pickle_machine *m, int op) {
    switch (op) {
    case 'N':
        pickle_push(m, pickle_new(m, PICKLE_NONE));
        return true;
    case 0x88: // NEWTRUE
    case 0x89: // NEWFALSE
        push_integer(m, PICKLE_BOOL, op == 0x88);
        return true;
    case 'J': // BININT
        push_integer(m, PICKLE_INT, (int32_t)pickle_take_number(m, 4));
        return true;
    case 'K': // BININT1
        push_integer(m, PICKLE_INT, (int64_t)pickle_take_number(m, 1));
        return true;
    case 'M': // BININT2
        push_integer(m, PICKLE_INT, (int64_t)pickle_take_number(m, 2));
        return true;
    case 0x8A: // LONG1
        push_long(m, pickle_take_number(m, 1));
        return true;
    case 0x8B: // LONG4
        push_long(m, pickle_take_number(m, 4));
        return true;
    case 'G': // BINFLOAT
        push_double(m);
        return true;
    default:
        return false;
    }
}

static bool run_text(struct pickle_machine *m, int op) {
    switch (op) {
    case 'U': // SHORT_BINSTRING
    case 'C': // SHORT_BINBYTES
        push_text(m, PICKLE_BYTES, pickle_take_number(m, 1));
        return true;
    case 'T': // BINSTRING
    case 'B': // BINBYTES
        push_text(m, PICKLE_BYTES, pickle_take_number(m, 4));
        return true;
    case 0x8E: // BINBYTES8
    case 0x96: // BYTEARRAY8
        push_text(m, PICKLE_BYTES, pickle_take_number(m, 8));
        return true;
    case 0x8C: // SHORT_BINUNICODE
        push_text(m, PICKLE_TEXT, pickle_take_number(m, 1));
        return true;
    case 'X': // BINUNICODE
        push_text(m, PICKLE_TEXT, pickle_take_number(m, 4));
        return true;
    case 0x8D: // BINUNICODE8
        push_text(m, PICKLE_TEXT, pickle_take_number(m, 8));
        return true;
    default:
        return false;
    }
}

// ---- The memo ----

// index is what the file says, or what the memo has for MEMOIZE.
static void memo_put(struct pickle_machine *m, uint64_t index) {
    if (!pickle_require(m, 1)) return;
    if (index >= PICKLE_MAX_MEMO) {
        pickle_fail(m, STATUS_UNSUPPORTED, "memo %llu, expected at most %d",
                    (unsigned long long)index, PICKLE_MAX_MEMO - 1);
        return;
    }
    int64_t at = (int64_t)index;
    m->status = array_reserve(&m->memo, &m->memo_capacity, at + 1, sizeof(void *), m->err);
    if (m->status != STATUS_OK) return;
    while (m->memo_count <= at)
        m->memo[m->memo_count++] = NULL;
    m->memo[at] = m->stack[m->depth - 1];
}

static void memo_get(struct pickle_machine *m, uint64_t index) {
    if (index < (uint64_t)m->memo_count && m->memo[index])
        pickle_push(m, m->memo[index]);
    else
        pickle_fail(m, STATUS_DATA, "memo %llu is empty", (unsigned long long)index);
}

// The number on a line, for the text forms of PUT and GET.
static uint64_t take_index(struct pickle_machine *m) {
    struct pickle_text line = pickle_take_line(m);
    uint64_t index = 0;
    for (int64_t i = 0; i < line.size && index < PICKLE_MAX_MEMO; i++) {
        if (line.data[i] < '0' || line.data[i] > '9') return UINT64_MAX;
        index = 10 * index + (uint64_t)(line.data[i] - '0');
    }
    return line.size ? index : UINT64_MAX;
}

static bool run_memo(struct pickle_machine *m, int op) {
    switch (op) {
    case 'q': // BINPUT
        memo_put(m, pickle_take_number(m, 1));
        return true;
    case 'r': // LONG_BINPUT
        memo_put(m, pickle_take_number(m, 4));
        return true;
    case 'p': // PUT
        memo_put(m, take_index(m));
        return true;
    case 0x94: // MEMOIZE
        memo_put(m, (uint64_t)m->memo_count);
        return true;
    case 'h': // BINGET
        memo_get(m, pickle_take_number(m, 1));
        return true;
    case 'j': // LONG_BINGET
        memo_get(m, pickle_take_number(m, 4));
        return true;
    case 'g': // GET
        memo_get(m, take_index(m));
        return true;
    default:
        return false;
    }
}

// ---- Objects, and the machine itself ----

static void push_stack_global(struct pickle_machine *m) {
    if (!pickle_require(m, 2)) return;
    const struct pickle_value *name = pickle_pop(m);
    const struct pickle_value *module = pickle_pop(m);
    if (name->kind == PICKLE_TEXT && module->kind == PICKLE_TEXT)
        pickle_push_global(m, module->text, name->text);
    else
        pickle_fail(m, STATUS_DATA, "a name that is %s, expected a text",
                    pickle_kind_name(name->kind == PICKLE_TEXT ? module->kind : name->kind));
}

static bool run_object(struct pickle_machine *m, int op) {
    switch (op) {
    case 'c': { // GLOBAL
        struct pickle_text module = pickle_take_line(m);
        pickle_push_global(m, module, pickle_take_line(m));
        return true;
    }
    case 0x93: // STACK_GLOBAL
        push_stack_global(m);
        return true;
    case 'R': // REDUCE
        pickle_reduce(m);
        return true;
    case 'b': // BUILD
        pickle_build(m);
        return true;
    case 'Q': // BINPERSID
        pickle_load_persistent(m);
        return true;
    default:
        return false;
    }
}

static bool run_control(struct pickle_machine *m, int op) {
    int64_t count = 0;
    switch (op) {
    case 0x80: { // PROTO
        enum { NEWEST = 5 };
        int protocol = (int)pickle_take_number(m, 1);
        if (protocol > NEWEST)
            pickle_fail(m, STATUS_UNSUPPORTED, "protocol %d, expected at most %d", protocol,
                        NEWEST);
        return true;
    }
    case 0x95: // FRAME: a hint for readers of streams
        pickle_take_number(m, 8);
        return true;
    case '.': // STOP
        m->root = pickle_pop(m);
        m->stopped = true;
        return true;
    case '0': // POP
        if (m->num_marks && m->depth == last_mark(m))
            pickle_pop_mark(m, &count);
        else
            pickle_pop(m);
        return true;
    case '1': // POP_MARK
        pickle_pop_mark(m, &count);
        return true;
    case '2': // DUP
        if (pickle_require(m, 1)) pickle_push(m, m->stack[m->depth - 1]);
        return true;
    default:
        return false;
    }
}

static void run(struct pickle_machine *m) {
    static bool (*const groups[])(struct pickle_machine *, int) = {
        run_number, run_text,    pickle_run_container, run_memo,
        run_object, run_control, pickle_run_line,
    };
    while (!m->stopped && m->status == STATUS_OK) {
        m->opcode = m->at;
        const char *byte = pickle_take(m, 1);
        if (!byte) return;
        int op = (unsigned char)*byte;
        size_t i = 0;
        while (i < sizeof groups / sizeof *groups && !groups[i](m, op))
            i++;
        if (i == sizeof groups / sizeof *groups)
            pickle_fail(m, STATUS_DATA,
                        "opcode 0x%02x, which is not one of those that weights need: this may be "
                        "no pickle, or one of more than data",
                        (unsigned)op);
    }
}

enum status pickle_read(struct pickle *pickle, const char *bytes, int64_t size, const char *name,
                        struct arena *arena, struct error *err) {
    struct pickle_machine m = {
        .begin = bytes,
        .at = bytes,
        .end = size ? bytes + size : bytes,
        .opcode = bytes,
        .name = name,
        .arena = arena,
        .err = err,
    };
    *pickle = (struct pickle){0};
    if (size == 0) m.begin = m.at = m.end = m.opcode = "";                   // bytes may be NULL
    TRY(array_reserve(&m.stack, &m.stack_capacity, 1, sizeof(void *), err)); // never NULL
    run(&m);
    array_free(&m.stack);
    array_free(&m.memo);
    TRY(m.status);
    *pickle = (struct pickle){m.root, m.storages, m.num_storages, m.at - m.begin};
    return STATUS_OK;
}

// ---- Looking into the tree ----

bool pickle_is_text(const struct pickle_value *value, const char *text) {
    if (value->kind != PICKLE_TEXT && value->kind != PICKLE_BYTES) return false;
    size_t size = strlen(text);
    return value->text.size == (int64_t)size && memcmp(value->text.data, text, size) == 0;
}

const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key) {
    if (dict->kind != PICKLE_DICT) return NULL;
    for (int64_t i = dict->list.count - 2; i >= 0; i -= 2) // the last one counts
        if (pickle_is_text(dict->list.items[i], key)) return dict->list.items[i + 1];
    return NULL;
}

const char *pickle_kind_name(enum pickle_kind kind) {
    static const char *const names[] = {
        [PICKLE_NONE] = "None",          [PICKLE_BOOL] = "a bool",
        [PICKLE_INT] = "a whole number", [PICKLE_LONG] = "a large number",
        [PICKLE_FLOAT] = "a number",     [PICKLE_TEXT] = "a text",
        [PICKLE_BYTES] = "bytes",        [PICKLE_LIST] = "a list",
        [PICKLE_TUPLE] = "a tuple",      [PICKLE_DICT] = "a dictionary",
        [PICKLE_TENSOR] = "a tensor",    [PICKLE_OTHER] = "another value",
        [PICKLE_GLOBAL] = "a function",  [PICKLE_DTYPE] = "a type",
        [PICKLE_STORAGE] = "a storage",
    };
    return names[kind];
}

// Opcodes of lists, tuples and dictionaries.
#include "detector/import/pickle_internal.h"

static void push_empty(struct pickle_machine *m, enum pickle_kind kind) {
    pickle_push(m, pickle_new(m, kind));
}

static void push_mark(struct pickle_machine *m) {
    if (m->num_marks == PICKLE_MAX_MARKS)
        pickle_fail(m, STATUS_UNSUPPORTED, "more than %d marks inside one another",
                    PICKLE_MAX_MARKS);
    else
        m->marks[m->num_marks++] = m->depth;
}

static bool check_pairs(struct pickle_machine *m, enum pickle_kind kind, int64_t count) {
    if (m->status != STATUS_OK) return false;
    if (kind != PICKLE_DICT || count % 2 == 0) return true;
    pickle_fail(m, STATUS_DATA, "%lld values for keys and values, expected an even number",
                (long long)count);
    return false;
}

// A value of the items.
static void collect(struct pickle_machine *m, enum pickle_kind kind,
                    struct pickle_value *const *items, int64_t count) {
    if (!check_pairs(m, kind, count)) return;
    struct pickle_value *value = pickle_new(m, kind);
    if (!value) return;
    pickle_append(m, value, items, count);
    pickle_push(m, value);
}

static void collect_marked(struct pickle_machine *m, enum pickle_kind kind) {
    int64_t count = 0;
    struct pickle_value **items = pickle_pop_mark(m, &count);
    collect(m, kind, items, count);
}

static void collect_top(struct pickle_machine *m, int64_t count) {
    if (!pickle_require(m, count)) return;
    m->depth -= count;
    collect(m, PICKLE_TUPLE, m->stack + m->depth, count);
}

// Adds items, which are no longer on the stack but still in place, to the list that is.
static void extend(struct pickle_machine *m, enum pickle_kind kind,
                   struct pickle_value *const *items, int64_t count) {
    if (!pickle_require(m, 1) || !check_pairs(m, kind, count)) return;
    struct pickle_value *list = m->stack[m->depth - 1];
    if (list->kind == kind)
        pickle_append(m, list, items, count);
    else
        pickle_fail(m, STATUS_DATA, "%s on the stack, expected %s", pickle_kind_name(list->kind),
                    pickle_kind_name(kind));
}

static void extend_marked(struct pickle_machine *m, enum pickle_kind kind) {
    int64_t count = 0;
    struct pickle_value **items = pickle_pop_mark(m, &count);
    extend(m, kind, items, count);
}

static void extend_top(struct pickle_machine *m, enum pickle_kind kind, int64_t count) {
    if (!pickle_require(m, count + 1)) return;
    m->depth -= count;
    extend(m, kind, m->stack + m->depth, count);
}

bool pickle_run_container(struct pickle_machine *m, int op) {
    switch (op) {
    case '(': // MARK
        push_mark(m);
        return true;
    case ']': // EMPTY_LIST
        push_empty(m, PICKLE_LIST);
        return true;
    case ')': // EMPTY_TUPLE
        push_empty(m, PICKLE_TUPLE);
        return true;
    case '}': // EMPTY_DICT
        push_empty(m, PICKLE_DICT);
        return true;
    case 'l': // LIST
        collect_marked(m, PICKLE_LIST);
        return true;
    case 't': // TUPLE
        collect_marked(m, PICKLE_TUPLE);
        return true;
    case 'd': // DICT
        collect_marked(m, PICKLE_DICT);
        return true;
    case 0x85: // TUPLE1, TUPLE2, TUPLE3
    case 0x86:
    case 0x87:
        collect_top(m, op - 0x84);
        return true;
    case 'a': // APPEND
        extend_top(m, PICKLE_LIST, 1);
        return true;
    case 's': // SETITEM
        extend_top(m, PICKLE_DICT, 2);
        return true;
    case 'e': // APPENDS
        extend_marked(m, PICKLE_LIST);
        return true;
    case 'u': // SETITEMS
        extend_marked(m, PICKLE_DICT);
        return true;
    default:
        return false;
    }
}

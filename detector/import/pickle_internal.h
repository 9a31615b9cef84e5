// The machine that reads a pickle, shared by its opcodes (pickle.c,
// pickle_containers.c, pickle_text.c) and by the
// objects that it can make (pickle_objects.c). Errors are sticky: after the first one reads give
// zeros and nothing is pushed, and the machine stops before the next opcode.
#pragma once

#include "detector/import/pickle.h"

struct pickle_machine {
    const char *begin;
    const char *at; // next unread byte
    const char *end;
    const char *opcode; // that is running, for messages
    const char *name;   // of the file
    struct pickle_value **stack;
    int64_t depth;
    int64_t stack_capacity;
    int64_t marks[PICKLE_MAX_MARKS]; // depths of the stack
    int num_marks;
    struct pickle_value **memo; // NULL where nothing was put
    int64_t memo_count;
    int64_t memo_capacity;
    const struct pickle_storage **storages;
    int64_t num_storages;
    int64_t storages_capacity;
    int64_t num_items;     // made so far, at most PICKLE_MAX_ITEMS
    int64_t encoded_bytes; // so far, at most the size of the file
    bool stopped;
    struct pickle_value *root;
    struct arena *arena;
    enum status status;
    struct error *err;
};

void pickle_fail(struct pickle_machine *m, enum status status, const char *format, ...)
    PRINTF_LIKE(3, 4);
void pickle_fail_memory(struct pickle_machine *m);

// Nothing but a failure if there are fewer than count items above the last mark.
bool pickle_require(struct pickle_machine *m, int64_t count);

// Removes the last mark; *count values were above it and are still in place.
struct pickle_value **pickle_pop_mark(struct pickle_machine *m, int64_t *count);

// NULL after a failure.
struct pickle_value *pickle_new(struct pickle_machine *m, enum pickle_kind kind);
void pickle_push(struct pickle_machine *m, struct pickle_value *value); // NULL is ignored
struct pickle_value *pickle_pop(struct pickle_machine *m);

// Appends count items to a list, tuple or dictionary.
void pickle_append(struct pickle_machine *m, struct pickle_value *list,
                   struct pickle_value *const *items, int64_t count);

// Notes that the pickle refers to storage.
void pickle_add_storage(struct pickle_machine *m, const struct pickle_storage *storage);

// The next size bytes; NULL if there are fewer.
const char *pickle_take(struct pickle_machine *m, int64_t size);
uint64_t pickle_take_number(struct pickle_machine *m, int bytes); // little-endian
// The next line without its end.
struct pickle_text pickle_take_line(struct pickle_machine *m);

// Opcodes of lists, tuples and dictionaries; false if op is none of them.
bool pickle_run_container(struct pickle_machine *m, int op);

// Opcodes of protocol 0 that are lines of text; false if op is none of them.
bool pickle_run_line(struct pickle_machine *m, int op);

// Pushes the global of that name, if it is one of those that are known.
void pickle_push_global(struct pickle_machine *m, struct pickle_text module,
                        struct pickle_text name);
// REDUCE, BUILD, BINPERSID: calls of the few known functions, by this program's own code.
void pickle_reduce(struct pickle_machine *m);
void pickle_build(struct pickle_machine *m);
void pickle_load_persistent(struct pickle_machine *m);

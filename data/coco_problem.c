#include "data/coco_problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/check.h"

static const struct {
    const char *word;
    enum problem_severity severity;
} kinds[NUM_PROBLEM_KINDS] = {
#define X(name, word, severity) {#word, SEVERITY_##severity},
    COCO_PROBLEMS(X)
#undef X
};

const char *coco_problem_word(enum coco_problem_kind kind) {
    CHECK((unsigned)kind < NUM_PROBLEM_KINDS);
    return kinds[kind].word;
}

enum problem_severity coco_problem_severity(enum coco_problem_kind kind) {
    CHECK((unsigned)kind < NUM_PROBLEM_KINDS);
    return kinds[kind].severity;
}

const char *problem_severity_word(enum problem_severity severity) {
    static const char *const words[] = {"note", "warning", "error"};
    CHECK((unsigned)severity < sizeof words / sizeof *words);
    return words[severity];
}

const char *coco_array_name(enum coco_array array) {
    static const char *const names[] = {"", "images", "categories", "annotations"};
    CHECK((unsigned)array < sizeof names / sizeof *names);
    return names[array];
}

void problem_list_init(struct problem_list *list, int64_t limit) {
    enum { ARENA_BLOCK_BYTES = 1 << 14 };
    CHECK(limit >= 0);
    *list = (struct problem_list){.limit = limit};
    arena_init(&list->arena, ARENA_BLOCK_BYTES, 0);
}

void problem_list_destroy(struct problem_list *list) {
    array_free(&list->items);
    arena_destroy(&list->arena);
    *list = (struct problem_list){0};
}

static void append(struct problem_list *list, const struct coco_problem *problem) {
    if (list->status != STATUS_OK) return;
    list->status = array_reserve(&list->items, &list->capacity, list->count + 1,
                                 sizeof *list->items, &list->err);
    if (list->status != STATUS_OK) return;
    int64_t size = (int64_t)strlen(problem->text);
    char *text = arena_copy_text(&list->arena, problem->text, size);
    if (!text) {
        list->status = error_memory(&list->err, "the list of problems", size);
        return;
    }
    list->items[list->count] = *problem;
    list->items[list->count++].text = text;
}

void problem_add(struct problem_list *list, enum coco_problem_kind kind, struct problem_place place,
                 const char *format, ...) {
    if (list->totals[kind]++ >= list->limit) return;
    char text[ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    int written = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (written >= (int)sizeof text) memcpy(text + sizeof text - 4, "...", 4);
    append(list, &(struct coco_problem){kind, place.array, place.index, place.id, text});
}

void problem_list_fail(struct problem_list *list, const struct error *failure) {
    if (list->status != STATUS_OK) return;
    list->status = failure->code;
    list->err = *failure;
}

void problem_list_move(struct problem_list *target, struct problem_list *source) {
    if (source->status != STATUS_OK) problem_list_fail(target, &source->err);
    // The totals of target are set at the end, so the room that is left is counted down here.
    int64_t room[NUM_PROBLEM_KINDS];
    for (int kind = 0; kind < NUM_PROBLEM_KINDS; kind++) {
        room[kind] = target->limit - target->totals[kind];
        target->totals[kind] += source->totals[kind];
    }
    for (int64_t i = 0; i < source->count; i++)
        if (room[source->items[i].kind]-- > 0) append(target, &source->items[i]);
    int64_t limit = source->limit;
    problem_list_destroy(source);
    problem_list_init(source, limit);
}

enum status problem_list_sort(struct problem_list *list, struct error *err) {
    if (list->status != STATUS_OK) return error_set(err, list->status, "%s", list->err.message);
    if (list->count == 0) return STATUS_OK;
    struct coco_problem *sorted = NULL;
    int64_t capacity = 0;
    TRY(array_reserve(&sorted, &capacity, list->count, sizeof *sorted, err));
    int64_t begin[NUM_PROBLEM_KINDS + 1] = {0};
    for (int64_t i = 0; i < list->count; i++)
        begin[list->items[i].kind + 1]++;
    for (int kind = 0; kind < NUM_PROBLEM_KINDS; kind++)
        begin[kind + 1] += begin[kind];
    for (int64_t i = 0; i < list->count; i++)
        sorted[begin[list->items[i].kind]++] = list->items[i];
    array_free(&list->items);
    list->items = sorted;
    list->capacity = capacity;
    return STATUS_OK;
}

int64_t problem_list_total(const struct problem_list *list, enum problem_severity severity) {
    int64_t total = 0;
    for (int kind = 0; kind < NUM_PROBLEM_KINDS; kind++)
        if (kinds[kind].severity == severity) total += list->totals[kind];
    return total;
}

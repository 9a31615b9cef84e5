// Values from words of the command line.
#include <string.h>

#include "base/check.h"
#include "base/option_internal.h"

static enum status refuse_text(const struct option_target *target, const char *text,
                               const char *expected) {
    char shown[OPTION_SHOWN_BYTES];
    option_show_text(shown, text);
    return option_refuse(target, shown, expected);
}

static enum status read_bool(const struct option_target *target, const char *text) {
    bool value = strcmp(text, "true") == 0;
    if (!value && strcmp(text, "false") != 0) return refuse_text(target, text, NULL);
    *(bool *)target->field = value;
    return STATUS_OK;
}

static enum status read_int64(const struct option_target *target, const char *text,
                              int64_t *result) {
    int64_t value = 0;
    if (!option_parse_int64(text, &value) || !option_allows_int64(target->row, value))
        return refuse_text(target, text, NULL);
    *result = value;
    return STATUS_OK;
}

static enum status read_double(const struct option_target *target, const char *text,
                               double *result) {
    double value = 0;
    if (!option_parse_double(text, &value) || !option_allows_double(target->row, value))
        return refuse_text(target, text, NULL);
    *result = value;
    return STATUS_OK;
}

static enum status read_choice(const struct option_target *target, const char *text) {
    int index = option_choice_index(target->row, text);
    if (index < 0) return refuse_text(target, text, NULL);
    memcpy(target->field, &index, sizeof index);
    return STATUS_OK;
}

static enum status read_text(const struct option_target *target, const char *text,
                             const char **result) {
    if (!option_allows_text(target->row, text)) return refuse_text(target, text, NULL);
    const char *copy = arena_copy_text(target->arena, text, (int64_t)strlen(text));
    if (!copy) return option_memory(target, (int64_t)strlen(text));
    *result = copy;
    return STATUS_OK;
}

// ---- Lists ----

// The words between the commas of a list, NUL-terminated, one behind the other.
struct words {
    char *first;
    int64_t count;
};

static char *word_after(char *word) {
    return word + strlen(word) + 1;
}

static enum status split(const struct option_target *target, const char *text,
                         struct words *words) {
    int64_t size = (int64_t)strlen(text);
    *words = (struct words){arena_copy_text(target->arena, text, size), 1};
    if (!words->first) return option_memory(target, size);
    for (int64_t i = 0; i < size; i++) {
        if (words->first[i] != ',') continue;
        words->first[i] = '\0';
        words->count++;
    }
    char *word = words->first;
    for (int64_t i = 0; i < words->count; i++, word = word_after(word))
        if (*word == '\0')
            return refuse_text(target, text, "a list with a value between all commas");
    if (words->count > OPTION_MAX_ITEMS) return refuse_text(target, text, "a list of that size");
    return STATUS_OK;
}

static enum status read_ints(const struct option_target *target, struct words words) {
    int64_t *items = arena_alloc(target->arena, words.count, sizeof *items);
    if (!items) return option_memory(target, words.count * (int64_t)sizeof *items);
    for (int64_t i = 0; i < words.count; i++, words.first = word_after(words.first))
        TRY(read_int64(target, words.first, &items[i]));
    *(struct option_ints *)target->field = (struct option_ints){items, words.count};
    return STATUS_OK;
}

static enum status read_texts(const struct option_target *target, struct words words) {
    const char **items = arena_alloc(target->arena, words.count, sizeof *items);
    if (!items) return option_memory(target, words.count * (int64_t)sizeof *items);
    for (int64_t i = 0; i < words.count; i++, words.first = word_after(words.first))
        TRY(read_text(target, words.first, &items[i]));
    *(struct option_texts *)target->field = (struct option_texts){items, words.count};
    return STATUS_OK;
}

// One word of a list of doubles: a number, or LOW:HIGH:STEP.
struct range {
    double low;
    double high;
    int64_t steps; // 0 for a single number
};

static enum status read_range(const struct option_target *target, const char *word,
                              struct range *range) {
    const char *expected = "a range LOW:HIGH:STEP that reaches HIGH in whole steps";
    *range = (struct range){0};
    const char *first = strchr(word, ':');
    if (!first) return read_double(target, word, &range->low);
    const char *second = strchr(first + 1, ':');
    char copy[64];
    if (!second || strlen(word) >= sizeof copy) return refuse_text(target, word, expected);
    memcpy(copy, word, strlen(word) + 1);
    copy[first - word] = copy[second - word] = '\0';
    double step = 0;
    TRY(read_double(target, copy, &range->low));
    TRY(read_double(target, copy + (first - word) + 1, &range->high));
    if (!option_parse_double(second + 1, &step) || step <= 0 || range->high <= range->low)
        return refuse_text(target, word, expected);
    double steps = (range->high - range->low) / step;
    // A step such as 0.05 has no exact double, so the last one only nearly hits HIGH.
    const double tolerance = 1e-6;
    if (steps > OPTION_MAX_ITEMS || fabs(steps - round(steps)) > tolerance || round(steps) < 1)
        return refuse_text(target, word, expected);
    range->steps = (int64_t)round(steps);
    return STATUS_OK;
}

static enum status read_doubles(const struct option_target *target, struct words words) {
    int64_t count = 0;
    struct range range;
    char *word = words.first;
    for (int64_t i = 0; i < words.count; i++, word = word_after(word)) {
        TRY(read_range(target, word, &range));
        count += range.steps + 1;
        if (count > OPTION_MAX_ITEMS) return refuse_text(target, word, "a list of that size");
    }
    double *items = arena_alloc(target->arena, count, sizeof *items);
    if (!items) return option_memory(target, count * (int64_t)sizeof *items);
    int64_t filled = 0;
    word = words.first;
    for (int64_t i = 0; i < words.count; i++, word = word_after(word)) {
        TRY(read_range(target, word, &range));
        double step = range.steps ? (range.high - range.low) / (double)range.steps : 0;
        for (int64_t k = 0; k < range.steps; k++)
            items[filled++] = (double)k * step + range.low;
        items[filled++] = range.steps ? range.high : range.low;
    }
    *(struct option_doubles *)target->field = (struct option_doubles){items, count};
    return STATUS_OK;
}

enum status option_read_text(const struct option_target *target, const char *text) {
    struct words words;
    switch (target->row->kind) {
    case OPTION_BOOL:
        return read_bool(target, text);
    case OPTION_INT64:
        return read_int64(target, text, target->field);
    case OPTION_DOUBLE:
        return read_double(target, text, target->field);
    case OPTION_TEXT:
        return read_text(target, text, target->field);
    case OPTION_CHOICE:
        return read_choice(target, text);
    case OPTION_INTS:
        TRY(split(target, text, &words));
        return read_ints(target, words);
    case OPTION_DOUBLES:
        TRY(split(target, text, &words));
        return read_doubles(target, words);
    case OPTION_TEXTS:
        TRY(split(target, text, &words));
        return read_texts(target, words);
    }
    CHECK(false); // a kind that does not exist
}

#include "nn/top_k/top_k_cost.h"

#include "nn/top_k/sort_sizes.h"
#include "nn/top_k/top_k.h"

enum { KEY_VALUES = 2, SCORE_DIGITS = 4 }; // 64 bits; half of them are the score's, 8 a digit

void cost_sort(struct cost_sheet *sheet, int64_t count) {
    int64_t capacity = sort_capacity(count);
    double keys = (double)(KEY_VALUES * capacity);
    if (count < capacity)
        cost_pass(sheet, "keys behind the last", (double)(KEY_VALUES * (capacity - count)), 0);
    cost_pass(sheet, "keys sorted", 2 * keys, 0);
    for (int64_t size = 2 * SORT_CHUNK; size <= capacity; size *= 2) {
        for (int64_t stride = size / 2; stride >= SORT_CHUNK; stride /= 2)
            cost_pass(sheet, "keys sorted", 2 * keys, 0);
        cost_pass(sheet, "keys sorted", 2 * keys, 0);
    }
}

void cost_select(struct cost_sheet *sheet, int64_t count, int64_t k) {
    if (k == 0) return;
    // Scores that differ are told apart by their own digits.
    for (int digit = 0; digit < SCORE_DIGITS && k < count; digit++)
        cost_pass(sheet, "digits counted", (double)count, 0);
    cost_pass(sheet, "best chosen", (double)(count + KEY_VALUES * k), 0);
}

void cost_top_k_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct top_k_call *call = (const struct top_k_call *)base;
    int64_t k = call->out->count;
    if (k == 0) return;
    cost_select(sheet, call->count, k);
    cost_sort(sheet, k);
    cost_pass(sheet, "indices", (double)((KEY_VALUES + 1) * k), 0);
}

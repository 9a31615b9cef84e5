#include "nn/top_k/top_k_cost.h"

#include "nn/top_k/sort_sizes.h"
#include "nn/top_k/top_k.h"

enum { KEY_VALUES = 2, NUM_BINS = 2048 };

void cost_sort(struct cost_sheet *sheet, int64_t lists, int64_t each) {
    double keys = (double)(KEY_VALUES * lists * each);
    if (lists * each == 0) return;
    cost_pass(sheet, "keys sorted", 2 * keys, 0);
    if (each > SORT_CHUNK) cost_pass(sheet, "sorted keys merged", 2 * keys, 0);
}

// As if as many keys as are chosen were in the last bin, and were told apart by two digits.
void cost_select(struct cost_sheet *sheet, const struct cost_choice *choice) {
    double scores = (double)choice->scores;
    double chosen = (double)(KEY_VALUES * choice->chosen);
    double bins = (double)(choice->lists * NUM_BINS);
    if (choice->lists == 0) return;
    cost_pass(sheet, "scores counted", scores + bins, 0);
    cost_pass(sheet, "best chosen", scores + bins + chosen, 0);
    cost_pass(sheet, "last of them", chosen, 0);
}

void cost_top_k_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct top_k_call *call = (const struct top_k_call *)base;
    int64_t k = call->out->count;
    if (k == 0) return;
    const struct cost_choice choice = {.lists = 1, .scores = call->count, .chosen = k};
    cost_select(sheet, &choice);
    cost_sort(sheet, 1, k);
    cost_pass(sheet, "indices", (double)((KEY_VALUES + 1) * k), 0);
}

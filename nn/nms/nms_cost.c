#include "nn/nms/nms_cost.h"

#include "nn/nms/nms.h"

enum { WORD = 64, WINDOW = 8192, WORD_VALUES = 2, BOX_VALUES = 5, OPERATIONS_OF_OVERLAP = 15 };

// Of one window, behind which earlier ones kept so many boxes; returns how many are kept then.
static int64_t cost_window(struct cost_sheet *sheet, int64_t lists, int64_t count, int64_t before,
                           int64_t max_keep) {
    int64_t words = (count + WORD - 1) / WORD;
    int64_t kept = count < max_keep - before ? count : max_keep - before;
    double boxes = (double)(lists * count);
    // A box has a word for those before it, 64 at a time.
    double word_values = (double)(WORD_VALUES * (words + 1)) / 2;
    cost_pass(sheet, "boxes compared", (BOX_VALUES + word_values) * boxes,
              OPERATIONS_OF_OVERLAP * boxes * (double)count / 2);
    // They are read until enough are kept.
    cost_pass(sheet, "boxes suppressed", word_values * boxes + (double)(lists * kept), 0);
    return before + kept;
}

void cost_nms(struct cost_sheet *sheet, int64_t lists, int64_t each, int64_t max_keep) {
    int64_t kept = 0;
    // The windows behind the one that fills the list end at once.
    for (int64_t first = 0; first < each && (first == 0 || kept < max_keep); first += WINDOW) {
        int64_t size = each - first < WINDOW ? each - first : (int64_t)WINDOW;
        double boxes = (double)(lists * size);
        if (first > 0)
            cost_pass(sheet, "boxes compared with the kept",
                      (double)(lists * BOX_VALUES * (size + kept)) + boxes / 32,
                      OPERATIONS_OF_OVERLAP * (double)kept * boxes);
        kept = cost_window(sheet, lists, size, kept, max_keep);
    }
}

void cost_nms_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct nms_call *call = (const struct nms_call *)base;
    cost_nms(sheet, 1, call->count, call->max_keep);
}

#include "nn/nms/nms_cost.h"

#include "nn/nms/nms.h"

enum { WORD = 64, WINDOW = 8192, WORD_VALUES = 2, BOX_VALUES = 5, OPERATIONS_OF_OVERLAP = 15 };

// Of one window, behind which earlier ones kept so many boxes; returns how many are kept then.
static int64_t cost_window(struct cost_sheet *sheet, int64_t count, int64_t before,
                           int64_t max_keep) {
    int64_t words = (count + WORD - 1) / WORD;
    int64_t kept = count < max_keep - before ? count : max_keep - before;
    // A box says what it drops of those behind it.
    double word_values = (double)(WORD_VALUES * (words + 1)) / 2;
    double pairs = (double)count * (double)count / 2;
    cost_pass(sheet, "boxes compared", (double)(BOX_VALUES * count) + word_values * (double)count,
              OPERATIONS_OF_OVERLAP * pairs);
    // The words of 64 boxes among themselves, all; those of the kept ones.
    cost_pass(sheet, "boxes suppressed",
              (double)(WORD_VALUES * count) + word_values * (double)kept + (double)kept, 0);
    return before + kept;
}

void cost_nms(struct cost_sheet *sheet, int64_t count, int64_t max_keep) {
    int64_t kept = 0;
    // The windows behind the one that fills the list end at once.
    for (int64_t first = 0; first < count && (first == 0 || kept < max_keep); first += WINDOW) {
        int64_t size = count - first < WINDOW ? count - first : (int64_t)WINDOW;
        if (first > 0)
            cost_pass(sheet, "boxes compared with the kept",
                      (double)(BOX_VALUES * (size + kept)) + (double)size / 32,
                      OPERATIONS_OF_OVERLAP * (double)kept * (double)size);
        kept = cost_window(sheet, size, kept, max_keep);
    }
}

void cost_nms_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct nms_call *call = (const struct nms_call *)base;
    cost_nms(sheet, call->count, call->max_keep);
}

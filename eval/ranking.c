#include "eval/ranking.h"

#include <stdbool.h>
#include <string.h>

enum { RUN_LENGTH = 12 }; // up to here insertion is faster than merging

static void insertion_sort(int32_t *items, int64_t count, const double *scores) {
    for (int64_t i = 1; i < count; i++) {
        int32_t item = items[i];
        double score = scores[item];
        int64_t place = i;
        for (; place > 0 && scores[items[place - 1]] < score; place--)
            items[place] = items[place - 1];
        items[place] = item;
    }
}

// Merges the sorted runs [0, middle) and [middle, count) of from into to.
static void merge(const int32_t *from, int64_t middle, int64_t count, const double *scores,
                  int32_t *to) {
    int64_t left = 0;
    int64_t right = middle;
    for (int64_t i = 0; i < count; i++) {
        bool take_right =
            left == middle || (right < count && scores[from[right]] > scores[from[left]]);
        to[i] = take_right ? from[right++] : from[left++];
    }
}

void rank_by_score(int32_t *items, int64_t count, const double *scores, int32_t *scratch) {
    for (int64_t begin = 0; begin < count; begin += RUN_LENGTH)
        insertion_sort(items + begin, count - begin < RUN_LENGTH ? count - begin : RUN_LENGTH,
                       scores);
    int32_t *from = items;
    int32_t *to = scratch;
    for (int64_t length = RUN_LENGTH; length < count; length *= 2) {
        for (int64_t begin = 0; begin < count; begin += 2 * length) {
            int64_t left = count - begin;
            merge(from + begin, left < length ? left : length,
                  left < 2 * length ? left : 2 * length, scores, to + begin);
        }
        int32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != items) memcpy(items, from, (size_t)count * sizeof *items);
}

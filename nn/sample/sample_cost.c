#include "nn/cuda/cost_launch.h"
#include "nn/sample/sample.h"

enum { NUMBER_OPERATIONS = 100, NUM_DIGITS = 256, KEY_VALUES = 2 }; // of drawing a number

// As if all candidates were background, and more than may stay.
void cost_sample_forward(struct cost_sheet *sheet, const struct call *base) {
    const struct sample_call *call = (const struct sample_call *)base;
    double images = (double)call->num_images;
    double candidates = images * (double)call->each;
    double digits = images * SAMPLE_KINDS * NUM_DIGITS;
    double listed = candidates / NUM_DIGITS;
    double dropped = candidates - images * (double)call->count;
    if (candidates == 0) return;
    cost_pass(sheet, "digits counted", candidates + 2 * digits, NUMBER_OPERATIONS * candidates);
    cost_pass(sheet, "digits dropped",
              candidates + digits + (dropped > 0 ? dropped : 0) + KEY_VALUES * listed,
              NUMBER_OPERATIONS * candidates);
    cost_pass(sheet, "last digit's numbers compared", (KEY_VALUES + 1) * listed,
              listed * listed / images);
}

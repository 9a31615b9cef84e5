// An axis of a chart: which values it shows, where they lie, and round numbers to mark it with.
#pragma once

#include <stdbool.h>

#include "tools/series.h"

enum { AXIS_MAX_TICKS = 32, AXIS_LABEL_BYTES = 32 };

enum axis_kind {
    AXIS_STEPS,       // whole numbers: 0, 20k, 40k
    AXIS_LINEAR,      // any numbers
    AXIS_LOGARITHMIC, // positive numbers; made linear if the largest is not 20 times the smallest
};

struct axis {
    enum axis_kind kind;
    double low, high;  // the values at the ends, low < high
    double begin, end; // the coordinates of low and high
    double ticks[AXIS_MAX_TICKS];
    int num_ticks;
    int exponent; // of ten, the same in all labels of a linear axis
};

// An axis from the coordinate begin to end that shows the range (not of nothing) and about as many
// ticks as wanted. It starts at 0 if the values do not lie far from it. A range of one value, or
// one too narrow to tell its ends apart, is widened.
void axis_choose(struct axis *axis, enum axis_kind kind, struct range range, int num_ticks,
                 double begin, double end);

// The coordinate of a value. Values far beyond the ends lie one length of the axis beyond them.
double axis_place(const struct axis *axis, double value);

// What to write at a tick: "20k" steps, "0.5", "2×10⁻⁵".
void axis_label(const struct axis *axis, double tick, char label[AXIS_LABEL_BYTES]);

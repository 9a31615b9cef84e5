// How the time of a device is spread over the kinds of operations. Each call is waited for, so the
// sum is more than what the same calls take in a row. Needs the linker's --wrap for device_forward
// and device_backward, so that the library has no clocks in it.
#pragma once

#include "nn/cuda/cost.h"
#include "nn/nn.h"

// Of one step.
struct op_times {
    struct op_time {
        int64_t calls;
        double seconds;
    } forward[NUM_OPS], backward[NUM_OPS];
};

// From now on, every call adds to times; NULL: no more.
void op_times_attach(struct op_times *times);

// Keeps the least of each operation's seconds: other load can only add to them.
void op_times_keep_least(struct op_times *least, const struct op_times *times);

// A line for each operation, the slowest first, and one for all: what it took beside what sheet has
// counted. processor is one of COST_PROCESSORS, for the least that is possible.
void op_times_print(const struct op_times *times, const struct cost_sheet *sheet, int processor);

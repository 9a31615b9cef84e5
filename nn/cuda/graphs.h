// Lists of commands that come again and again, as CUDA graphs: the driver takes one call for all of
// them.
#pragma once

#include "nn/cuda/commands.h"

struct graphs; // those of a context

// Commands, one behind the other, each aligned to 16 bytes.
struct command_list {
    const char *first;
    int64_t bytes;
    int count;
};

MUST_CHECK enum status graphs_open(struct graphs **graphs, struct error *err);
// After all that they were launched for.
void graphs_close(struct graphs *graphs); // NULL is fine

// Puts the commands on the stream: as a graph if the same bytes came twice before. Where none can
// be captured they go one by one, now and whenever they come again.
MUST_CHECK enum status graphs_run(struct graphs *graphs, const struct command_list *list,
                                  cudaStream_t stream, struct error *err);

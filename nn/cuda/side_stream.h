// A second stream beside that of the kernels, for what other libraries do there, and how the two
// wait for each other.
#pragma once

#include "nn/cuda/kernel.h"

struct side_stream;

// As in struct cuda_side (nn/cuda/backend.h).
MUST_CHECK enum status side_stream_open(struct side_stream **side, struct nn *nn,
                                        struct error *err);
void side_stream_close(struct side_stream *side);
void *side_stream_handle(const struct side_stream *side);
MUST_CHECK enum status side_stream_follow(struct side_stream *side, struct error *err);
MUST_CHECK enum status side_stream_lead(struct side_stream *side, struct error *err);
MUST_CHECK enum status side_stream_is_done(struct side_stream *side, bool *done, struct error *err);

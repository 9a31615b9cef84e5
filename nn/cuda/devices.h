// Which devices there are, and which of them can be used.
#pragma once

#include "nn/cuda/kernel.h"

extern "C" {
#include "nn/cuda/facts.h"
}

// What CUDA says of a call that failed, as one sentence.
enum status cuda_failure(struct error *err, const char *what, cudaError_t code);

// That there is no memory for so many bytes more than there are so far.
enum status cuda_out_of_memory(struct error *err, const char *what, int64_t so_far, int64_t more);

// Whether the device with this number is there and new enough.
MUST_CHECK enum status cuda_check_device(int number, cudaDeviceProp *properties, struct error *err);

// Fills all but the module's path.
MUST_CHECK enum status cuda_describe(struct cuda_facts *facts, struct error *err);

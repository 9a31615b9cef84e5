// What doctor tells of CUDA.
#pragma once

#include "nn/cuda/facts.h"

struct json_writer;
struct output;

struct doctor_cuda {
    struct cuda_facts facts;
    struct error err; // why no device can be used; code is STATUS_OK if one can
};

void doctor_cuda_look(struct doctor_cuda *cuda);
void doctor_cuda_write_text(const struct doctor_cuda *cuda, struct output *out);    // a few rows
void doctor_cuda_write_json(const struct doctor_cuda *cuda, struct json_writer *w); // a member

// Descriptors of cuDNN's graph API: created, given attributes, finalised. They belong to a list,
// which lives as long as the plan made of them; the first failure stays, and then nothing happens.
#pragma once

#include <stdbool.h>

#include "nn/cuda/cudnn/library.h"

enum { MAX_DESCRIPTORS = 48 };

struct descriptors {
    const struct cudnn *cudnn;
    cudnnBackendDescriptor_t items[MAX_DESCRIPTORS];
    int count;
    cudnnStatus_t status;
};

typedef cudnnBackendDescriptor_t descriptor;

descriptor descriptor_create(struct descriptors *list, cudnnBackendDescriptorType_t type);
void descriptor_set(struct descriptors *list, descriptor d, cudnnBackendAttributeName_t name,
                    cudnnBackendAttributeType_t type, int64_t count, const void *values);
void descriptor_set_int(struct descriptors *list, descriptor d, cudnnBackendAttributeName_t name,
                        int64_t value);
void descriptor_set_descriptor(struct descriptors *list, descriptor d,
                               cudnnBackendAttributeName_t name, descriptor value);
void descriptor_finalise(struct descriptors *list, descriptor d);

// Adds one that is there, which is the list's from then on.
void descriptors_add(struct descriptors *list, descriptor d);
// The one with a number, which is the caller's from then on.
descriptor descriptors_take(struct descriptors *list, int number);
// Moves those from the one with the number first on to another list.
void descriptors_move(struct descriptors *to, struct descriptors *from, int first);

// Destroys all from the one with the number first on, and forgets the failure.
void descriptors_cut(struct descriptors *list, int first);

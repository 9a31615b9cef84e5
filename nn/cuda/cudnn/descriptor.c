#include "nn/cuda/cudnn/descriptor.h"

#include "base/check.h"

static bool failed(const struct descriptors *list) {
    return list->status != CUDNN_STATUS_SUCCESS;
}

descriptor descriptor_create(struct descriptors *list, cudnnBackendDescriptorType_t type) {
    CHECK(list->count < MAX_DESCRIPTORS);
    descriptor d = NULL;
    if (failed(list)) return NULL;
    list->status = list->cudnn->cudnnBackendCreateDescriptor(type, &d);
    if (failed(list)) return NULL;
    list->items[list->count++] = d;
    return d;
}

void descriptor_set(struct descriptors *list, descriptor d, cudnnBackendAttributeName_t name,
                    cudnnBackendAttributeType_t type, int64_t count, const void *values) {
    if (!failed(list))
        list->status = list->cudnn->cudnnBackendSetAttribute(d, name, type, count, values);
}

void descriptor_set_int(struct descriptors *list, descriptor d, cudnnBackendAttributeName_t name,
                        int64_t value) {
    descriptor_set(list, d, name, CUDNN_TYPE_INT64, 1, &value);
}

void descriptor_set_descriptor(struct descriptors *list, descriptor d,
                               cudnnBackendAttributeName_t name, descriptor value) {
    descriptor_set(list, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

void descriptor_finalise(struct descriptors *list, descriptor d) {
    if (!failed(list)) list->status = list->cudnn->cudnnBackendFinalize(d);
}

void descriptors_add(struct descriptors *list, descriptor d) {
    CHECK(list->count < MAX_DESCRIPTORS);
    list->items[list->count++] = d;
}

descriptor descriptors_take(struct descriptors *list, int number) {
    descriptor d = list->items[number];
    list->items[number] = NULL;
    return d;
}

void descriptors_move(struct descriptors *to, struct descriptors *from, int first) {
    for (int i = first; i < from->count; i++)
        descriptors_add(to, from->items[i]);
    from->count = first;
}

void descriptors_cut(struct descriptors *list, int first) {
    while (list->count > first) {
        descriptor d = list->items[--list->count];
        if (d) list->cudnn->cudnnBackendDestroyDescriptor(d);
    }
    list->status = CUDNN_STATUS_SUCCESS;
}

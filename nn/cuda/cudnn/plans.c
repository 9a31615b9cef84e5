#include "nn/cuda/cudnn/plans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "nn/cuda/cudnn/plan.h"

enum { FIRST_CAPACITY = 256, MAX_OPERANDS_OF_PRODUCT = 8 };

struct plans {
    struct cudnn cudnn;
    struct planner planner;
    struct descriptors device; // the descriptor of its properties
    cudnnHandle_t handle;      // NULL if the device is not here
    struct plan **table;       // open addressing with linear probing; never more than half full
    int64_t capacity;          // a power of two
    int64_t count;
};

static enum status failure(struct plans *plans, const char *what, cudnnStatus_t status,
                           struct error *err) {
    char text[DESCRIPTION_BYTES];
    cudnn_failure(&plans->cudnn, status, text, sizeof text);
    return error_set(err, STATUS_DEVICE, "cuDNN: %s: %s", what, text);
}

// ---- The table ----

// Where the plan of a product is, or belongs.
static struct plan **place_of(struct plan **table, int64_t capacity,
                              const struct product *product) {
    uint64_t mask = (uint64_t)capacity - 1;
    uint64_t at = hash_bytes(HASH_START, product, sizeof *product) & mask;
    while (table[at] && memcmp(&table[at]->product, product, sizeof *product) != 0)
        at = (at + 1) & mask;
    return &table[at];
}

// For one more.
static enum status make_room(struct plans *plans, struct error *err) {
    if (plans->count * 2 < plans->capacity) return STATUS_OK;
    int64_t capacity = plans->capacity ? plans->capacity * 2 : FIRST_CAPACITY;
    struct plan **table = calloc((size_t)capacity, sizeof(struct plan *));
    if (!table)
        return error_memory(err, "cuDNN's plans", capacity * (int64_t)sizeof(struct plan *));
    for (int64_t i = 0; i < plans->capacity; i++)
        if (plans->table[i])
            *place_of(table, capacity, &plans->table[i]->product) = plans->table[i];
    free(plans->table);
    plans->table = table;
    plans->capacity = capacity;
    return STATUS_OK;
}

// ---- Opening ----

static enum status open_device(struct plans *plans, const struct plans_options *options,
                               struct error *err) {
    struct descriptors *list = &plans->device;
    list->cudnn = &plans->cudnn;
    descriptor device = descriptor_create(list, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    int32_t number = options->device;
    const char *json = options->device_json;
    if (json)
        descriptor_set(list, device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                       (int64_t)strlen(json), json);
    else
        descriptor_set(list, device, CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, 1, &number);
    descriptor_finalise(list, device);
    if (list->status != CUDNN_STATUS_SUCCESS)
        return failure(plans, "the device's properties", list->status, err);
    plans->planner = (struct planner){&plans->cudnn, device};
    if (json) return STATUS_OK;
    cudnnStatus_t status = plans->cudnn.cudnnCreate(&plans->handle);
    if (status == CUDNN_STATUS_SUCCESS)
        status = plans->cudnn.cudnnSetStream(plans->handle, (cudaStream_t)options->stream);
    return status == CUDNN_STATUS_SUCCESS ? STATUS_OK : failure(plans, "a handle", status, err);
}

enum status plans_open(struct plans **result, const struct plans_options *options,
                       struct error *err) {
    *result = NULL;
    struct plans *plans = calloc(1, sizeof *plans);
    if (!plans) return error_memory(err, "cuDNN's plans", sizeof *plans);
    enum status status = make_room(plans, err);
    if (status == STATUS_OK) status = cudnn_open(&plans->cudnn, err);
    if (status == STATUS_OK) status = open_device(plans, options, err);
    if (status == STATUS_OK)
        *result = plans;
    else
        plans_close(plans);
    return status;
}

void plans_close(struct plans *plans) {
    if (!plans) return;
    for (int64_t i = 0; plans->table && i < plans->capacity; i++) {
        if (!plans->table[i]) continue;
        descriptors_cut(&plans->table[i]->descriptors, 0);
        free(plans->table[i]);
    }
    free(plans->table);
    if (plans->device.cudnn) descriptors_cut(&plans->device, 0);
    if (plans->handle) plans->cudnn.cudnnDestroy(plans->handle);
    free(plans);
}

enum status plans_library_version(int64_t *version, struct error *err) {
    struct cudnn cudnn;
    TRY(cudnn_open(&cudnn, err));
    *version = (int64_t)cudnn.cudnnGetVersion();
    return STATUS_OK;
}

int64_t plans_version(const struct plans *plans) {
    return (int64_t)plans->cudnn.cudnnGetVersion();
}

char *plans_device_json(const struct plans *plans) {
    enum { MAX_BYTES = 1 << 16 };
    int64_t size = 0;
    char *json = calloc(MAX_BYTES + 1, 1);
    if (!json) return NULL;
    cudnnStatus_t status = plans->cudnn.cudnnBackendGetAttribute(
        plans->planner.device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
        MAX_BYTES, &size, json);
    if (status == CUDNN_STATUS_SUCCESS) return json;
    free(json);
    return NULL;
}

// ---- Finding ----

// NULL, with err, if there is no memory. timer may be NULL.
static struct plan *make(struct plans *plans, const struct product *product,
                         const struct plan_timer *timer, struct error *err) {
    if (make_room(plans, err) != STATUS_OK) return NULL;
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan) {
        error_memory(err, "a plan of cuDNN", sizeof *plan);
        return NULL;
    }
    plan->product = *product;
    if (timer)
        plan_build_fastest(&plans->planner, plan, timer);
    else
        plan_build(&plans->planner, plan);
    *place_of(plans->table, plans->capacity, product) = plan;
    plans->count++;
    return plan;
}

static enum status find(struct plans *plans, const struct product *product,
                        const struct plan_timer *timer, struct plan **plan, struct error *err) {
    struct plan *found = *place_of(plans->table, plans->capacity, product);
    if (!found) found = make(plans, product, timer, err);
    if (!found) return STATUS_MEMORY;
    *plan = found;
    if (found->plan) return STATUS_OK;
    char name[DESCRIPTION_BYTES];
    product_name(product, name, sizeof name);
    return error_set(err, STATUS_UNSUPPORTED, "cuDNN: no plan for a %s: %s", name, found->failure);
}

enum status plans_find(struct plans *plans, const struct product *product, struct plan **plan,
                       struct error *err) {
    return find(plans, product, NULL, plan, err);
}

enum status plans_find_fastest(struct plans *plans, const struct product *product,
                               const struct plan_timer *timer, struct plan **plan,
                               struct error *err) {
    return find(plans, product, timer, plan, err);
}

bool plans_know(const struct plans *plans, const struct product *product) {
    return *place_of(plans->table, plans->capacity, product) != NULL;
}

int64_t plan_workspace_bytes(const struct plan *plan) {
    return plan->workspace_bytes;
}

int64_t plan_engine(const struct plan *plan) {
    return plan->engine;
}

// ---- Running ----

// A finalised pack cannot be changed, so each run has one of its own; that costs half a
// microsecond.
static cudnnStatus_t execute(struct plans *plans, const struct plan *plan,
                             const struct product_data *data, void *workspace) {
    int64_t numbers[MAX_OPERANDS_OF_PRODUCT];
    void *addresses[MAX_OPERANDS_OF_PRODUCT];
    int count = product_operands(&plan->product, data, numbers, addresses);
    struct descriptors list = {.cudnn = &plans->cudnn};
    descriptor pack = descriptor_create(&list, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    descriptor_set(&list, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count,
                   numbers);
    descriptor_set(&list, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count,
                   addresses);
    descriptor_set(&list, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1,
                   &workspace);
    descriptor_finalise(&list, pack);
    cudnnStatus_t status = list.status;
    if (status == CUDNN_STATUS_SUCCESS)
        status = plans->cudnn.cudnnBackendExecute(plans->handle, plan->plan, pack);
    descriptors_cut(&list, 0);
    return status;
}

bool plan_has_run(const struct plan *plan) {
    return plan->has_run;
}

void plan_keep(struct plan *plan) {
    plan->has_run = true;
}

bool plan_run(struct plans *plans, const struct plan *plan, const struct product_data *data,
              void *workspace, struct error *err) {
    cudnnStatus_t status = execute(plans, plan, data, workspace);
    if (status != CUDNN_STATUS_SUCCESS) failure(plans, "a plan cannot run", status, err);
    return status == CUDNN_STATUS_SUCCESS;
}

void plan_replace(struct plans *plans, struct plan *plan, const struct error *why) {
    plan->refused++;
    plan->has_run = false;
    descriptors_cut(&plan->descriptors, 0);
    plan_build(&plans->planner, plan);
    if (!plan->plan) snprintf(plan->failure, sizeof plan->failure, "%s", why->message);
}

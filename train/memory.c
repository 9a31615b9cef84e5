#include "train/memory.h"

#include "base/process.h"
#include "train/plan.h"

enum status training_memory_count(struct training_memory *memory, struct detector_model *model,
                                  const struct loader_options *loader, enum nn_precision precision,
                                  struct error *err) {
    const struct parameters *p = &model->network.parameters;
    const int64_t momentum = p->num_trainable_floats * (int64_t)sizeof(float);
    const struct loader_need need = loader_need_of(loader);
    struct nn *nn = NULL;
    *memory = (struct training_memory){
        .held = process_resident_bytes(),
        .parameters = p->num_floats * (int64_t)sizeof(float) + 2 * momentum,
        .loader = need.bytes,
        .padded = need.padded,
    };
    const struct nn_options plan = {.device = NN_PLAN, .precision = precision, .num_threads = 1};
    TRY(nn_create(&nn, &plan, err));
    plan_training(nn, &model->network, model->config.schedule.group, memory->padded);
    memory->step = nn->heap.peak_bytes;
    enum status status = nn_status(nn, err);
    nn_destroy(nn);
    memory->total = memory->held + momentum + memory->step + memory->loader;
    return status;
}

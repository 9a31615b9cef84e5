#include "nn/cuda/cudnn/plan.h"

#include <stdio.h>

enum { MAX_CONFIGURATIONS = 32, MAX_NOTES = 16 };
static const int64_t MAX_WORKSPACE_BYTES = (int64_t)256 << 20;

// ---- Which engines are wanted ----

// Whether it computes what was asked for: always the same, and in the precision asked for.
static bool is_wanted(const struct product *product, const cudnnBackendNumericalNote_t *notes,
                      int64_t count) {
    int32_t rules = product->rules;
    for (int64_t i = 0; i < count; i++) {
        switch (notes[i]) {
        case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
            return false;
        case CUDNN_NUMERICAL_NOTE_TENSOR_CORE: // round no factors that have 16 bits
            if (product->type == NUMBER_FLOAT32 && !(rules & PRODUCT_TF32)) return false;
            break;
        case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
            if (!(rules & PRODUCT_TF32)) return false;
            break;
        case CUDNN_NUMERICAL_NOTE_FFT:
        case CUDNN_NUMERICAL_NOTE_WINOGRAD:
        case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
        case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
        case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
            if (rules & PRODUCT_DIRECT) return false;
            break;
        case CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP:
        case CUDNN_NUMERICAL_NOTE_TYPE_COUNT:
            break;
        }
    }
    return true;
}

// The number of a configuration's engine, or -1 if it is not wanted.
static int64_t engine_of(struct plan *plan, descriptor configuration) {
    struct descriptors *list = &plan->descriptors;
    const struct cudnn *cudnn = list->cudnn;
    cudnnBackendNumericalNote_t notes[MAX_NOTES];
    int64_t found = 0;
    int64_t count = 0;
    int64_t number = -1;
    descriptor engine = descriptor_create(list, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    if (!engine) return -1;
    bool known =
        cudnn->cudnnBackendGetAttribute(configuration, CUDNN_ATTR_ENGINECFG_ENGINE,
                                        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &found,
                                        &engine) == CUDNN_STATUS_SUCCESS &&
        cudnn->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                        CUDNN_TYPE_NUMERICAL_NOTE, MAX_NOTES, &count,
                                        notes) == CUDNN_STATUS_SUCCESS &&
        cudnn->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1,
                                        &found, &number) == CUDNN_STATUS_SUCCESS;
    return known && is_wanted(&plan->product, notes, count) ? number : -1;
}

// ---- Trying them ----

static void remember_failure(struct plan *plan) {
    const struct descriptors *list = &plan->descriptors;
    cudnn_failure(list->cudnn, list->status, plan->failure, sizeof plan->failure);
}

static bool finalise_plan(const struct planner *planner, struct plan *plan,
                          descriptor configuration) {
    struct descriptors *list = &plan->descriptors;
    descriptor p = descriptor_create(list, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    descriptor_set_descriptor(list, p, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
    descriptor_set_descriptor(list, p, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, planner->device);
    descriptor_finalise(list, p);
    int64_t found = 0;
    if (list->status == CUDNN_STATUS_SUCCESS)
        list->status = planner->cudnn->cudnnBackendGetAttribute(
            p, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &found,
            &plan->workspace_bytes);
    plan->plan = p;
    return list->status == CUDNN_STATUS_SUCCESS && plan->workspace_bytes <= MAX_WORKSPACE_BYTES;
}

// Leaves the engine behind the graph in plan->descriptors if visit takes it, or nothing.
static bool try_engine(const struct planner *planner, struct plan *plan, descriptor configuration,
                       plan_visitor *visit, void *context) {
    struct descriptors *list = &plan->descriptors;
    int first = list->count;
    descriptors_add(list, configuration); // the plan may refer to it
    plan->engine = engine_of(plan, configuration);
    bool usable = plan->engine >= 0 && finalise_plan(planner, plan, configuration);
    if (list->status != CUDNN_STATUS_SUCCESS) remember_failure(plan);
    if (usable && visit(plan, first, context)) return true;
    descriptors_cut(list, first);
    plan->plan = NULL;
    return false;
}

// What the heuristics of a mode propose, best first, into answers.
static void ask(const struct planner *planner, struct descriptors *list, descriptor graph,
                cudnnBackendHeurMode_t mode, struct descriptors *answers) {
    descriptor heuristics = descriptor_create(list, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    descriptor_set_descriptor(list, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    descriptor_set(list, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    descriptor_set_descriptor(list, heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, planner->device);
    descriptor_finalise(list, heuristics);
    for (int i = 0; i < MAX_CONFIGURATIONS; i++)
        descriptor_create(answers, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    if (list->status != CUDNN_STATUS_SUCCESS || answers->status != CUDNN_STATUS_SUCCESS) return;
    int64_t count = 0;
    list->status = planner->cudnn->cudnnBackendGetAttribute(
        heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
        MAX_CONFIGURATIONS, &count, answers->items);
    descriptors_cut(answers, (int)count);
}

descriptor plan_begin(const struct planner *planner, struct plan *plan) {
    struct descriptors *list = &plan->descriptors;
    *list = (struct descriptors){.cudnn = planner->cudnn};
    snprintf(plan->failure, sizeof plan->failure, "no engine computes as is asked");
    plan->plan = NULL;
    descriptor graph = product_graph(list, &plan->product);
    if (list->status != CUDNN_STATUS_SUCCESS) remember_failure(plan);
    return graph;
}

bool plan_search(const struct planner *planner, struct plan *plan, descriptor graph,
                 cudnnBackendHeurMode_t mode, plan_visitor *visit, void *context) {
    struct descriptors *list = &plan->descriptors;
    struct descriptors answers = {.cudnn = planner->cudnn};
    int first = list->count;
    bool ended = false;
    ask(planner, list, graph, mode, &answers);
    for (int i = 0; i < answers.count && !ended; i++)
        ended = try_engine(planner, plan, descriptors_take(&answers, i), visit, context);
    descriptors_cut(&answers, 0);
    if (list->status != CUDNN_STATUS_SUCCESS) remember_failure(plan);
    if (!ended) descriptors_cut(list, first);
    return ended;
}

// ---- The first ----

static bool is_next(struct plan *plan, int first, void *context) {
    int *usable = context;
    (void)first;
    return (*usable)++ == plan->refused;
}

void plan_build(const struct planner *planner, struct plan *plan) {
    int usable = 0;
    descriptor graph = plan_begin(planner, plan);
    bool found =
        graph && (plan_search(planner, plan, graph, CUDNN_HEUR_MODE_A, is_next, &usable) ||
                  plan_search(planner, plan, graph, CUDNN_HEUR_MODE_FALLBACK, is_next, &usable));
    if (!found) descriptors_cut(&plan->descriptors, 0);
}

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "nn/cuda/cudnn/plan.h"

// Some engines are compiled as they are tried, which takes up to two seconds each.
static const double MAX_SECONDS = 4;

// One that is hardly faster does not take the place of one that the heuristics put before it: so
// chance decides less often.
static const double CLEARLY = 0.97;

// A race of engines, which run one after the other.
struct race {
    const struct plan_timer *timer;
    struct plan best; // its descriptors are those of the engine alone
    double seconds;   // of the best, or those in which there is none
    double start;
    int num_tried;
};

static bool compete(struct plan *plan, int first, void *context) {
    struct race *race = context;
    double seconds = race->timer->seconds(race->timer->context, plan);
    if (seconds >= 0 && seconds < race->seconds) {
        struct descriptors engine = race->best.descriptors;
        descriptors_cut(&engine, 0);
        descriptors_move(&engine, &plan->descriptors, first);
        race->best = *plan;
        race->best.descriptors = engine;
        race->seconds = seconds * CLEARLY;
    }
    descriptors_cut(&plan->descriptors, first);
    return ++race->num_tried == race->timer->max_engines ||
           clock_seconds() - race->start > MAX_SECONDS;
}

void plan_build_fastest(const struct planner *planner, struct plan *plan,
                        const struct plan_timer *timer) {
    struct race race = {.timer = timer,
                        .best.descriptors.cudnn = planner->cudnn,
                        .seconds = timer->most,
                        .start = clock_seconds()};
    descriptor graph = plan_begin(planner, plan);
    plan_search(planner, plan, graph, CUDNN_HEUR_MODE_A, compete, &race);
    plan->plan = race.best.plan;
    plan->engine = race.best.engine;
    plan->workspace_bytes = race.best.workspace_bytes;
    descriptors_move(&plan->descriptors, &race.best.descriptors, 0);
    if (plan->plan) return;
    descriptors_cut(&plan->descriptors, 0);
    if (isinf(timer->most))
        plan_build(planner, plan);
    else if (race.num_tried > 0)
        snprintf(plan->failure, sizeof plan->failure, "no engine is faster than what there is");
}

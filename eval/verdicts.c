#include "eval/verdicts.h"

#include "base/array.h"
#include "eval/overlap.h"

struct verdict_worker {
    struct overlap_scratch overlap;
    struct matching_scratch matching;
    double *areas; // of the cell's results
    int64_t area_capacity;
    int64_t last_cell; // if this failed, where
};

// What all workers share while cells are judged.
struct verdict_job {
    const struct coco_set *truth;
    const struct coco_set *results;
    const struct metric_settings *settings;
    struct result_rules rules;
    struct verdicts *verdicts;
    struct verdict_worker *workers;
};

static void judge_cell(void *context, int64_t index, int worker_number) {
    const struct verdict_job *job = context;
    struct verdict_worker *worker = &job->workers[worker_number];
    const struct cells *cells = &job->verdicts->cells;
    const struct cell *cell = &cells->cells[index];
    struct error *err = &worker->overlap.err;
    if (err->code != STATUS_OK) return;
    worker->last_cell = index;
    if (array_reserve(&worker->areas, &worker->area_capacity, cell->num_results,
                      sizeof *worker->areas, err) != STATUS_OK)
        return;
    overlap_compute(&worker->overlap, worker->areas, cells, cell, job->truth, job->results,
                    job->settings, &job->rules);
    if (err->code != STATUS_OK) return;
    struct verdict *verdicts =
        job->verdicts->verdicts + cell->result_begin * job->settings->num_areas;
    if (!match_cell(verdicts, &worker->matching, worker->overlap.ious, worker->areas, cells, cell,
                    job->truth, job->settings))
        (void)error_memory(err, "matching", cell->num_truths);
}

// Cells are taken in order, so however many threads there are, one of them stops at the first cell
// that is wrong: of several errors always the same one is reported.
static enum status report_first(const struct verdict_worker *workers, int num_workers,
                                struct error *err) {
    const struct verdict_worker *first = NULL;
    for (int i = 0; i < num_workers; i++) {
        bool failed = workers[i].overlap.err.code != STATUS_OK;
        if (failed && (!first || workers[i].last_cell < first->last_cell)) first = &workers[i];
    }
    if (!first) return STATUS_OK;
    return error_set(err, first->overlap.err.code, "%s", first->overlap.err.message);
}

static enum status judge_cells(struct verdict_job *job, struct workers *workers,
                               struct arena *arena, struct error *err) {
    enum { GRAIN = 64 };
    int num_workers = workers_count(workers);
    job->workers = arena_alloc_zero(arena, num_workers, sizeof *job->workers);
    if (!job->workers) return error_memory(err, "evaluation threads", num_workers);
    for (int i = 0; i < num_workers; i++)
        overlap_scratch_init(&job->workers[i].overlap);
    workers_run(workers, job->verdicts->cells.num_cells, GRAIN, judge_cell, job);
    enum status status = report_first(job->workers, num_workers, err);
    for (int i = 0; i < num_workers; i++) {
        struct verdict_worker *worker = &job->workers[i];
        overlap_scratch_destroy(&worker->overlap);
        array_free(&worker->areas);
        matching_destroy(&worker->matching);
    }
    return status;
}

enum status verdicts_compute(struct verdicts *verdicts, const struct coco_set *truth,
                             const struct coco_set *results, const struct metric_settings *settings,
                             struct workers *workers, struct arena *arena, struct error *err) {
    struct verdict_job job = {
        .truth = truth, .results = results, .settings = settings, .verdicts = verdicts};
    struct cells *cells = &verdicts->cells;
    TRY(overlap_check(&job.rules, truth, results, settings, err));
    TRY(cells_build(cells, truth, results, settings, workers, arena, err));
    int64_t count = cells->num_results * settings->num_areas;
    verdicts->verdicts = arena_alloc(arena, count, sizeof *verdicts->verdicts);
    if (!verdicts->verdicts)
        return error_memory(err, "the evaluation", count * (int64_t)sizeof *verdicts->verdicts);
    return judge_cells(&job, workers, arena, err);
}

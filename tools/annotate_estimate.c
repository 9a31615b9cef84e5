// gctmask annotate --dry-run.
#include <sys/stat.h>

#include "base/clock.h"
#include "tools/annotate_job.h"
#include "tools/annotate_run.h"
#include "tools/readable.h"

enum { NUM_PROBES = 3 };

static void ignore(void *context, const char *message) {
    (void)context;
    (void)message;
}

// Seconds from reading to masks for the k-th of the probes; negative if it cannot be used.
static double probe(struct annotate_run *run, int64_t index) {
    const struct pipeline_options pipeline = annotate_pipeline(run);
    atomic_bool never = false;
    const struct remote_caller caller = {&never, pipeline.is_interrupted, ignore, NULL};
    struct annotate_job job = {.index = index};
    double start = clock_seconds();
    job_load(&job, &pipeline, &caller);
    if (!job.dropped) job_detect(&job, &pipeline);
    bool used = !job.dropped && !job.record.failed;
    job_empty(&job);
    return used ? clock_seconds() - start : -1;
}

// Mean seconds for a picture, from some that are spread over all; 0 if none could be used. The
// first is done twice, since the first detection of a process takes longer.
static double seconds_for_one(struct annotate_run *run, int64_t num_detect) {
    double sum = 0;
    int64_t num_used = 0;
    int64_t k = 0; // among those to be detected in
    int64_t next = 0;
    for (int64_t i = 0; i < run->files.count && next < NUM_PROBES; i++) {
        if (run->plan[i] != PLAN_DETECT) continue;
        if (k++ < next * num_detect / NUM_PROBES) continue;
        if (next++ == 0) (void)probe(run, i);
        double seconds = probe(run, i);
        if (seconds < 0) continue;
        sum += seconds;
        num_used++;
    }
    return num_used > 0 ? sum / (double)num_used : 0;
}

// A service takes several pictures at a time; it says nothing about how many it computes together,
// so this is the shortest that it may take.
static int64_t num_at_once(const struct annotate_run *run) {
    return run->remote ? remote_jobs(run->remote) : 1;
}

enum status annotate_estimate(struct annotate_run *run, struct error *err) {
    struct output *out = run->invocation->out;
    const struct annotate_output_options *o = &run->options->outputs;
    char text[READABLE_BYTES];
    int64_t counts[3] = {0};
    int64_t bytes = 0;
    (void)err;
    for (int64_t i = 0; i < run->files.count; i++) {
        struct stat info;
        counts[run->plan[i]]++;
        if (stat(run->files.items[i].path, &info) == 0) bytes += info.st_size;
    }
    output_printf(out, "pictures      %s, ", readable_count(run->files.count, text));
    output_printf(out, "%s\n", readable_bytes(bytes, text));
    output_printf(out, "done already  %s\n", readable_count(counts[PLAN_NOTHING], text));
    output_printf(out, "files only    %s\n", readable_count(counts[PLAN_FILES], text));
    output_printf(out, "to detect in  %s\n", readable_count(counts[PLAN_DETECT], text));
    output_printf(out, "to write      %s/manifest.jsonl, failures.jsonl", o->out);
    for (enum annotation_format f = 0; f < NUM_FORMATS; f++)
        if (annotate_wants(o, f))
            output_printf(out, ", %s", set_file_name(f) ? set_file_name(f) : FORMAT_NAMES[f]);
    output_printf(out, "%s%s%s\n", o->overlay != OVERLAY_NONE ? ", overlays" : "",
                  o->crops ? ", crops" : "", o->html ? ", index.html" : "");
    double seconds = counts[PLAN_DETECT] > 0 ? seconds_for_one(run, counts[PLAN_DETECT]) : 0;
    output_printf(
        out, "time          about %s",
        readable_duration(seconds * (double)counts[PLAN_DETECT] / (double)num_at_once(run), text));
    output_printf(out, " (%s a picture)\n", readable_duration(seconds, text));
    return STATUS_OK;
}

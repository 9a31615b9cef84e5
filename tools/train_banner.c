#include "tools/train_banner.h"

#include <stdio.h>
#include <string.h>

#include "tools/readable.h"

static int64_t total_left_out(const struct dataset *d) {
    int64_t total = 0;
    for (int i = 0; i < NUM_LEFT_OUT; i++)
        total += d->objects_left_out[i];
    return total;
}

static void show_dataset(struct train_report *report, const char *title, const struct dataset *d) {
    char images[READABLE_BYTES];
    char objects[READABLE_BYTES];
    train_report_line(report, "%s  %s: %s images, %s objects", title, d->set->path,
                      readable_count(d->num_images, images),
                      readable_count(d->num_objects, objects));
    if (d->images_left_out > 0)
        train_report_line(report, "       left out: %s images without objects",
                          readable_count(d->images_left_out, images));
    for (int i = 0; total_left_out(d) > 0 && i < NUM_LEFT_OUT; i++)
        if (d->objects_left_out[i] > 0)
            train_report_line(report, "       left out: %s %s",
                              readable_count(d->objects_left_out[i], objects),
                              left_out_text((enum left_out)i));
}

static void show_classes(struct train_report *report, const struct train_plan *plan) {
    const struct option_texts *names = &plan->model->config.classes.names;
    char count[READABLE_BYTES];
    for (int64_t i = 0; i < names->count; i++)
        train_report_line(report, "       %-20.40s %10s", names->items[i],
                          readable_count(plan->train->class_counts[i + 1], count));
}

static int64_t num_trained(const struct parameters *parameters) {
    int64_t total = 0;
    for (int64_t i = 0; i < parameters->count; i++)
        if (parameters->items[i]->trainable) total += parameters->items[i]->count;
    return total;
}

static void show_model(struct train_report *report, const struct train_plan *plan) {
    const struct parameters *p = &plan->model->network.parameters;
    char all[READABLE_BYTES];
    char trained[READABLE_BYTES];
    train_report_line(report, "model  %s: %s parameters, %s trained", plan->options->config,
                      readable_count(mask_rcnn_num_parameters(&plan->model->network), all),
                      readable_count(num_trained(p), trained));
}

static void show_memory(struct train_report *report, const struct train_plan *plan) {
    const struct training_memory *m = &plan->memory;
    char texts[4][READABLE_BYTES];
    train_report_line(report,
                      "memory about %s%s: parameters, gradients and momentum %s, a group of %lld "
                      "images padded to "
                      "%d x %d %s, images ahead of need %s",
                      readable_bytes(m->total, texts[0]), plan->procs > 1 ? " in each process" : "",
                      readable_bytes(m->parameters, texts[1]),
                      (long long)plan->model->config.schedule.group, (int)m->padded.width,
                      (int)m->padded.height, readable_bytes(m->step, texts[2]),
                      readable_bytes(m->loader, texts[3]));
}

static void show_schedule(struct train_report *report, const struct train_plan *plan) {
    const struct model_config *c = &plan->model->config;
    char drops[256] = "";
    for (int64_t i = 0; i < c->schedule.drops.count; i++) {
        size_t used = strlen(drops);
        snprintf(drops + used, sizeof drops - used, "%s%lld", i > 0 ? ", " : "",
                 (long long)c->schedule.drops.items[i]);
    }
    if (plan->configured_batch != c->schedule.batch)
        train_report_line(report,
                          "batch  %lld images instead of %lld: learning rate and steps are scaled "
                          "in proportion (linear rule)",
                          (long long)c->schedule.batch, (long long)plan->configured_batch);
    train_report_line(report,
                      "plan   %lld steps of %lld images in groups of %lld; learning rate %g, x %g "
                      "at %s; warm-up %lld steps",
                      (long long)c->schedule.iterations, (long long)c->schedule.batch,
                      (long long)c->schedule.group, c->solver.learning_rate,
                      c->schedule.drop_factor, drops[0] ? drops : "no step",
                      (long long)c->schedule.warmup);
    const char *device = plan->options->device;
    bool is_cpu = strcmp(device, "cpu") == 0;
    train_report_line(report, "run    %s: %d process%s of %d thread%s%s%s, seed %lld",
                      plan->options->out, plan->procs, plan->procs == 1 ? "" : "es", plan->threads,
                      plan->threads == 1 ? "" : "s", is_cpu ? "" : " on ", is_cpu ? "" : device,
                      (long long)plan->options->seed);
    if (plan->options->tune)
        train_report_line(report, "       tuning: the first steps of each size of image measure "
                                  "and compile kernels, in seconds to minutes");
    if (plan->device_library)
        train_report_line(report, "       gradients are summed by %s, on the devices",
                          plan->device_library);
    else if (plan->why_by_mpi.code != STATUS_OK)
        train_report_line(report, "       gradients are summed by MPI, which takes longer: %s",
                          plan->why_by_mpi.message);
}

static const char *origin_text(struct option_origin origin) {
    return origin.source == OPTION_FROM_FILE ? origin.file : "command line";
}

// The options that somebody set, and where; all of them are in the run's config.json.
static void show_options(struct train_report *report, const struct train_plan *plan) {
    enum { VALUE_WIDTH = 40 };
    const struct options *options = &plan->model->options;
    struct output value;
    for (int64_t i = 0; i < options->count; i++) {
        const struct option *row = &options->rows[i];
        struct option_origin origin = options_origin(options, row);
        if (origin.source == OPTION_FROM_DEFAULT) continue;
        output_open_memory(&value);
        options_write_value(options, row, &value);
        if (output_finish(&value, NULL) == STATUS_OK)
            train_report_line(report, "       %-26s %-*.*s%s %s", row->name, VALUE_WIDTH,
                              VALUE_WIDTH, value.data ? value.data : "",
                              value.size > VALUE_WIDTH ? "..." : "   ", origin_text(origin));
        output_discard(&value);
    }
}

void train_banner(struct train_report *report, const struct train_plan *plan) {
    show_dataset(report, "train", plan->train);
    show_classes(report, plan);
    if (plan->val) show_dataset(report, "val  ", plan->val);
    show_model(report, plan);
    show_memory(report, plan);
    show_options(report, plan);
    show_schedule(report, plan);
}

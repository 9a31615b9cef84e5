// gctmask check-data: everything that is wrong with an annotation set.
#include <string.h>

#include "base/json_writer.h"
#include "base/workers.h"
#include "data/coco_check.h"
#include "tools/command.h"

struct check_data_options {
    const char *annotations;
    const char *image_folder;
    bool json;
    int64_t max_problems;
};

static const struct option OPTIONS[] = {
    {.name = "ann",
     OPTION_FIELD(struct check_data_options, annotations),
     .metavar = "FILE",
     .required = true,
     .help = "annotations in COCO's instances format"},
    {.name = "images",
     OPTION_FIELD(struct check_data_options, image_folder),
     .metavar = "DIR",
     .help = "folder of the image files, to check that they are there and have the right size"},
    {.name = "json",
     OPTION_FIELD(struct check_data_options, json),
     .help = "print the report as one JSON document"},
    {.name = "max-problems",
     OPTION_FIELD(struct check_data_options, max_problems),
     OPTION_BETWEEN(0, 1000000),
     .default_text = "20",
     .metavar = "N",
     .help = "show at most so many problems of each kind; all are counted"},
    {0},
};

static const struct example EXAMPLES[] = {
    {"gctmask check-data --ann instances_train.json --images images/",
     "look at every record and every image file"},
    {"gctmask check-data --ann instances_train.json --json",
     "the same without the files, for a script"},
    {0},
};

// ---- For people ----

static void write_problem(struct output *out, const char *path, const struct coco_problem *p) {
    output_printf(out, "%s: ", path);
    if (p->array != COCO_DOCUMENT)
        output_printf(out, "%s[%lld] (id %lld): ", coco_array_name(p->array), (long long)p->index,
                      (long long)p->id);
    output_printf(out, "%s: ", problem_severity_word(coco_problem_severity(p->kind)));
    output_printable(out, p->text, (int64_t)strlen(p->text));
    output_printf(out, " [%s]\n", coco_problem_word(p->kind));
}

// Problems come sorted by kind; behind each kind stands how many of it are not shown.
static void write_problems(struct output *out, const char *path, const struct problem_list *list) {
    int64_t next = 0;
    for (enum coco_problem_kind kind = 0; kind < NUM_PROBLEM_KINDS; kind++) {
        int64_t num_shown = 0;
        for (; next < list->count && list->items[next].kind == kind; next++, num_shown++)
            write_problem(out, path, &list->items[next]);
        int64_t num_hidden = list->totals[kind] - num_shown;
        if (num_hidden > 0)
            output_printf(out, "%s: and %lld %s [%s]\n", path, (long long)num_hidden,
                          num_shown ? "more" : "times", coco_problem_word(kind));
    }
}

static void write_summary(struct output *out, const struct coco_set *set,
                          const struct coco_report *report) {
    output_printf(out, "images       %8lld, %lld without annotations\n", (long long)set->num_images,
                  (long long)report->num_images_without_annotations);
    output_printf(out, "annotations  %8lld, %lld of them crowds\n", (long long)set->num_annotations,
                  (long long)report->num_crowds);
    output_printf(out, "  small      %8lld (area below 32 x 32)\n", (long long)report->sizes.small);
    output_printf(out, "  medium     %8lld\n", (long long)report->sizes.medium);
    output_printf(out, "  large      %8lld (area of 96 x 96 and more)\n",
                  (long long)report->sizes.large);
    output_printf(out, "categories   %8lld, %lld without annotations\n",
                  (long long)set->num_categories,
                  (long long)report->num_categories_without_annotations);
    for (int64_t i = 0; i < set->num_categories; i++) {
        output_printf(out, "             %8lld ", (long long)report->category_counts[i]);
        output_printable(out, set->categories[i].name, (int64_t)strlen(set->categories[i].name));
        if (report->category_crowds[i])
            output_printf(out, " (and %lld crowds)", (long long)report->category_crowds[i]);
        output_text(out, "\n");
    }
}

static void write_verdict(struct output *out, const struct problem_list *list) {
    int64_t num_errors = problem_list_total(list, SEVERITY_ERROR);
    output_printf(out, "%lld errors, %lld warnings, %lld notes%s\n", (long long)num_errors,
                  (long long)problem_list_total(list, SEVERITY_WARNING),
                  (long long)problem_list_total(list, SEVERITY_NOTE),
                  num_errors ? ": training would fail or learn something wrong" : "");
}

// ---- For programs ----

static void write_json_problem(struct json_writer *w, const struct coco_problem *p) {
    json_write_begin_object(w);
    json_write_key_text(w, "code", coco_problem_word(p->kind));
    json_write_key_text(w, "severity", problem_severity_word(coco_problem_severity(p->kind)));
    if (p->array != COCO_DOCUMENT) {
        json_write_key_text(w, "array", coco_array_name(p->array));
        json_write_key_int64(w, "index", p->index);
        json_write_key_int64(w, "id", p->id);
    }
    json_write_key_text(w, "message", p->text);
    json_write_end_object(w);
}

static void write_json_categories(struct json_writer *w, const struct coco_set *set,
                                  const struct coco_report *report) {
    json_write_key(w, "categories");
    json_write_begin_array(w);
    for (int64_t i = 0; i < set->num_categories; i++) {
        json_write_begin_object(w);
        json_write_key_int64(w, "id", set->categories[i].id);
        json_write_key_text(w, "name", set->categories[i].name);
        json_write_key_int64(w, "annotations", report->category_counts[i]);
        json_write_key_int64(w, "crowds", report->category_crowds[i]);
        json_write_end_object(w);
    }
    json_write_end_array(w);
}

static void write_json(struct output *out, const char *path, const struct coco_set *set,
                       const struct coco_report *report) {
    const struct problem_list *list = &report->problems;
    struct json_writer writer;
    struct json_writer *w = &writer;
    json_writer_init(w, out, 2);
    json_write_begin_object(w);
    json_write_key_text(w, "file", path);
    json_write_key_int64(w, "errors", problem_list_total(list, SEVERITY_ERROR));
    json_write_key_int64(w, "warnings", problem_list_total(list, SEVERITY_WARNING));
    json_write_key_int64(w, "notes", problem_list_total(list, SEVERITY_NOTE));
    json_write_key_int64(w, "images", set->num_images);
    json_write_key_int64(w, "images_without_annotations", report->num_images_without_annotations);
    json_write_key_int64(w, "annotations", set->num_annotations);
    json_write_key_int64(w, "crowds", report->num_crowds);
    json_write_key_int64(w, "small", report->sizes.small);
    json_write_key_int64(w, "medium", report->sizes.medium);
    json_write_key_int64(w, "large", report->sizes.large);
    write_json_categories(w, set, report);
    json_write_key(w, "counts");
    json_write_begin_object(w);
    for (enum coco_problem_kind kind = 0; kind < NUM_PROBLEM_KINDS; kind++)
        if (list->totals[kind])
            json_write_key_int64(w, coco_problem_word(kind), list->totals[kind]);
    json_write_end_object(w);
    json_write_key(w, "problems");
    json_write_begin_array(w);
    for (int64_t i = 0; i < list->count; i++)
        write_json_problem(w, &list->items[i]);
    json_write_end_array(w);
    json_write_end_object(w);
    output_text(out, "\n");
}

// ---- The command ----

static void write_report(struct invocation *invocation, const struct coco_set *set,
                         const struct coco_report *report) {
    const struct check_data_options *options = invocation->options;
    struct output *out = invocation->out;
    if (options->json) {
        write_json(out, options->annotations, set, report);
    } else {
        write_problems(out, options->annotations, &report->problems);
        write_summary(out, set, report);
        write_verdict(out, &report->problems);
    }
    if (problem_list_total(&report->problems, SEVERITY_ERROR) > 0)
        invocation->outcome = EXIT_CODE_DATA;
}

// A file that cannot be understood has one problem, which is part of the report too.
static enum status report_malformed(struct invocation *invocation, const char *message,
                                    struct error *err) {
    const struct coco_set nothing = {0};
    struct coco_report report = {0};
    problem_list_init(&report.problems, 1);
    problem_add(&report.problems, PROBLEM_MALFORMED_DOCUMENT,
                (struct problem_place){.array = COCO_DOCUMENT, .index = -1}, "%s", message);
    enum status status = problem_list_sort(&report.problems, err);
    if (status == STATUS_OK) write_report(invocation, &nothing, &report);
    coco_report_destroy(&report);
    return status;
}

static enum status check(struct invocation *invocation, struct workers *workers,
                         struct error *err) {
    const struct check_data_options *options = invocation->options;
    struct coco_set set;
    struct coco_report report;
    struct coco_load_options load_options = {.workers = workers};
    enum status status = coco_load_annotations(&set, options->annotations, &load_options, err);
    if (status == STATUS_DATA) {
        struct error malformed = *err;
        return report_malformed(invocation, malformed.message, err);
    }
    TRY(status);
    struct coco_check_options check_options = {options->image_folder, options->max_problems,
                                               workers};
    status = coco_check(&report, &set, &check_options, err);
    if (status == STATUS_OK) {
        write_report(invocation, &set, &report);
        coco_report_destroy(&report);
    }
    coco_destroy(&set);
    return status;
}

static enum status run_check_data(struct invocation *invocation, struct error *err) {
    struct workers *workers = NULL;
    TRY(workers_create(&workers, (int)invocation->common.threads, err));
    enum status status = check(invocation, workers, err);
    workers_destroy(workers);
    return status;
}

const struct command check_data_command = {
    .name = "check-data",
    .summary = "find everything that is wrong with an annotation set",
    .description =
        "Reads annotations in COCO's format and reports all that would make training fail or learn "
        "something wrong: references that lead nowhere, boxes and masks outside their image or at "
        "odds with each other, malformed run lengths, image files that are missing, damaged or of "
        "another size. Each problem is named by a stable word. Ends with exit status 65 if there "
        "is an error, 0 if there are only warnings and notes.",
    .options = OPTIONS,
    .options_bytes = sizeof(struct check_data_options),
    .examples = EXAMPLES,
    .run = run_check_data,
};

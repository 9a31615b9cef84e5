#include "train/metrics_csv.h"

#include <math.h>
#include <string.h>

#include "train/metrics_internal.h"

static const struct field *find(const struct field *fields, const char *name) {
    while (fields->name && strcmp(fields->name, name) != 0)
        fields++;
    return fields->name ? fields : NULL;
}

// The columns behind the kind: the numbers of training, then those that only evaluations have.
struct columns {
    const char *names[2 * FIELDS_MAX];
    int count;
};

static struct columns all_columns(void) {
    struct columns columns = {.count = 0};
    for (const struct field *field = METRICS_TRAIN_FIELDS; field->name; field++)
        columns.names[columns.count++] = field->name;
    for (const struct field *field = METRICS_EVAL_FIELDS; field->name; field++)
        if (!find(METRICS_TRAIN_FIELDS, field->name)) columns.names[columns.count++] = field->name;
    return columns;
}

static void write_header(struct output *out) {
    const struct columns columns = all_columns();
    output_text(out, "kind");
    for (int i = 0; i < columns.count; i++)
        output_printf(out, ",%s", columns.names[i]);
    output_text(out, "\n");
}

// As in metrics.jsonl, to the digit.
static void write_cell(struct output *out, const struct field *field, const void *line) {
    struct json_writer w;
    const char *place = (const char *)line + field->offset;
    json_writer_init(&w, out, 0);
    if (field->kind == FIELD_INT64)
        json_write_int64(&w, *(const int64_t *)(const void *)place);
    else if (isfinite(*(const double *)(const void *)place))
        json_write_double(&w, *(const double *)(const void *)place);
}

static void write_row(struct output *out, const char *kind, const struct field *fields,
                      const void *line) {
    const struct columns columns = all_columns();
    output_text(out, kind);
    for (int i = 0; i < columns.count; i++) {
        const struct field *field = find(fields, columns.names[i]);
        output_text(out, ",");
        if (field) write_cell(out, field, line);
    }
    output_text(out, "\n");
}

// Lines of both kinds in the order in which they were written: at the same step, that of training
// comes first.
static void write_rows(struct output *out, const struct metrics *lines) {
    int64_t eval = 0;
    for (int64_t i = 0; i <= lines->num_train; i++) {
        int64_t step = i < lines->num_train ? lines->train[i].step : INT64_MAX;
        for (; eval < lines->num_evals && lines->evals[eval].step < step; eval++)
            write_row(out, METRICS_EVAL, METRICS_EVAL_FIELDS, &lines->evals[eval]);
        if (i < lines->num_train)
            write_row(out, METRICS_TRAIN, METRICS_TRAIN_FIELDS, &lines->train[i]);
    }
}

enum status metrics_csv_open(struct append_file *file, const char *path,
                             const struct metrics *lines, struct error *err) {
    struct output out;
    TRY(output_open_file(&out, path, err));
    write_header(&out);
    write_rows(&out, lines);
    TRY(output_commit(&out, err));
    return append_file_open(file, path, false, err);
}

static enum status append(struct append_file *file, const char *kind, const struct field *fields,
                          const void *line, struct error *err) {
    struct output row;
    output_open_memory(&row);
    write_row(&row, kind, fields, line);
    enum status status = output_finish(&row, err);
    if (status == STATUS_OK) status = append_file_write(file, row.data, row.size, err);
    output_discard(&row);
    return status;
}

enum status metrics_csv_write_train(struct append_file *file, const struct metrics_train *line,
                                    struct error *err) {
    return append(file, METRICS_TRAIN, METRICS_TRAIN_FIELDS, line, err);
}

enum status metrics_csv_write_eval(struct append_file *file, const struct metrics_eval *line,
                                   struct error *err) {
    return append(file, METRICS_EVAL, METRICS_EVAL_FIELDS, line, err);
}

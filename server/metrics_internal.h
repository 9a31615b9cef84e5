// What the files that write metrics share.
#pragma once

#include "server/metrics.h"

// The two lines before a metric's values.
void metrics_begin(struct output *out, const char *name, const char *type, const char *help);
// The value of a label, escaped.
void metrics_label(struct output *out, const char *text);
void metrics_gauge(struct output *out, const char *name, const char *help, double value);

void metrics_write_devices(struct metrics *metrics, const struct metrics_now *now,
                           struct output *out);
void metrics_write_model(struct metrics *metrics, const struct metrics_now *now,
                         struct output *out);
void metrics_write_process(struct metrics *metrics, struct output *out);

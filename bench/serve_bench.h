// What the measurements of the service share.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/server/load.h"
#include "tests/server/load_bodies.h"
#include "tests/server/served.h"

enum { STUB_MS = 5, CAPACITY = 1000 / STUB_MS, MEBIBYTE = 1 << 20 };

struct serve_bench {
    const char *program;
    const char *folder;
    const char *weights; // of the model whose overhead is measured
    const char *small;   // of the model for long runs
    double seconds;      // of a measurement
    double soak_seconds; // of the long run
    int missed;          // figures
};

enum figure_goal { AT_MOST, AT_LEAST };

// One line: what was measured beside what it should be.
void figure(struct serve_bench *bench, const char *name, double value, const char *unit,
            enum figure_goal goal, double limit);
// One line without a goal.
void note(const char *name, double value, const char *unit);

// The time that a share of the answers do not exceed.
double milliseconds(const struct load_report *report, double share);

extern const char JPEG_TYPE[]; // a header
extern const char DETECT[];    // a path, with the option that leaves times out of answers

void start_stub(struct served *served, const struct serve_bench *bench, const char *ms);
void stop_server(struct serve_bench *bench, struct served *served);

// A request for the picture, which lives on, and what its answer has to hold: that which it holds
// when asked for alone.
struct load_request checked_request(const struct served *served, const char *path,
                                    const char *headers, const struct body *picture);

// Answers that were not what they should be.
int64_t failures(const struct load_report *report);

// serve_cost.c
void measure_overhead(struct serve_bench *bench);
void measure_model_overhead(struct serve_bench *bench);
void measure_memory(struct serve_bench *bench);
void measure_soak(struct serve_bench *bench);

// serve_change.c
void measure_stops(struct serve_bench *bench);
void measure_swaps(struct serve_bench *bench);

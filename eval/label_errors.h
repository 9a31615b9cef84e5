// Where confident results and the annotations disagree so plainly that the annotation is worth a
// second look. The three kinds are those of ObjectLab (Tkachenko et al., 2023): an object that the
// annotators overlooked, one of swapped class, one that is badly located.
//
// A result is confident from min_score on. What a detector is sure of is not the truth: the list is
// for human eyes.
#pragma once

#include "eval/breakdown.h"

enum label_error_kind {
    LABEL_OVERLOOKED, // a confident result where nothing is annotated (no IoU of 0.1 or more)
    LABEL_SWAPPED,    // an object that no result of its class finds, but a confident one of another
                      // class does, at IoU 0.5 or more
    LABEL_MISPLACED,  // an object that no result finds, but a confident one of its class overlaps
                      // in part
    NUM_LABEL_ERROR_KINDS,
};

struct label_error {
    enum label_error_kind kind;
    int64_t scene;  // in struct scenes
    int64_t result; // in scenes->results
    int64_t truth;  // in scenes->truths, or -1 if overlooked
    double score;   // of the result
    double iou;     // of both, 0 if overlooked
};

struct label_errors {
    struct label_error *errors; // by falling score, then image
    int64_t count;
    double min_score;
    struct arena arena;
};

MUST_CHECK enum status label_errors_find(struct label_errors *errors, const struct scenes *scenes,
                                         const struct breakdown *breakdown, double min_score,
                                         struct error *err);
void label_errors_destroy(struct label_errors *errors); // a zeroed list is fine

const char *label_error_name(enum label_error_kind kind); // "overlooked", "swapped", "misplaced"

// Writes the suspicion in words: "looks like a dog, annotated as cat".
void label_error_describe(const struct label_error *error, const struct scenes *scenes,
                          struct output *out);

void label_errors_print(const struct label_errors *errors, const struct scenes *scenes,
                        int64_t max_lines, struct output *out);
// An array; all of them.
void label_errors_write_json(const struct label_errors *errors, const struct scenes *scenes,
                             struct json_writer *w);

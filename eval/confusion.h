// Which class is taken for which. Among the results that score at least min_score and the objects
// that are no crowds, pairs are made in order of falling IoU, whatever their classes, from IoU
// CONFUSION_IOU on; each result and each object is in one pair at most. What stays alone pairs with
// the background, except results that lie on a crowd of their class.
#pragma once

#include "base/json_writer.h"
#include "eval/scenes.h"

#define CONFUSION_IOU 0.5

struct confusion {
    const struct scenes *scenes; // borrowed
    double min_score;
    int64_t num_classes; // the background is class num_classes
    int64_t *counts;     // [num_classes + 1 (of the object), num_classes + 1 (of the result)]
    int64_t num_objects;
    int64_t num_results;  // that score enough
    int64_t num_right;    // on the diagonal
    int64_t num_confused; // pairs of two different classes
    struct arena arena;
};

// One cell off the diagonal.
struct confused_pair {
    int64_t object_class; // num_classes: the background
    int64_t result_class;
    int64_t count;
};

// scenes must outlive the matrix.
MUST_CHECK enum status confusion_compute(struct confusion *confusion, const struct scenes *scenes,
                                         double min_score, struct error *err);
void confusion_destroy(struct confusion *confusion); // a zeroed one is fine

int64_t confusion_at(const struct confusion *confusion, int64_t object_class, int64_t result_class);

// Fills pairs, which has room for max_pairs, with the most frequent confusions of two classes (with
// the background too, if asked), most frequent first; returns how many there are.
int64_t confusion_top(const struct confusion *confusion, bool with_background,
                      struct confused_pair *pairs, int64_t max_pairs);

void confusion_print(const struct confusion *confusion, struct output *out);
// One object: the settings, classes by id, and the cells that are not 0 as [object, result, count],
// where an id of null is the background.
void confusion_write_json(const struct confusion *confusion, struct json_writer *w);

// Which tensor of a file becomes which parameter of a model, and what is done to it on the way: the
// plan of an import, and afterwards its report.
#pragma once

#include "base/json_writer.h"
#include "detector/import/family.h"
#include "nn/parameters.h"

enum key_action {
    KEY_COPIED,
    KEY_BACKGROUND_MOVED, // rows of classes: the last one, of the background, comes first
    KEY_BACKGROUND_ADDED, // rows of classes: zeros for the background come first
    KEY_MEAN_ADDED,       // zeros: the file's affine map has the mean in it already
    KEY_VARIANCE_ADDED,   // what the norm takes for 1, for the same reason
    KEY_FRESH,            // not in the file: drawn as for a new model
    KEY_IGNORED,          // of the file's, but of no use
    KEY_LEFT_OVER,        // of the file's, and nobody knows what it is
    NUM_KEY_ACTIONS,
};

struct key {
    const struct state_tensor *source; // NULL if it comes from nowhere
    const char *target;                // the parameter's name; NULL for what is not used
    int num_dims;
    int64_t shape[SAFETENSOR_MAX_DIMS]; // the parameter's, as far as the file knows it
    enum key_action action;
};

struct key_map {
    const struct family *family;
    const struct state_dict *dict;
    struct key *keys; // those with a target, sorted by it, then the others
    int64_t count;
    int64_t num_targets;
    bool has_heads; // a detector's, not those of a backbone alone
};

// Recognises dict's family and plans for all of its tensors. dict is borrowed.
MUST_CHECK enum status key_map_build(struct key_map *map, const struct state_dict *dict,
                                     struct arena *arena, struct error *err);

// NULL if no tensor becomes the parameter of that name.
struct key *key_map_find(const struct key_map *map, const char *target);

// Writes a parameter's values from its key, whose shape is the parameter's. epsilon: what norms add
// to the variance.
MUST_CHECK enum status key_fill(const struct key *key, float *values, double epsilon,
                                struct arena *arena, struct error *err);

void key_map_write_table(const struct key_map *map, struct output *out);
// An array of objects.
void key_map_write_json(const struct key_map *map, struct json_writer *w);
// "copied" and so on.
const char *key_action_name(enum key_action action);

// A model that is being served. Requests share it by counted references, so that one that is
// replaced lives until its last request has been answered.
#pragma once

#include <stdatomic.h>

#include "detector/detector.h"
#include "server/dialect.h"
#include "server/settings.h"

struct model {
    struct model_facts facts;
    struct arena arena; // of the facts
    int64_t short_side; // that pictures are resized to
    int64_t long_side;
    double load_seconds;
    const struct model_kind *kind;
    atomic_int references;
};

// What kinds of models do differently.
struct model_kind {
    // The sides of the network's input for a picture of this size. Pictures with equal sides can be
    // computed together.
    struct extent (*input)(const struct model *model, int32_t width, int32_t height);
    // How long a picture takes, in a unit of the model's own.
    double (*cost)(const struct model *model, struct extent input);
    // As detector_detect. One thread at a time.
    enum status (*detect)(struct model *model, const struct image *images, int64_t count,
                          const struct detection_limits *limits, struct arena *arena,
                          struct detection_list *lists, struct detect_seconds *seconds,
                          struct error *err);
    void (*destroy)(struct model *model);
};

// Loads the model that the settings name and tries it on a picture. It has one reference.
MUST_CHECK enum status model_open(struct model **model, const struct service_settings *settings,
                                  int num_threads, struct error *err);

#ifdef SERVER_STUB
// A model that finds the same in every picture and takes ms milliseconds for each.
MUST_CHECK enum status model_open_stub(struct model **model, int64_t ms, struct error *err);
#endif

struct model *model_share(struct model *model);
void model_release(struct model *model); // NULL is fine

// The model in use, which one thread replaces while others take it.
struct model_slot;
MUST_CHECK enum status model_slot_create(struct model_slot **slot, struct error *err);
void model_slot_destroy(struct model_slot *slot); // NULL is fine

// A reference to the model in use; NULL before there is one.
struct model *model_slot_take(struct model_slot *slot);
// Puts model, whose reference the slot takes over, in the place of the one before.
void model_slot_put(struct model_slot *slot, struct model *model);

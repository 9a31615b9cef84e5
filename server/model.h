// A model that is being served, on one device or several, each of which holds all of it. Requests
// share it by counted references, so that one that is replaced lives until its last request has
// been answered.
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
    double load_seconds; // set by who loads it
    const struct model_kind *kind;
    atomic_int references;
    atomic_uint_fast64_t devices; // bit N: device N of the settings computes it
};

// What kinds of models do differently.
struct model_kind {
    // The sides of the network's input for a picture of this size. Pictures with equal sides can be
    // computed together.
    struct extent (*input)(const struct model *model, int32_t width, int32_t height);
    // How long a picture takes, in a unit of the model's own.
    double (*cost)(const struct model *model, struct extent input);
    // As detector_detect, on that device. One thread at a time for each.
    enum status (*detect)(struct model *model, int64_t device, const struct image *images,
                          int64_t count, const struct detection_limits *limits, struct arena *arena,
                          struct detection_list *lists, struct detect_seconds *seconds,
                          struct error *err);
    // Gives up what the device holds, if it does, and has it hold the model anew.
    enum status (*open_device)(struct model *model, int64_t device, struct error *err);
    void (*destroy)(struct model *model);
};

// Loads the model that the settings name, for none of their devices yet. It has one reference;
// settings must live as long.
MUST_CHECK enum status model_open(struct model **model, const struct service_settings *settings,
                                  int num_threads, struct error *err);

#ifdef SERVER_STUB
// A model that finds the same in every picture and takes stub_ms milliseconds for each.
//
// Files in stub_folder, whenever they are there, tell it what to do: with "fail-N" device N fails
// with every batch, with "fail-once-N" too, and the file is gone; with "lost-N" it cannot be opened
// either; with "meet-N" it begins a batch only once all devices have one; with "hang-N" it is not
// done with it.
MUST_CHECK enum status model_open_stub(struct model **model,
                                       const struct service_settings *settings, struct error *err);
#endif

// Has the device compute the model, once it was tried there on a picture. A device that does so
// already, or did, begins anew: that is for its own thread, which computes nothing meanwhile. After
// an error the device does not compute the model any more.
MUST_CHECK enum status model_open_device(struct model *model, int64_t device, struct error *err);

bool model_has_device(const struct model *model, int64_t device);

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

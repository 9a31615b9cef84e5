// The families of programs whose weights are imported: how to recognise one by its names, and what
// its names are in our models. All of them have the same arrays in the same layouts, under other
// names.
//
//     torchvision           .pth of its detectors, and of its classifiers (ResNet, ResNeXt)
//     detectron2            .pkl and .pth of its detectors and backbones
//     Detectron             .pkl of its detectors and backbones, names of Caffe2
//     maskrcnn-benchmark    .pth of its detectors, without gates
//     GCT                   .pth of the official classifiers, and of maskrcnn-benchmark with gates
#pragma once

#include "detector/import/rename.h"
#include "detector/import/state_dict.h"

enum family_kind {
    FAMILY_TORCHVISION,
    FAMILY_DETECTRON2,
    FAMILY_DETECTRON,
    FAMILY_MASKRCNN_BENCHMARK,
    FAMILY_GCT,
};

struct family {
    const char *name;
    const char *body;         // prefix of the backbone's names in a detector; rules are without it
    const char *const *signs; // names of which any is found in this family alone
    const struct rename_rule *rules;
    const char *const *ignored; // patterns of names that are of no use here
    enum family_kind kind;
    bool background_last; // of the classes; and no deltas or masks for it
};

enum { FAMILY_PARAMETER_BYTES = RENAME_BYTES + 64 };

// The family of a state dict; an error that shows some of its names if it is of none.
MUST_CHECK enum status family_recognise(const struct family **family, const struct state_dict *dict,
                                        struct error *err);

// A parameter's name without what wrappers of models put in front of it.
const char *family_strip(const char *name);

enum family_verdict { FAMILY_KNOWN, FAMILY_IGNORED, FAMILY_UNKNOWN };

// What a tensor of that name is to the family: if FAMILY_KNOWN, its parameter's name is in to.
enum family_verdict family_rename(const struct family *family, const char *name,
                                  char to[FAMILY_PARAMETER_BYTES]);

// Whether a name belongs to a detector's backbone; in files of a backbone alone, all do.
bool family_in_backbone(const struct family *family, const char *name, bool has_heads);

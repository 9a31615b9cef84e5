// Models from the weights of other programs.
//
//     struct import import;
//     const struct import_request request = {.source = "maskrcnn_resnet50_fpn_coco.pth"};
//     TRY(import_model(&import, &request, err));
//     status = detector_model_save(&import.model, "coco.safetensors", err);
//     import_destroy(&import);
//
// All parameters must come from the file and all of the file's tensors must go somewhere, but for
// those that are known to be of no use: anything else is an error that names what both sides lack.
#pragma once

#include "detector/detector_model.h"
#include "detector/import/key_map.h"

struct import_request {
    const char *source;
    const char *config; // a configuration or model file; NULL: guessed from the weights
    const struct option_texts *overrides; // of options, above both; NULL for none
    // Only the backbone comes from the file, with its pyramid if that is there; gates may be
    // missing. The rest is fresh, drawn from seed.
    bool backbone_only;
    uint64_t seed;
};

struct import {
    struct arena arena; // of the plan
    struct state_dict dict;
    struct key_map map; // the plan, and the report
    int64_t num_keys[NUM_KEY_ACTIONS];
    struct detector_model model;
};

// The struct must not move. After an error there is nothing to destroy.
MUST_CHECK enum status import_model(struct import *import, const struct import_request *request,
                                    struct error *err);

void import_destroy(struct import *import); // a zeroed struct is fine

// Writes a model's parameters as a PyTorch state dict in a safetensors file, which the safetensors
// package reads and torchvision's models load.
MUST_CHECK enum status export_state_dict(const struct detector_model *model, const char *path,
                                         struct error *err);

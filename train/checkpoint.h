// Checkpoints: all that a training needs to go on as if it had never stopped. Each is a folder
//
//     step-0001200/model.safetensors      a model file: all commands read it
//                  momentum.safetensors   a tensor for each trainable parameter
//                  state.json             step, seed, best score... (train/training_state.h)
//                  MANIFEST.json          sizes and checksums of the three (train/manifest.h)
//
// beside two texts that name such folders: "latest" and "best".
//
// A checkpoint is written under another name, put on disk, and renamed; older ones are deleted only
// then. So whenever a process or a machine stops, the checkpoints that have their names are whole.
// What a disk does to them later is found out by their checksums.
//
// One process at a time may write in a folder (train/run_folder.h).
//
//     TRY(checkpoint_folder_open(folder, err));
//     TRY(checkpoint_find_latest(folder, &step, &skipped, err));
//     if (step >= 0) TRY(checkpoint_load(folder, step, &training, err));
//     TRY(checkpoint_rewind(folder, training.state, err));
//     ... train ...
//     TRY(checkpoint_save(folder, &training, &rules, err));
#pragma once

#include "detector/detector_model.h"
#include "train/folder.h"
#include "train/training_state.h"

#define CHECKPOINT_LATEST "latest"
#define CHECKPOINT_BEST   "best"
#define CHECKPOINT_MODEL  "model.safetensors"

// What is saved and loaded; all of it is the caller's.
struct training {
    struct detector_model *model;
    float *velocity; // laid out like the gradients (nn/sgd/sgd.h)
    struct training_state *state;
};

// Which older checkpoints are kept beside the one that "best" names.
struct checkpoint_rules {
    int64_t keep;       // so many newest ones, at least 1
    int64_t keep_every; // and those of multiples of so many steps; 0: none
};

// Makes the folder if it is not there, and removes what a process that died was writing or
// deleting.
MUST_CHECK enum status checkpoint_folder_open(const char *folder, struct error *err);

// Saves the training as the checkpoint of its step, in place of one that is there. "latest" then
// names it, and "best" if the state's best step is this one; so a step is evaluated before it is
// saved. A value that is not finite is STATUS_DATA. If the disk is full, or anything else goes
// wrong, the checkpoints that were there before are still there.
MUST_CHECK enum status checkpoint_save(const char *folder, const struct training *training,
                                       const struct checkpoint_rules *rules, struct error *err);

// The step of the newest checkpoint whose files match their manifest, which reads all of them; -1
// if there is none at all. Newer ones that do not match are passed over, and *skipped says what is
// wrong with the newest (code STATUS_OK if nothing is). If no checkpoint matches, it is an error.
MUST_CHECK enum status checkpoint_find_latest(const char *folder, int64_t *step,
                                              struct error *skipped, struct error *err);

// Fills model, velocity and state, bit for bit, with the checkpoint of a step, whose files must
// match their manifest. The model must have been made for training, with the options of the
// checkpoint: an option of another value is STATUS_USAGE and named. Only schedule.iterations may
// differ, to train for longer. After an error, what was filled means nothing.
MUST_CHECK enum status checkpoint_load(const char *folder, int64_t step,
                                       const struct training *training, struct error *err);

// Makes the folder what it was when state was saved: removes checkpoints of later steps and sets
// "latest" and "best". Training that went on from an older checkpoint would else mix with them.
MUST_CHECK enum status checkpoint_rewind(const char *folder, const struct training_state *state,
                                         struct error *err);

// The path of a step's folder, whether it is there or not.
MUST_CHECK enum status checkpoint_path(char path[PATH_BYTES], const char *folder, int64_t step,
                                       struct error *err);

// The step that CHECKPOINT_LATEST or CHECKPOINT_BEST names; -1 if there is no such text.
int64_t checkpoint_pointer(const char *folder, const char *name);

// What checkpoint.c, which knows what is in a checkpoint, and checkpoint_folder.c, which knows the
// folder around them, share.
#pragma once

#include "train/checkpoint.h"

// The files that a manifest lists; NULL at the end.
extern const char *const CHECKPOINT_FILES[];

// The name under which this process builds a checkpoint.
MUST_CHECK enum status checkpoint_temporary_path(char path[PATH_BYTES], const char *folder,
                                                 struct error *err);

// Gives a finished checkpoint its name, in place of one that has it, and puts that on disk.
MUST_CHECK enum status checkpoint_publish(const char *folder, const char *temporary, int64_t step,
                                          struct error *err);

// Sets "latest" and "best" after a checkpoint was published.
MUST_CHECK enum status checkpoint_point(const char *folder, const struct training_state *state,
                                        struct error *err);

// Deletes the older checkpoints that the rules do not keep.
MUST_CHECK enum status checkpoint_delete_old(const char *folder,
                                             const struct checkpoint_rules *rules, int64_t newest,
                                             struct error *err);

// Where the CUDA module is.
#pragma once

#include "base/error.h"

enum { MODULE_PATH_BYTES = 4096 };

// The file that the environment variable GCTMASK_CUDA_MODULE names; without it the first that is
// there of gctmask-cuda.so
// - in the folder of the program, or of the shared library that this code is part of (as built),
// - in gctmask/ of the library folder beside it (as installed).
// STATUS_DEVICE, with one sentence, if there is none.
MUST_CHECK enum status module_path_find(char path[MODULE_PATH_BYTES], struct error *err);

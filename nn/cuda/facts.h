// What there is of CUDA on this machine, for people; the module tells the program in this form.
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "nn/cuda/module_path.h"

enum { CUDA_MAX_DEVICES = 16, CUDA_NAME_BYTES = 256 };

struct cuda_device_facts {
    char name[CUDA_NAME_BYTES];
    int major, minor; // compute capability
    int64_t memory_bytes;
    struct error refusal; // why it cannot be used; code is STATUS_OK if it can
};

struct cuda_facts {
    char module[MODULE_PATH_BYTES]; // "" if there is none
    int toolkit;                    // 13000 for CUDA 13.0, that the module was built with
    int driver;                     // the newest CUDA that the driver knows; 0: no driver
    char library[CUDA_NAME_BYTES];  // that computes products; "" for kernels of our own
    char sums[CUDA_NAME_BYTES];     // what sums over devices, "NCCL 2.28.9"; "" if nothing does
    struct error no_sums;           // why not
    // That computes products of matrices, or why they are left to the other; "" if that was built
    // so.
    char matrix_library[CUDA_NAME_BYTES];
    int num_devices; // in devices; there may be more
    struct cuda_device_facts devices[CUDA_MAX_DEVICES];
};

// Looks for the module and asks it. STATUS_DEVICE, with one sentence, if no device can be used;
// what is known is in facts even then.
MUST_CHECK enum status cuda_look(struct cuda_facts *facts, struct error *err);

// --device and --tune, of the commands that compute.
#pragma once

#include "base/option.h"
#include "nn/nn.h"

struct communicator;

// A row of a table of options whose struct has a member const char *device.
#define DEVICE_ROW(type)                                                                           \
    {                                                                                              \
        .name = "device", OPTION_FIELD(type, device), .metavar = "DEVICE", .default_text = "cpu",  \
        .help = "what computes: cpu, or cuda:N, the graphics processor of that number; cuda is "   \
                "the first one, but of several processes on a machine each takes its own"          \
    }

// The same for a member bool tune.
#define TUNE_ROW(type)                                                                             \
    {                                                                                              \
        .name = "tune", OPTION_FIELD(type, tune),                                                  \
        .help = "with --device cuda: measure how fast cuDNN's algorithms are and take the "        \
                "fastest; for each size of image that takes some seconds, in tf32 and 16 bits "    \
                "with gates a minute or two, in which kernels are compiled; the last digits of "   \
                "results may then differ from run to run, and a resumed training from one that "   \
                "was never stopped"                                                                \
    }

// Whether that is a device; to be called before the work begins.
MUST_CHECK enum status device_check(const char *text, struct error *err);

// Sets the device of options, for this one of the processes of communicator; NULL: it is alone.
MUST_CHECK enum status device_choose(struct nn_options *options, const char *text,
                                     const struct communicator *communicator, struct error *err);

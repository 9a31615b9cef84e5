#include "tools/device.h"

#include <string.h>

#include "train/communicator.h"

enum status device_check(const char *text, struct error *err) {
    return device_choose(&(struct nn_options){0}, text, NULL, err);
}

enum status device_choose(struct nn_options *options, const char *text,
                          const struct communicator *communicator, struct error *err) {
    enum status status = nn_options_set_device(options, text, err);
    if (status != STATUS_OK) error_prefix(err, "--");
    if (communicator && strcmp(text, "cuda") == 0)
        options->device_number = communicator_local_rank(communicator);
    return status;
}

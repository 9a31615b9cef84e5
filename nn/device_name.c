// Devices as people write them.
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

// Decimal digits alone, of a number below 1000; -1 if text is something else.
static int parse_number(const char *text) {
    enum { MAX_DIGITS = 3 };
    size_t size = strspn(text, "0123456789");
    if (size == 0 || size > MAX_DIGITS || text[size] != '\0') return -1;
    return (int)strtol(text, NULL, 10);
}

enum status nn_options_set_device(struct nn_options *options, const char *text, struct error *err) {
    static const char NUMBERED[] = "cuda:";
    const size_t size = sizeof NUMBERED - 1;
    int number = 0;
    if (strncmp(text, NUMBERED, size) == 0) number = parse_number(text + size);
    bool is_cpu = strcmp(text, "cpu") == 0;
    bool is_cuda = strcmp(text, "cuda") == 0 || strncmp(text, NUMBERED, size) == 0;
    if ((!is_cpu && !is_cuda) || number < 0)
        return error_set(err, STATUS_USAGE, "device: expected cpu, cuda or cuda:N, found \"%s\"",
                         text);
    options->device = is_cuda ? NN_CUDA : NN_CPU;
    options->device_number = number;
    return STATUS_OK;
}

// What can be wrong with a picture: the stable word, the status and the sentence of each fault.
#include <stdarg.h>
#include <stdio.h>

#include "data/image_internal.h"

static const struct fault {
    const char *name;
    enum status status;
} faults[] = {
    [IMAGE_FAULT_NONE] = {"", STATUS_OK},
    [IMAGE_FAULT_EMPTY] = {"image_empty", STATUS_DATA},
    [IMAGE_FAULT_TYPE] = {"unsupported_media_type", STATUS_UNSUPPORTED},
    [IMAGE_FAULT_CORRUPT] = {"image_corrupt", STATUS_DATA},
    [IMAGE_FAULT_PIXELS] = {"image_too_many_pixels", STATUS_DATA},
    [IMAGE_FAULT_SIDE] = {"image_side_too_long", STATUS_DATA},
    [IMAGE_FAULT_SCANS] = {"image_too_many_scans", STATUS_DATA},
    [IMAGE_FAULT_MEMORY] = {"memory_budget", STATUS_MEMORY},
};

const char *image_fault_name(enum image_fault fault) {
    return faults[fault].name;
}

enum status image_fail(const struct image_reader *reader, enum image_fault fault,
                       const char *format, ...) {
    char sentence[ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    reader->info->fault = fault;
    return error_set(reader->err, faults[fault].status, "%s: %s", reader->name, sentence);
}

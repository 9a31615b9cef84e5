// Event files for TensorBoard (events.out.tfevents.*), without TensorFlow.
//
// A file is a list of records in TFRecord's frame (tensorflow/core/lib/io/record_writer.h):
//
//     8 bytes    the size N, little-endian
//     4 bytes    masked CRC-32C of these 8 bytes
//     N bytes    an Event message (tensorflow/core/util/event.proto) in protobuf's encoding
//     4 bytes    masked CRC-32C of the message
//
// and the first record says "brain.Event:2". Each process that continues a run begins a file of its
// own, with a mark that makes TensorBoard forget what the last one wrote beyond the checkpoint.
#pragma once

#include "train/append_file.h"

struct event_file {
    struct append_file file;
};

struct event_scalar {
    const char *tag; // "loss/mask": TensorBoard groups by what is before the slash
    double value;    // kept as float; not a finite one is left out
};

// Makes FOLDER/events.out.tfevents.TIME.HOST, or a later TIME if there is such a file. Times are
// seconds since 1970. first_step is 0, or the first step behind the checkpoint that a run goes on
// from.
MUST_CHECK enum status event_file_open(struct event_file *events, const char *folder,
                                       const char *host, double time, int64_t first_step,
                                       struct error *err);

// One event with all of the scalars, in one write.
MUST_CHECK enum status event_file_write(struct event_file *events, double time, int64_t step,
                                        const struct event_scalar *scalars, int64_t count,
                                        struct error *err);

void event_file_close(struct event_file *events); // a zeroed struct is fine

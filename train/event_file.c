#include "train/event_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers would need their bytes swapped");

static const char *const VERSION = "brain.Event:2";

// ---- Checksums ----

// CRC-32C (Castagnoli; RFC 3720, appendix B.4), four bits at a time.
static uint32_t crc32c(const void *bytes, int64_t size) {
    static const uint32_t TABLE[16] = {
        0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3,
        0x61C69362, 0x7198540D, 0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9,
        0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
    };
    const unsigned char *b = bytes;
    uint32_t crc = UINT32_MAX;
    for (int64_t i = 0; i < size; i++) {
        crc ^= b[i];
        crc = crc >> 4 ^ TABLE[crc & 15];
        crc = crc >> 4 ^ TABLE[crc & 15];
    }
    return ~crc;
}

// Checksums of data that holds checksums are weak, so they are stored in disguise
// (tensorflow/core/lib/hash/crc32c.h).
static uint32_t masked_crc32c(const void *bytes, int64_t size) {
    uint32_t crc = crc32c(bytes, size);
    return (crc >> 15 | crc << 17) + UINT32_C(0xA282EAD8);
}

// ---- Protobuf ----

enum wire_type { WIRE_VARINT = 0, WIRE_DOUBLE = 1, WIRE_BYTES = 2, WIRE_FLOAT = 5 };

// The numbers of fields, from TensorFlow's event.proto and summary.proto.
enum {
    EVENT_WALL_TIME = 1,
    EVENT_STEP = 2,
    EVENT_FILE_VERSION = 3,
    EVENT_SUMMARY = 5,
    EVENT_SESSION_LOG = 7,
    SUMMARY_VALUE = 1,
    VALUE_TAG = 1,
    VALUE_SIMPLE_VALUE = 2,
    SESSION_STATUS = 1,
    SESSION_START = 1, // a status
};

static void write_varint(struct output *message, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        output_write(message, &(uint8_t){(uint8_t)(value | 0x80)}, 1);
    output_write(message, &(uint8_t){(uint8_t)value}, 1);
}

static void write_key(struct output *message, unsigned field, enum wire_type type) {
    write_varint(message, field << 3 | type);
}

static void write_int64(struct output *message, unsigned field, int64_t value) {
    write_key(message, field, WIRE_VARINT);
    write_varint(message, (uint64_t)value);
}

static void write_double(struct output *message, unsigned field, double value) {
    write_key(message, field, WIRE_DOUBLE);
    output_write(message, &value, sizeof value);
}

static void write_float(struct output *message, unsigned field, float value) {
    write_key(message, field, WIRE_FLOAT);
    output_write(message, &value, sizeof value);
}

static void write_bytes(struct output *message, unsigned field, const char *bytes, int64_t size) {
    write_key(message, field, WIRE_BYTES);
    write_varint(message, (uint64_t)size);
    output_write(message, bytes, size);
}

// Moves a message into one that holds it.
static void write_message(struct output *message, unsigned field, struct output *part) {
    // A failure of memory is passed on with an empty part.
    if (part->failure.code != STATUS_OK && message->failure.code == STATUS_OK)
        message->failure = part->failure;
    write_bytes(message, field, part->data, part->size);
    output_discard(part);
}

// ---- Events ----

static void begin_event(struct output *event, double time, int64_t step) {
    output_open_memory(event);
    write_double(event, EVENT_WALL_TIME, time);
    if (step) write_int64(event, EVENT_STEP, step);
}

static enum status write_record(struct event_file *events, const struct output *event,
                                struct error *err) {
    struct output record;
    uint64_t size = (uint64_t)event->size;
    uint32_t size_crc = masked_crc32c(&size, sizeof size);
    uint32_t event_crc = masked_crc32c(event->data, event->size);
    output_open_memory(&record);
    output_write(&record, &size, sizeof size);
    output_write(&record, &size_crc, sizeof size_crc);
    output_write(&record, event->data, event->size);
    output_write(&record, &event_crc, sizeof event_crc);
    enum status status = output_finish(&record, err);
    if (status == STATUS_OK)
        status = append_file_write(&events->file, record.data, record.size, err);
    output_discard(&record);
    return status;
}

static enum status end_event(struct event_file *events, struct output *event, struct error *err) {
    enum status status = output_finish(event, err);
    if (status == STATUS_OK) status = write_record(events, event, err);
    output_discard(event);
    return status;
}

static enum status write_beginning(struct event_file *events, double time, int64_t first_step,
                                   struct error *err) {
    struct output event;
    begin_event(&event, time, 0);
    write_bytes(&event, EVENT_FILE_VERSION, VERSION, (int64_t)strlen(VERSION));
    TRY(end_event(events, &event, err));
    if (first_step == 0) return STATUS_OK;
    struct output session;
    output_open_memory(&session);
    write_int64(&session, SESSION_STATUS, SESSION_START);
    begin_event(&event, time, first_step);
    write_message(&event, EVENT_SESSION_LOG, &session);
    return end_event(events, &event, err);
}

// The name of a file that is not there yet.
static enum status find_name(char path[PATH_BYTES], const char *folder, const char *host,
                             int64_t time, struct error *err) {
    char name[512];
    do {
        snprintf(name, sizeof name, "events.out.tfevents.%010" PRId64 ".%.256s", time++, host);
        TRY(path_join(path, folder, name, err));
    } while (access(path, F_OK) == 0);
    return STATUS_OK;
}

enum status event_file_open(struct event_file *events, const char *folder, const char *host,
                            double time, int64_t first_step, struct error *err) {
    char path[PATH_BYTES];
    TRY(find_name(path, folder, host, (int64_t)time, err));
    TRY(append_file_open(&events->file, path, true, err));
    enum status status = write_beginning(events, time, first_step, err);
    if (status != STATUS_OK) event_file_close(events);
    return status;
}

enum status event_file_write(struct event_file *events, double time, int64_t step,
                             const struct event_scalar *scalars, int64_t count, struct error *err) {
    struct output summary;
    output_open_memory(&summary);
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(scalars[i].value)) continue;
        struct output value;
        output_open_memory(&value);
        write_bytes(&value, VALUE_TAG, scalars[i].tag, (int64_t)strlen(scalars[i].tag));
        write_float(&value, VALUE_SIMPLE_VALUE, (float)scalars[i].value);
        write_message(&summary, SUMMARY_VALUE, &value);
    }
    struct output event;
    begin_event(&event, time, step);
    write_message(&event, EVENT_SUMMARY, &summary);
    return end_event(events, &event, err);
}

void event_file_close(struct event_file *events) {
    append_file_close(&events->file);
}

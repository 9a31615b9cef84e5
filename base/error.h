// Two kinds of errors, never mixed.
//
// World errors (a file, a JSON document, an image, a request, memory whose size an input decides,
// a device) come back as an enum status, with one sentence in a caller-owned struct error that says
// file, place, what was found and what was expected. Nothing here is global, so a message survives
// the hop from a worker thread to whoever reports it.
//
// Programmer errors hit CHECK in base/check.h.
//
//     enum status load(const char *path, struct error *err) {
//         TRY(file_view_open(&view, path, err));
//         if (view.size == 0) return error_set(err, STATUS_DATA, "%s: the file is empty", path);
#pragma once

enum status {
    STATUS_OK = 0,
    STATUS_USAGE,        // the user asked for something that makes no sense
    STATUS_DATA,         // the content of an input is wrong
    STATUS_NO_INPUT,     // an input cannot be opened or read
    STATUS_CANNOT_WRITE, // an output cannot be written
    STATUS_MEMORY,       // not enough memory for what the input asks
    STATUS_DEVICE,       // an accelerator failed
    STATUS_UNSUPPORTED,  // well formed, but not handled
    STATUS_CANCELLED,    // the user or a signal stopped the work
    STATUS_INTERNAL,     // the operating system failed us in a way no input explains
};

enum { ERROR_MESSAGE_BYTES = 512 };

struct error {
    enum status code;
    char message[ERROR_MESSAGE_BYTES]; // one sentence, no newline, NUL-terminated
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_argument)                                                  \
    __attribute__((format(printf, format_index, first_argument)))

// Returns from the calling function with the status of expr unless it is STATUS_OK.
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        enum status try_status = (expr);                                                           \
        if (try_status != STATUS_OK) return try_status;                                            \
    } while (0)

// Fills err (which may be NULL) and returns code, so that a failure is one return statement.
// A message that does not fit is cut and ends in "...".
enum status error_set(struct error *err, enum status code, const char *format, ...)
    PRINTF_LIKE(3, 4);

// Puts context in front of the message that err (which may be NULL) holds: "configs/r50.json: ...".
void error_prefix(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

// STATUS_MEMORY with a uniform sentence: what could not get how many bytes.
enum status error_memory(struct error *err, const char *what, long long bytes);

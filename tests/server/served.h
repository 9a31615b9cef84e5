// The program's server as a child process.
#pragma once

#include <stdint.h>
#include <sys/types.h>

enum { SERVED_PATH_BYTES = 512 };

struct served {
    pid_t pid;
    int port;                    // of the loopback
    char log[SERVED_PATH_BYTES]; // where its output goes
};

// Starts program serve on a free port with the options, NULL at the end, and waits until it is
// ready. Ends the caller if it does not become so.
void served_start(struct served *served, const char *program, const char *folder,
                  const char *const *options);

// SIGTERM; the exit code, -1 after a signal.
int served_stop(struct served *served);

int64_t served_bytes(const struct served *served); // resident
int64_t served_files(const struct served *served); // open descriptors

// One request and the answer's body, NUL-terminated, to be freed; status may be NULL. Ends the
// caller where there is no answer.
char *served_fetch(const struct served *served, const void *request, int64_t size, int *status);

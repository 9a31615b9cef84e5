// Who is to blame when a run of several processes does not go on. No MPI here: whoever can send and
// receive hands over what it heard and when, and asks for the verdict.
//
// Every process sends a beat to rank 0, and rank 0 one to everybody, ten times in the time that
// they may be silent. Rank 0 judges all; the others judge only rank 0.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { WATCH_PLACE_BYTES = 96 };

// What a process says of itself, sent as it lies in memory.
struct beat {
    double quiet_seconds;   // since it ticked or a part of an operation was done
    double allowed_seconds; // how long it may be quiet
    bool waiting;           // its main thread is in a call of the communicator
    bool summing;           // and that waits for a sum on its device
    bool failed;            // failure says why all must end
    struct error failure;
};

struct watch_peer {
    double heard; // when, on the watch's clock
    struct beat beat;
};

struct watch {
    int rank;
    int size;
    double silent_seconds;
    double stuck_seconds;
    double now;                        // the watch's clock, in seconds
    double looked;                     // the system's clock at the last look
    double moved;                      // when this process last made progress, on the watch's clock
    int64_t progress;                  // the count of its progress at that time
    double beaten;                     // when it last sent its beat
    struct watch_peer *peers;          // one for each rank, this one's too
    char (*places)[WATCH_PLACE_BYTES]; // of each rank: "process 4711 on node7"
};

// Starts watching at system_seconds. The struct's ranks and limits are set; peers, filled
// with zeros, and places are the caller's.
void watch_start(struct watch *watch, double system_seconds);

// Moves the watch's clock to system_seconds, but never by more than a moment: a process that was
// not running itself (a paused machine, a debugger) must not blame the others for that time.
void watch_look(struct watch *watch, double system_seconds);

// This process made so much progress in all, waits or not and may be quiet for allowed seconds, if
// that is more than usual.
void watch_self(struct watch *watch, int64_t progress, bool waiting, double allowed);

void watch_hear(struct watch *watch, int rank, const struct beat *beat);

// True once for every tenth of silent_seconds.
bool watch_beat_is_due(struct watch *watch);

// True if the run must end; verdict then says who is to blame, for what.
bool watch_judge(const struct watch *watch, struct error *verdict);

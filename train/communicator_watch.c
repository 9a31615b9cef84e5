#include "train/communicator_watch.h"

#include <math.h>

void watch_start(struct watch *watch, double system_seconds) {
    watch->looked = system_seconds;
    watch->beaten = -HUGE_VAL;
}

void watch_look(struct watch *watch, double system_seconds) {
    double moment = watch->silent_seconds / 20;
    watch->now += fmin(system_seconds - watch->looked, moment);
    watch->looked = system_seconds;
}

void watch_self(struct watch *watch, int64_t progress, bool waiting, double allowed) {
    struct watch_peer *self = &watch->peers[watch->rank];
    if (progress != watch->progress) watch->moved = watch->now;
    watch->progress = progress;
    self->heard = watch->now;
    self->beat.waiting = waiting;
    self->beat.quiet_seconds = watch->now - watch->moved;
    self->beat.allowed_seconds = fmax(watch->stuck_seconds, allowed);
}

void watch_hear(struct watch *watch, int rank, const struct beat *beat) {
    watch->peers[rank] = (struct watch_peer){watch->now, *beat};
}

bool watch_beat_is_due(struct watch *watch) {
    if (watch->now - watch->beaten < watch->silent_seconds / 10) return false;
    watch->beaten = watch->now;
    return true;
}

// The others notice rank 0's silence one after the other, so that one of them speaks for all.
static double patience(const struct watch *watch) {
    if (watch->rank == 0) return watch->silent_seconds;
    return watch->silent_seconds * (1 + 0.25 * (watch->rank - 1) / watch->size);
}

static bool is_silent(const struct watch *watch, int rank, struct error *verdict) {
    const struct watch_peer *peer = &watch->peers[rank];
    double silence = watch->now - peer->heard;
    if (silence < patience(watch)) return false;
    error_set(
        verdict, STATUS_DEVICE,
        "rank %d (%s) has not been heard of for %.0f s: its process is stopped or its machine "
        "cannot be reached",
        rank, watch->places[rank], silence);
    return true;
}

static bool is_stuck(const struct watch *watch, int rank, struct error *verdict) {
    const struct beat *beat = &watch->peers[rank].beat;
    if (beat->waiting || beat->quiet_seconds <= beat->allowed_seconds) return false;
    error_set(verdict, STATUS_DEVICE, "rank %d (%s) is stuck: it has made no progress for %.0f s",
              rank, watch->places[rank], beat->quiet_seconds);
    return true;
}

// Every process waits, and nothing that they wait for moves.
static bool all_wait(const struct watch *watch, struct error *verdict) {
    double quiet = HUGE_VAL;
    bool summing = true;
    for (int rank = 0; rank < watch->size; rank++) {
        if (!watch->peers[rank].beat.waiting) return false;
        summing = summing && watch->peers[rank].beat.summing;
        quiet = fmin(quiet, watch->peers[rank].beat.quiet_seconds);
    }
    if (quiet <= watch->stuck_seconds) return false;
    if (summing) {
        error_set(verdict, STATUS_DEVICE,
                  "all %d processes have waited for %.0f s for a sum over their devices: NCCL, or "
                  "what connects the devices, hangs",
                  watch->size, quiet);
        return true;
    }
    error_set(verdict, STATUS_INTERNAL,
              "all %d processes have waited for each other for %.0f s: they disagree about what "
              "comes next",
              watch->size, quiet);
    return true;
}

bool watch_judge(const struct watch *watch, struct error *verdict) {
    if (watch->rank > 0) return is_silent(watch, 0, verdict);
    for (int rank = 0; rank < watch->size; rank++)
        if (is_silent(watch, rank, verdict) || is_stuck(watch, rank, verdict)) return true;
    return all_wait(watch, verdict);
}

// How long work on the context's stream takes. Who asks waits for it.
#pragma once

#include "nn/cuda/kernel.h"

struct stopwatch {
    cudaEvent_t begin, end;
};

// From start to stop is what the stream gets in between. stop waits and returns seconds.
void stopwatch_start(struct nn *nn, struct stopwatch *watch);
double stopwatch_stop(struct nn *nn, struct stopwatch *watch);

// Seconds of one run of work, which work() puts on the stream, several times; less than 0 if that
// returns false once, or after a failure. Work that takes long is repeated less often.
template <class Work> static double stopwatch_seconds(struct nn *nn, Work work) {
    const double enough = 0.01;
    const int most_runs = 10;
    double seconds = 0;
    int runs = 1; // the first, of one, is not counted: it fills caches; by the second it is guessed
    for (int turn = 0; turn < 3; turn++) {
        struct stopwatch watch;
        bool ran = true;
        stopwatch_start(nn, &watch);
        for (int i = 0; i < runs && ran; i++)
            ran = work();
        seconds = stopwatch_stop(nn, &watch) / runs;
        if (!ran || nn_failed(nn)) return -1;
        if (turn == 1)
            runs = seconds * most_runs > enough ? 1 + (int)(enough / seconds) : most_runs;
    }
    return seconds;
}

// A client that puts load on a server: many connections in one thread, each answer checked.
//
// Requests arrive either as fast as they are answered (rate 0: as many clients as connections, each
// asking again) or at a fixed rate, whatever the server does. Then a request's time begins when it
// should have been sent, so that a server which stalls cannot hide what it delayed.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct load_request {
    const uint8_t *bytes; // all of it, from the request line on
    int64_t size;
    int status; // that the answer has to have; 0: 200, or a refusal for lack of room
    // One of them must stand in the body of an answer of that status; the first NULL: anything may,
    // the second NULL: there is only one.
    const char *expected, *or_expected;
};

struct load_plan {
    int port;                            // of the loopback
    const struct load_request *requests; // taken in turn
    int64_t num_requests;
    double rate; // of arrivals, per second; 0: as they are answered
    int num_connections;
    double seconds;     // 0: no limit
    int64_t count;      // of requests to send; 0: no limit
    int64_t drop_every; // each so many-th request is left before it is answered; 0: none
};

struct load_report {
    double seconds;
    int64_t sent;
    int64_t answered;  // with the status that was expected
    int64_t refused;   // 503 with Retry-After
    int64_t dropped;   // by ourselves
    int64_t unwanted;  // another status, or 503 without Retry-After
    int64_t wrong;     // the right status with another body than expected
    int64_t broken;    // connections that could not be made, or ended without an answer
    int last_unwanted; // such a status; 0: there was none
    double *times;     // [answered] in seconds, ascending
    double *refused_times;
};

// Ends the program where the client itself cannot work.
void load_run(const struct load_plan *plan, struct load_report *report);
void load_report_free(struct load_report *report);

// The same beside others, in a thread of its own.
struct load;
struct load *load_start(const struct load_plan *plan);
// Nothing is sent after this.
void load_end(struct load *load);
void load_join(struct load *load, struct load_report *report);

// The time that a share of ascending times do not exceed; 0 of none.
double load_quantile(const double *times, int64_t count, double share);

// Ends program where condition does not hold: for the means of a measurement, not its results.
void load_need(bool condition, const char *what);

// Clients that hold connections by being slow: some send their header, some their body, some read
// their answer a byte a second. They come from several addresses of the loopback.
#pragma once

#include <stdint.h>

enum slow_kind { SLOW_HEADER, SLOW_BODY, SLOW_READ, NUM_SLOW_KINDS };

struct slow_plan {
    int port;
    int count;         // of clients, of the kinds in turn
    int num_addresses; // 127.0.0.2 and those that follow
    // What those that read slowly ask for; its answer should be large, 200 KB or more.
    const uint8_t *request;
    int64_t request_size;
};

struct slow_report {
    int64_t opened; // connections that could be made
    int64_t closed; // of those that send slowly, by the server
    double longest; // seconds that one of those was held
};

struct slow_clients;
struct slow_clients *slow_start(const struct slow_plan *plan);
void slow_stop(struct slow_clients *clients, struct slow_report *report);

// libmicrohttpd: requests off the wire, replies onto it. The only part that knows it.
#pragma once

#include "server/connections.h"

struct http;
struct service;

struct http_options {
    int listener; // a socket that listens
    int num_threads;
    int64_t max_connections, max_connections_per_address;
    const char *tls_cert, *tls_key; // PEM texts; NULL: no TLS
};

MUST_CHECK enum status http_start(struct http **http, struct service *service,
                                  struct connections *connections,
                                  const struct http_options *options, struct error *err);

// Takes no more connections. Those that are there go on; each answer is the last one on its.
void http_quiesce(struct http *http);

// No connection may be suspended any more. NULL is fine.
void http_stop(struct http *http);

// Wakes a connection that was suspended. Any thread may call it.
void http_resume(void *transport);

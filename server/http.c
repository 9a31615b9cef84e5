#include "server/http.h"

#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/service_internal.h"

struct http {
    struct service *service;
    struct connections *connections;
    struct MHD_Daemon *daemon;
    int old_listener; // once it takes no more connections; -1 before
    atomic_bool is_quiet;
};

// The policy of the page: all that it needs is ours, and pictures that it has made itself.
static const char PAGE_POLICY[] =
    "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

// ---- Connections ----

static struct connection *connection_of(struct MHD_Connection *transport) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(transport, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void address_text(struct MHD_Connection *transport, char text[ADDRESS_TEXT_BYTES]) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(transport, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    socklen_t size = address && address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                               : sizeof(struct sockaddr_in);
    *text = '\0';
    if (address) getnameinfo(address, size, text, ADDRESS_TEXT_BYTES, NULL, 0, NI_NUMERICHOST);
}

static void on_connection(void *context, struct MHD_Connection *transport, void **socket_context,
                          enum MHD_ConnectionNotificationCode code) {
    const struct http *http = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*socket_context) connections_remove(http->connections, *socket_context);
        *socket_context = NULL;
        return;
    }
    char address[ADDRESS_TEXT_BYTES];
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(transport, MHD_CONNECTION_INFO_CONNECTION_FD);
    address_text(transport, address);
    *socket_context = info ? connections_add(http->connections, info->connect_fd, address) : NULL;
}

// ---- Replies ----

static void add(struct MHD_Response *response, const char *name, const char *value) {
    (void)MHD_add_response_header(response, name, value);
}

static void add_sharing(struct MHD_Response *response, const struct exchange *e) {
    if (!e->is_foreign || e->fault.code == FAULT_FORBIDDEN_ORIGIN) return;
    add(response, "Access-Control-Allow-Origin", e->origin);
    add(response, "Vary", "Origin");
    add(response, "Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
    if (!e->is_preflight) return;
    add(response, "Access-Control-Allow-Methods", "GET, POST");
    add(response, "Access-Control-Allow-Headers", "Authorization, Content-Type, X-Request-Id");
    add(response, "Access-Control-Max-Age", "600");
}

static void add_headers(struct MHD_Response *response, const struct exchange *e,
                        const struct reply *reply, bool is_last) {
    char seconds[16] = "";
    if (reply->content_type) add(response, "Content-Type", reply->content_type);
    add(response, "X-Request-Id", e->id);
    add(response, "X-Content-Type-Options", "nosniff");
    add(response, "Cache-Control", reply->is_page ? "no-cache" : "no-store");
    if (reply->is_page) add(response, "Content-Security-Policy", PAGE_POLICY);
    if (reply->is_page) add(response, "Referrer-Policy", "no-referrer");
    if (reply->allow) add(response, "Allow", reply->allow);
    if (reply->status == MHD_HTTP_UNAUTHORIZED) add(response, "WWW-Authenticate", "Bearer");
    snprintf(seconds, sizeof seconds, "%d", (int)reply->retry_after);
    if (reply->retry_after > 0) add(response, "Retry-After", seconds);
    add_sharing(response, e);
    if (is_last) add(response, "Connection", "close");
}

// The body of the reply becomes libmicrohttpd's; its size stays for the log.
static enum MHD_Result send_reply(const struct http *http, struct exchange *e, bool is_last) {
    struct reply *reply = &e->reply;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        (size_t)reply->size, reply->bytes,
        reply->is_constant ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
    if (!response) {
        reply_discard(reply);
        return MHD_NO;
    }
    reply->bytes = NULL;
    add_headers(response, e, reply, is_last || atomic_load(&http->is_quiet));
    connections_enter(http->connections, e->connection, STAGE_WRITE);
    enum MHD_Result result = MHD_queue_response(e->transport, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return result;
}

// ---- Requests ----

static void *on_address(void *context, const char *raw, struct MHD_Connection *transport) {
    const struct http *http = context;
    struct connection *connection = connection_of(transport);
    if (!connection) return NULL;
    connections_begin_request(http->connections, connection);
    return exchange_create(http->service, http->connections, connection, transport, raw);
}

static enum MHD_Result on_header(void *context, enum MHD_ValueKind kind, const char *name,
                                 size_t name_size, const char *value, size_t value_size) {
    struct request_head *head = context;
    (void)kind;
    if (head->num_headers == MAX_HEADERS) {
        head->has_too_many = true;
        return MHD_NO;
    }
    // It parses in place and writes zeros over what ends a line, so that there are two of them
    // behind a value that CR LF ended; a NUL in the line would have cut the value short before
    // that.
    bool is_ended_well = !value || value[value_size + 1] == '\0';
    head->headers[head->num_headers++] =
        (struct header){name, name_size, value ? value : "", value_size, is_ended_well};
    return MHD_YES;
}

static enum MHD_Result start(const struct http *http, struct exchange *e, const char *method,
                             const char *version) {
    struct request_head head = {.method = method, .version = version};
    MHD_get_connection_values_n(e->transport, MHD_HEADER_KIND, on_header, &head);
    connections_enter(http->connections, e->connection, STAGE_UPLOAD);
    if (exchange_start(e, &head)) return MHD_YES;
    if (!exchange_finish(e)) return MHD_NO;
    return send_reply(http, e, true);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *transport, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **exchange) {
    const struct http *http = context;
    struct exchange *e = *exchange;
    (void)url; // decoded: addresses are compared raw
    if (!e) return MHD_NO;
    if (!e->is_started) return start(http, e, method, version);
    if (*size > 0) {
        bool goes_on = exchange_take(e, bytes, (int64_t)*size);
        *size = 0;
        return goes_on ? MHD_YES : MHD_NO;
    }
    if (e->is_suspended || exchange_finish(e)) return send_reply(http, e, false);
    e->is_suspended = true;
    connections_enter(http->connections, e->connection, STAGE_WORK);
    MHD_suspend_connection(transport);
    exchange_submit(e);
    return MHD_YES;
}

static void on_end(void *context, struct MHD_Connection *transport, void **exchange,
                   enum MHD_RequestTerminationCode code) {
    const struct http *http = context;
    struct exchange *e = *exchange;
    (void)transport;
    if (!e) return;
    *exchange = NULL;
    connections_enter(http->connections, e->connection, STAGE_IDLE);
    exchange_end(e, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

// Addresses stay as they came.
static size_t keep_raw(void *context, struct MHD_Connection *transport, char *text) {
    (void)context;
    (void)transport;
    return strlen(text);
}

// ---- The daemon ----

static enum status start_daemon(struct http *http, const struct http_options *options,
                                struct error *err) {
    enum { CONNECTION_MEMORY_BYTES = 1 << 15, NO_IDLE_LIMIT = 0 };
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)options->tls_cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)options->tls_key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0,
         (void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem no_tls[] = {{MHD_OPTION_END, 0, NULL}};
    if (options->tls_cert) flags |= MHD_USE_TLS;
    http->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, http,                                             //
        MHD_OPTION_LISTEN_SOCKET, options->listener,                                        //
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)options->num_threads,                        //
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)options->max_connections,                    //
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)options->max_connections_per_address, //
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,                //
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)NO_IDLE_LIMIT,                             //
        MHD_OPTION_STRICT_FOR_CLIENT, 1,                                                    //
        MHD_OPTION_URI_LOG_CALLBACK, on_address, http,                                      //
        MHD_OPTION_UNESCAPE_CALLBACK, keep_raw, NULL,                                       //
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,                                  //
        MHD_OPTION_NOTIFY_COMPLETED, on_end, http,                                          //
        MHD_OPTION_ARRAY, options->tls_cert ? tls : no_tls,                                 //
        MHD_OPTION_END);
    if (http->daemon) return STATUS_OK;
    return error_set(err, STATUS_INTERNAL, "cannot start the HTTP server%s",
                     options->tls_cert ? ": do the certificate and the key belong together?" : "");
}

enum status http_start(struct http **result, struct service *service,
                       struct connections *connections, const struct http_options *options,
                       struct error *err) {
    struct http *http = *result = calloc(1, sizeof *http);
    if (!http) return error_memory(err, "an HTTP server", sizeof *http);
    *http = (struct http){.service = service, .connections = connections, .old_listener = -1};
    enum status status = start_daemon(http, options, err);
    if (status == STATUS_OK) return status;
    free(http);
    *result = NULL;
    return status;
}

void http_quiesce(struct http *http) {
    atomic_store(&http->is_quiet, true);
    // Its threads may still look at the descriptor, so it is closed when they have ended.
    http->old_listener = MHD_quiesce_daemon(http->daemon);
    if (http->old_listener >= 0) shutdown(http->old_listener, SHUT_RDWR);
}

void http_stop(struct http *http) {
    if (!http) return;
    MHD_stop_daemon(http->daemon);
    if (http->old_listener >= 0) close(http->old_listener);
    free(http);
}

void http_resume(void *transport) {
    MHD_resume_connection(transport);
}

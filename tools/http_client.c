#include "tools/http_client.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/symbol.h"

static const char LIBRARY[] = "libcurl.so.4";
static const double CONNECT_SECONDS = 10;

// ---- The library ----

// libcurl's functions by their names without curl_.
struct library {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *handle, CURLoption option, ...);
    CURLcode (*easy_perform)(CURL *handle);
    CURLcode (*easy_getinfo)(CURL *handle, CURLINFO info, ...);
    void (*easy_cleanup)(CURL *handle);
    const char *(*easy_strerror)(CURLcode code);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
};

static enum status load(struct library *l, struct error *err) {
    void *module = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!module)
        return error_set(err, STATUS_UNSUPPORTED, "%s: install the package libcurl4", dlerror());
    bool found = symbol_find(module, "curl_global_init", &l->global_init) &&
                 symbol_find(module, "curl_easy_init", &l->easy_init) &&
                 symbol_find(module, "curl_easy_setopt", &l->easy_setopt) &&
                 symbol_find(module, "curl_easy_perform", &l->easy_perform) &&
                 symbol_find(module, "curl_easy_getinfo", &l->easy_getinfo) &&
                 symbol_find(module, "curl_easy_cleanup", &l->easy_cleanup) &&
                 symbol_find(module, "curl_easy_strerror", &l->easy_strerror) &&
                 symbol_find(module, "curl_slist_append", &l->slist_append) &&
                 symbol_find(module, "curl_slist_free_all", &l->slist_free_all);
    if (!found || l->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(err, STATUS_UNSUPPORTED, "%s: not a library that this program can use",
                         LIBRARY);
    return STATUS_OK;
}

// ---- Clients ----

struct http_client {
    struct library library;
    CURL *handle;
    struct curl_slist *headers;
    char failure[CURL_ERROR_SIZE];
};

static bool add_header(struct http_client *client, const char *text) {
    struct curl_slist *headers = client->library.slist_append(client->headers, text);
    if (headers) client->headers = headers;
    return headers != NULL;
}

static bool add_headers(struct http_client *client, const struct http_client_options *options) {
    enum { HEADER_BYTES = 1024 };
    char token[HEADER_BYTES];
    if (!add_header(client, "Content-Type: application/octet-stream")) return false;
    if (!add_header(client, "Accept: application/json")) return false;
    if (!options->token) return true;
    int size = snprintf(token, sizeof token, "Authorization: Bearer %s", options->token);
    return size < HEADER_BYTES && add_header(client, token);
}

static size_t take(char *bytes, size_t item, size_t count, void *context) {
    enum { MOST_BYTES = 1 << 28 };
    struct output *body = context;
    if (body->size > MOST_BYTES) return 0; // not what a service answers
    output_write(body, bytes, (int64_t)(item * count));
    return item * count;
}

static bool set_up(struct http_client *client, const struct http_client_options *options) {
    const struct library *l = &client->library;
    CURL *h = client->handle;
    bool set =
        l->easy_setopt(h, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        l->easy_setopt(h, CURLOPT_ERRORBUFFER, client->failure) == CURLE_OK &&
        l->easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        l->easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)(CONNECT_SECONDS * 1e3)) == CURLE_OK &&
        l->easy_setopt(h, CURLOPT_HTTPHEADER, client->headers) == CURLE_OK &&
        l->easy_setopt(h, CURLOPT_WRITEFUNCTION, take) == CURLE_OK;
    if (set && options->ca_file)
        set = l->easy_setopt(h, CURLOPT_CAINFO, options->ca_file) == CURLE_OK &&
              l->easy_setopt(h, CURLOPT_CAPATH, (char *)NULL) == CURLE_OK;
    return set;
}

enum status http_client_create(struct http_client **result,
                               const struct http_client_options *options, struct error *err) {
    struct http_client *client = *result = calloc(1, sizeof *client);
    if (!client) return error_memory(err, "a connection", sizeof *client);
    TRY(load(&client->library, err));
    CHECK(client->library.easy_init && client->library.slist_append);
    client->handle = client->library.easy_init();
    if (!client->handle || !add_headers(client, options) || !set_up(client, options))
        return error_set(err, STATUS_UNSUPPORTED, "%s: cannot be set up for requests", LIBRARY);
    return STATUS_OK;
}

void http_client_destroy(struct http_client *client) {
    if (!client) return;
    if (client->handle) client->library.easy_cleanup(client->handle);
    if (client->headers) client->library.slist_free_all(client->headers);
    free(client);
}

// ---- Requests ----

static bool is_connected(const struct http_client *client) {
    curl_off_t microseconds = 0;
    return client->library.easy_getinfo(client->handle, CURLINFO_PRETRANSFER_TIME_T,
                                        &microseconds) == CURLE_OK &&
           microseconds > 0;
}

static enum http_end end_of(const struct http_client *client, CURLcode code) {
    // There are a hundred codes; these are the ones that say something about the service's state.
    if (code == CURLE_OK) return HTTP_ANSWERED;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
        code == CURLE_COULDNT_RESOLVE_PROXY)
        return HTTP_NO_CONNECTION;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return is_connected(client) ? HTTP_TIMED_OUT : HTTP_NO_CONNECTION;
    if (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR ||
        code == CURLE_RECV_ERROR || code == CURLE_PARTIAL_FILE)
        return HTTP_CUT;
    return HTTP_IMPOSSIBLE;
}

static CURLcode perform(struct http_client *client, const struct http_call *call,
                        struct http_answer *answer) {
    const struct library *l = &client->library;
    CURL *h = client->handle;
    CURLcode code = l->easy_setopt(h, CURLOPT_URL, call->url);
    if (code == CURLE_OK)
        code = call->body ? l->easy_setopt(h, CURLOPT_POST, 1L)
                          : l->easy_setopt(h, CURLOPT_HTTPGET, 1L);
    if (code == CURLE_OK && call->body)
        code = l->easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->size);
    if (code == CURLE_OK && call->body) code = l->easy_setopt(h, CURLOPT_POSTFIELDS, call->body);
    if (code == CURLE_OK)
        code = l->easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)(call->seconds * 1e3) + 1);
    if (code == CURLE_OK) code = l->easy_setopt(h, CURLOPT_WRITEDATA, &answer->body);
    return code == CURLE_OK ? l->easy_perform(h) : code;
}

enum http_end http_client_ask(struct http_client *client, const struct http_call *call,
                              struct http_answer *answer, struct error *err) {
    const struct library *l = &client->library;
    long status = 0;
    curl_off_t retry_after = 0;
    *answer = (struct http_answer){0};
    output_open_memory(&answer->body);
    client->failure[0] = '\0';
    CURLcode code = perform(client, call, answer);
    enum http_end end = end_of(client, code);
    if (end == HTTP_ANSWERED && output_finish(&answer->body, err) == STATUS_OK) {
        (void)l->easy_getinfo(client->handle, CURLINFO_RESPONSE_CODE, &status);
        (void)l->easy_getinfo(client->handle, CURLINFO_RETRY_AFTER, &retry_after);
        answer->status = (int)status;
        answer->retry_after = retry_after;
        return HTTP_ANSWERED;
    }
    output_discard(&answer->body);
    if (end == HTTP_ANSWERED) return HTTP_IMPOSSIBLE; // no memory
    error_set(err, STATUS_DEVICE, "%s",
              client->failure[0] ? client->failure : l->easy_strerror(code));
    return end;
}

#include "server/json_request.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/nearest.h"
#include "server/media_type.h"
#include "server/picture.h"
#include "server/request_id.h"

// ---- Before anything is read ----

// Texts end at a NUL, so one inside would hide what follows from whoever reads them.
static bool holds_nul(const struct json_string *string) {
    const char *end = string->data + string->size;
    if (!string->escaped) return false;
    for (const char *at = string->data; at < end; at++) {
        if (*at != '\\') continue;
        at++;
        if (*at == 'u' && memcmp(at + 1, "0000", 4) == 0) return true;
    }
    return false;
}

// Where in a text the scan is: the containers that are open, innermost last.
struct scan {
    struct json_reader r;
    bool is_object[JSON_MAX_DEPTH];
    int64_t depth;
    int64_t num_values;
};

// The next element of the innermost container, closing those that end here; false at the text's
// end.
static bool scan_forward(struct scan *scan) {
    while (scan->depth > 0) {
        struct json_string key = {.data = ""};
        bool found = scan->is_object[scan->depth - 1] ? json_next_key(&scan->r, &key)
                                                      : json_next_element(&scan->r);
        if (holds_nul(&key)) json_fail(&scan->r, "a key contains \\u0000");
        if (found) return true;
        scan->depth--;
    }
    return false;
}

static void scan_value(struct scan *scan) {
    enum json_kind kind = json_peek(&scan->r);
    scan->num_values++;
    if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
        scan->is_object[scan->depth++] = kind == JSON_OBJECT;
        if (kind == JSON_OBJECT)
            json_begin_object(&scan->r);
        else
            json_begin_array(&scan->r);
    } else if (kind == JSON_STRING) {
        struct json_string string = json_string(&scan->r);
        if (holds_nul(&string)) json_fail(&scan->r, "a string contains \\u0000");
    } else {
        json_skip(&scan->r);
    }
}

bool json_scan(const char *text, int64_t size, const struct request_limits *limits,
               struct fault *fault) {
    struct error err;
    struct scan scan = {.depth = 0};
    CHECK(limits->max_json_depth < JSON_MAX_DEPTH);
    json_reader_init(&scan.r, text, size, "the body's JSON", &err);
    do {
        scan_value(&scan);
        if (scan.depth > limits->max_json_depth)
            return fault_set_limit(fault, FAULT_JSON_TOO_DEEP, limits->max_json_depth, scan.depth,
                                   "the body's JSON is more than %lld levels deep",
                                   (long long)limits->max_json_depth);
        if (scan.num_values > limits->max_json_values)
            return fault_set_limit(fault, FAULT_JSON_TOO_MANY_VALUES, limits->max_json_values,
                                   scan.num_values, "the body's JSON holds more than %lld values",
                                   (long long)limits->max_json_values);
    } while (json_status(&scan.r) == STATUS_OK && scan_forward(&scan));
    json_end(&scan.r);
    if (json_status(&scan.r) == STATUS_OK) return true;
    return fault_of_error(fault, FAULT_BAD_JSON, &err);
}

bool json_request_begin(struct json_request *json, const struct http_request *http,
                        const struct request_limits *limits, struct arena *arena,
                        struct fault *fault) {
    const char *text = (const char *)http->body;
    *json = (struct json_request){.limits = limits, .arena = arena, .fault = fault};
    *fault = (struct fault){0};
    json_reader_init(&json->reader, text, http->body_size, "the body's JSON", &json->err);
    if (http->content_type && !media_type_is(http->content_type, "application/json"))
        return fault_set(fault, FAULT_UNSUPPORTED_MEDIA_TYPE,
                         "the Content-Type is not application/json");
    if (!json_scan(text, http->body_size, limits, fault)) return false;
    json_begin_object(&json->reader);
    if (json_status(&json->reader) == STATUS_OK) return true;
    return fault_of_error(fault, FAULT_BAD_JSON, &json->err);
}

// ---- Its parts ----

static void refuse_key(struct json_request *json, const char *where, const char *key,
                       const char *const *keys) {
    struct nearest nearest = {.wanted = key};
    for (int i = 0; keys[i]; i++)
        nearest_offer(&nearest, keys[i]);
    const char *near = nearest_name(&nearest);
    fault_set(json->fault, FAULT_UNKNOWN_FIELD,
              near ? "%s%.60s: there is no such field; did you mean %s?"
                   : "%s%.60s: there is no such field%s",
              where, key, near ? near : "");
    snprintf(json->fault->field, sizeof json->fault->field, "%s%.40s", where, key);
}

int json_request_key(struct json_request *json, const char *where, const char *const *keys,
                     uint32_t *seen) {
    struct json_string key;
    while (!json->fault->code && json_next_key(&json->reader, &key)) {
        for (int i = 0; keys[i]; i++) {
            if (!json_string_is(&key, keys[i])) continue;
            if (!(*seen >> i & 1)) {
                *seen |= UINT32_C(1) << i;
                return i;
            }
            fault_set(json->fault, FAULT_BAD_JSON, "%s%s: this field is given twice", where,
                      keys[i]);
            snprintf(json->fault->field, sizeof json->fault->field, "%s%s", where, keys[i]);
            return -1;
        }
        if (json->skips_unknown) {
            json_skip(&json->reader);
            continue;
        }
        char *text = arena_alloc(json->arena, key.size + 1, 1);
        if (text) text[json_string_unescape(&key, text)] = '\0';
        refuse_key(json, where, text ? text : "a name", keys);
    }
    return -1;
}

void json_request_refuse(struct json_request *json, const char *field, const char *expected) {
    if (json->fault->code) return;
    fault_set(json->fault, FAULT_BAD_JSON, "%s: expected %s", field, expected);
    snprintf(json->fault->field, sizeof json->fault->field, "%.63s", field);
}

void json_request_picture(struct json_request *json, struct picture *picture) {
    *picture = (struct picture){0};
    struct json_string string = json_string(&json->reader);
    if (json->fault->code || json_status(&json->reader) != STATUS_OK) return;
    json->picture_bytes += string.size;
    (void)picture_from_base64(picture, &string, json->arena); // its fault is the picture's
}

void json_request_id(struct json_request *json, char id[REQUEST_ID_BYTES]) {
    struct json_string string = json_string(&json->reader);
    if (json->fault->code || json_status(&json->reader) != STATUS_OK) return;
    if (!request_id_set(id, string.data, string.size, json->fault))
        snprintf(json->fault->field, sizeof json->fault->field, "id");
}

void json_request_options(struct json_request *json, struct options *options, const char *prefix) {
    (void)json_peek(&json->reader); // skips space
    const char *begin = json->reader.at;
    json_skip(&json->reader);
    int64_t size = json->reader.at - begin;
    if (json->fault->code || json_status(&json->reader) != STATUS_OK) return;
    if (size > json->limits->max_json_bytes)
        fault_set_limit(json->fault, FAULT_BODY_TOO_LARGE, json->limits->max_json_bytes, size,
                        "the options are of %lld bytes; the limit is %lld", (long long)size,
                        (long long)json->limits->max_json_bytes);
    else
        detect_options_set_json(options, begin, size, prefix, json->fault);
}

bool json_request_end(struct json_request *json) {
    json_end(&json->reader);
    if (json->fault->code) return false;
    if (json_status(&json->reader) != STATUS_OK)
        return fault_of_error(json->fault, FAULT_BAD_JSON, &json->err);
    int64_t rest = json->reader.end - json->reader.begin - json->picture_bytes;
    int64_t limit = json->limits->max_json_bytes;
    if (rest <= limit) return true;
    return fault_set_limit(json->fault, FAULT_BODY_TOO_LARGE, limit, rest,
                           "the body's JSON has %lld bytes without its images; the limit is %lld",
                           (long long)rest, (long long)limit);
}

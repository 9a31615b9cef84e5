#include "server/request_id.h"

#include <string.h>

static bool is_allowed(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool request_id_set(char id[REQUEST_ID_BYTES], const char *text, int64_t size,
                    struct fault *fault) {
    const int64_t longest = REQUEST_ID_BYTES - 1;
    bool allowed = size >= 1 && size <= longest;
    for (int64_t i = 0; allowed && i < size; i++)
        allowed = is_allowed(text[i]);
    if (!allowed)
        return fault_set_limit(fault, FAULT_BAD_REQUEST_ID, longest, size,
                               "a request's id has 1 to %d letters, digits, dots, underscores or "
                               "hyphens",
                               (int)longest);
    memcpy(id, text, (size_t)size);
    id[size] = '\0';
    return true;
}

bool request_begin(struct detect_request *request, const struct http_request *http,
                   struct fault *fault) {
    const char *id = http->request_id;
    *fault = (struct fault){0};
    request->num_pictures = 0;
    request->answer = ANSWER_JSON;
    return !id || request_id_set(request->id, id, (int64_t)strlen(id), fault);
}

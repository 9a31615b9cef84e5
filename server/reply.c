#include "server/reply.h"

#include <stdlib.h>

struct reply reply_of_fault(const struct fault *fault, const char *request_id) {
    struct output out;
    output_open_memory(&out);
    fault_write(fault, request_id, &out);
    struct reply reply = reply_of_output(fault_status(fault->code), "application/json", &out);
    reply.code = fault->code;
    reply.retry_after = fault->retry_after;
    return reply;
}

struct reply reply_of_output(int status, const char *content_type, struct output *out) {
    struct reply reply = {.status = status, .content_type = content_type};
    if (out->failure.code == STATUS_OK) {
        reply.bytes = out->data;
        reply.size = out->size;
        output_open_memory(out);
    } else if (status < 500) {
        reply.status = fault_status(FAULT_INTERNAL);
        reply.code = FAULT_INTERNAL;
    }
    output_discard(out);
    return reply;
}

void reply_discard(struct reply *reply) {
    if (!reply->is_constant) free(reply->bytes);
    *reply = (struct reply){0};
}

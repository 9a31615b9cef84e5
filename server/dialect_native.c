// POST /v1/detect: one picture.
#include "server/answer_json.h"
#include "server/answer_overlay.h"
#include "server/dialects.h"
#include "server/native_request.h"

static bool read_request(struct detect_request *request, const struct http_request *http,
                         const struct model_facts *model, const struct request_limits *limits,
                         struct arena *arena, struct fault *fault) {
    if (!native_request_read(request, http, model, limits, 1, arena, fault)) return false;
    *fault = request->pictures[0].fault;
    return !fault->code;
}

static bool write_answer(struct answer *answer, const struct detect_request *request,
                         const struct detect_outcome *outcomes, const struct model_facts *model,
                         struct arena *arena, struct fault *fault) {
    static const char *const TYPES[] = {
        [ANSWER_JSON] = "application/json",
        [ANSWER_PNG] = "image/png",
        [ANSWER_JPEG] = "image/jpeg",
    };
    struct json_writer w;
    bool written = false;
    answer_begin(answer, TYPES[request->answer]);
    if (request->answer == ANSWER_JSON) {
        json_writer_init(&w, &answer->body, 0);
        written = answer_json_write(&w, request, outcomes, 0, model, arena, fault);
        output_text(&answer->body, "\n");
    } else {
        written = answer_overlay_write(&answer->body, request, outcomes, model, arena, fault);
    }
    return answer_end(answer, written, fault);
}

const struct dialect DIALECT_NATIVE = {"/v1/detect", read_request, write_answer, false};

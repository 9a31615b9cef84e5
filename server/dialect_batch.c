// POST /v1/detect/batch: several pictures, each with an answer or a fault of its own.
#include "server/answer_json.h"
#include "server/dialects.h"
#include "server/native_request.h"

static bool read_request(struct detect_request *request, const struct http_request *http,
                         const struct model_facts *model, const struct request_limits *limits,
                         struct arena *arena, struct fault *fault) {
    int64_t most = limits->max_pictures < MAX_PICTURES ? limits->max_pictures : MAX_PICTURES;
    return native_request_read(request, http, model, limits, most, arena, fault);
}

// One answer, or the fault that writing it met: what was written of it goes.
static void write_result(struct json_writer *w, const struct detect_request *request,
                         const struct detect_outcome *outcome, int64_t index,
                         const struct model_facts *model, struct arena *arena) {
    const struct json_writer before = *w;
    int64_t size = w->out->size;
    struct fault fault = outcome->fault;
    if (!fault.code && answer_json_write(w, request, outcome, index, model, arena, &fault)) return;
    *w = before;
    w->out->size = size;
    fault_write_json(&fault, request->id, w);
}

static void write_results(struct json_writer *w, const struct detect_request *request,
                          const struct detect_outcome *outcomes, const struct model_facts *model,
                          struct arena *arena) {
    json_write_begin_object(w);
    json_write_key_text(w, "request_id", request->id);
    json_write_key(w, "results");
    json_write_begin_array(w);
    for (int64_t i = 0; i < request->num_pictures; i++)
        write_result(w, request, &outcomes[i], i, model, arena);
    json_write_end_array(w);
    json_write_end_object(w);
    output_text(w->out, "\n");
}

static bool write_answer(struct answer *answer, const struct detect_request *request,
                         const struct detect_outcome *outcomes, const struct model_facts *model,
                         struct arena *arena, struct fault *fault) {
    struct json_writer w;
    answer_begin(answer, "application/json");
    json_writer_init(&w, &answer->body, 0);
    write_results(&w, request, outcomes, model, arena);
    return answer_end(answer, true, fault);
}

const struct dialect DIALECT_BATCH = {"/v1/detect/batch", read_request, write_answer, true};

// The Open Inference Protocol, version 2 (KServe, Triton): the documents that it asks for beside
// detection. Each is one line of JSON.
#pragma once

#include "server/dialect.h"

void inference_protocol_write_server(struct output *out, const char *version); // GET /v2
void inference_protocol_write_live(struct output *out, bool live);   // GET /v2/health/live
void inference_protocol_write_ready(struct output *out, bool ready); // GET /v2/health/ready
// GET /v2/models/{model}, and of a version.
void inference_protocol_write_model(struct output *out, const struct model_facts *model);
// GET /v2/models/{model}/ready, and of a version.
void inference_protocol_write_model_ready(struct output *out, const struct model_facts *model,
                                          bool ready);

// Reads what a service answers (docs/api.md).
#pragma once

#include "tools/annotate_remote.h"

// GET /v1/models: all of model but precision, device and tune.
MUST_CHECK enum status remote_read_models(struct remote_model *model, const struct output *body,
                                          const char *name, struct arena *arena, struct error *err);

// GET /v1/info: precision, device and tune, and the longest time that a request may ask for.
MUST_CHECK enum status remote_read_info(struct remote_model *model, int64_t *max_timeout_ms,
                                        const struct output *body, const char *name,
                                        struct arena *arena, struct error *err);

// POST /v1/detect, not rounded. sha256 is of the model that answered.
MUST_CHECK enum status remote_read_detections(struct detection_list *list,
                                              char sha256[SHA256_HEX_BYTES],
                                              const struct output *body, const char *name,
                                              const struct class_list *classes, int32_t height,
                                              int32_t width, struct arena *arena,
                                              struct error *err);

// An error: its code and its sentence, both in arena; "" if it is none of the service's own.
void remote_read_fault(const char **code, const char **message, const struct output *body,
                       struct arena *arena);

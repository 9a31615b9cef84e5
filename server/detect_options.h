// The options of a request, from the query, a form's fields or a JSON object, all by one table.
//
//     struct options options;
//     if (!detect_options_begin(&options, &request->options, model, limits, arena, fault)) ...
//     detect_options_set_text(&options, "score", "0.5", fault)
//     detect_options_end(&options, request, model, limits, arena, fault)
#pragma once

#include "server/dialect.h"

// Binds options to target and sets all to their defaults, which are the model's where it has a say.
bool detect_options_begin(struct options *options, struct detect_options *target,
                          const struct model_facts *model, const struct request_limits *limits,
                          struct arena *arena, struct fault *fault);

// Sets one from text, as in a query: lists are separated by commas. What was set before is not set
// again: a request that says two things means neither. field is where the fault points.
bool detect_options_set_text(struct options *options, const char *name, const char *text,
                             struct fault *fault);

// Sets all that stand in size bytes of text, a JSON object that json_scan has passed. prefix goes
// before the names in faults: "options.".
bool detect_options_set_json(struct options *options, const char *text, int64_t size,
                             const char *prefix, struct fault *fault);

// Checks what options say together and finds the wanted classes.
bool detect_options_end(const struct options *options, struct detect_request *request,
                        const struct model_facts *model, const struct request_limits *limits,
                        struct arena *arena, struct fault *fault);

// All values as one JSON object.
void detect_options_write(const struct detect_options *options, struct json_writer *w);

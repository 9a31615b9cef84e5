// Label Studio's ML backend: the documents that it asks for beside predictions, one line of JSON
// each. We keep nothing of what it sets up: every request for predictions says it again.
#pragma once

#include "server/dialect.h"

void label_studio_write_health(struct output *out);                                 // GET /health
void label_studio_write_setup(struct output *out, const struct model_facts *model); // POST /setup

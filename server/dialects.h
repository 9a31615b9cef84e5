// The dialects there are; dialect.c lists them. Private to server/.
#pragma once

#include "server/dialect.h"

extern const struct dialect DIALECT_NATIVE;
extern const struct dialect DIALECT_BATCH;
extern const struct dialect DIALECT_INFERENCE_PROTOCOL;
extern const struct dialect DIALECT_INFERENCE_PROTOCOL_VERSION;
extern const struct dialect DIALECT_CVAT;
extern const struct dialect DIALECT_LABEL_STUDIO;

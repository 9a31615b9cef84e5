// How the devices are: serving, stalled (a batch takes far longer than others did), or lost (one
// failed, and could not be opened again; SIGHUP tries once more). With one that serves the service
// goes on; with none a restart helps, and whoever watches /v1/health/live learns so.
#pragma once

#include "server/model.h"

struct service;

enum device_state { DEVICE_LOADING, DEVICE_SERVING, DEVICE_STALLED, DEVICE_LOST };
const char *device_state_name(enum device_state state); // "serving"

// In what follows, model is the one in use; NULL if it is being loaded for the first time.

enum device_state device_state(struct service *service, const struct model *model, int64_t device);

// Bit N: device N serves.
uint64_t devices_serving(struct service *service, const struct model *model);

// Why no device serves: "queue_stalled", "device_lost"; NULL if one does, or there is no model yet.
const char *devices_unready(struct service *service, const struct model *model);

// Why not all of them serve: "device_lost", "device_stalled"; NULL if all do.
const char *devices_degraded(struct service *service, const struct model *model);

// Looks after all of them; to be called every now and then.
void devices_watch(struct service *service);

// "cuda:0,cuda:1", as the command line has it.
enum { DEVICES_TEXT_BYTES = SERVICE_MAX_DEVICES * 16 };
void devices_text(const struct service_settings *settings, char text[DEVICES_TEXT_BYTES]);

#include "tools/doctor_cuda.h"

#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"

enum { VERSION_BYTES = 32 };

void doctor_cuda_look(struct doctor_cuda *cuda) {
    cuda->err = (struct error){0};
    (void)!cuda_look(&cuda->facts, &cuda->err);
}

// CUDA writes 13.1 as 13010.
static const char *version_text(int version, char text[VERSION_BYTES]) {
    snprintf(text, VERSION_BYTES, "%d.%d", version / 1000, version % 1000 / 10);
    return text;
}

// Without the word that the row begins with.
static const char *reason_of(const struct error *err) {
    static const char PREFIX[] = "CUDA: ";
    size_t size = sizeof PREFIX - 1;
    return err->message + (strncmp(err->message, PREFIX, size) == 0 ? size : 0);
}

// ---- For people ----

static void write_device(int number, const struct cuda_device_facts *device, struct output *out) {
    char name[VERSION_BYTES];
    snprintf(name, sizeof name, "cuda:%d", number);
    output_printf(out, "%-14s  %s, compute capability %d.%d, %.1f GiB\n", name, device->name,
                  device->major, device->minor, (double)device->memory_bytes / (1 << 30));
    if (device->refusal.code != STATUS_OK)
        output_printf(out, "%-14s  not usable: %s\n", "", reason_of(&device->refusal));
}

void doctor_cuda_write_text(const struct doctor_cuda *cuda, struct output *out) {
    const struct cuda_facts *facts = &cuda->facts;
    char driver[VERSION_BYTES];
    char toolkit[VERSION_BYTES];
    if (cuda->err.code != STATUS_OK)
        output_printf(out, "%-14s  no: %s\n", "CUDA", reason_of(&cuda->err));
    if (facts->toolkit == 0) return;
    output_printf(out, "%-14s  %s, of CUDA %s\n", "CUDA module", facts->module,
                  version_text(facts->toolkit, toolkit));
    output_printf(out, "%-14s  %s\n", "CUDA driver",
                  facts->driver ? version_text(facts->driver, driver) : "none");
    if (cuda->err.code == STATUS_OK)
        output_printf(out, "%-14s  %s\n", "CUDA products",
                      facts->library[0] ? facts->library
                                        : "kernels of our own: built without cuDNN");
    if (cuda->err.code == STATUS_OK)
        output_printf(out, "%-14s  %s%s\n", "CUDA sums",
                      facts->sums[0] ? "" : "of several by MPI: ",
                      facts->sums[0] ? facts->sums : facts->no_sums.message);
    if (cuda->err.code == STATUS_OK && facts->matrix_library[0])
        output_printf(out, "%-14s  %s\n", "CUDA matrices", facts->matrix_library);
    for (int i = 0; i < facts->num_devices; i++)
        write_device(i, &facts->devices[i], out);
}

// ---- For programs ----

static void write_json_device(const struct cuda_device_facts *device, struct json_writer *w) {
    char capability[VERSION_BYTES];
    snprintf(capability, sizeof capability, "%d.%d", device->major, device->minor);
    json_write_begin_object(w);
    json_write_key_text(w, "name", device->name);
    json_write_key_text(w, "compute_capability", capability);
    json_write_key_int64(w, "memory_bytes", device->memory_bytes);
    json_write_key_bool(w, "usable", device->refusal.code == STATUS_OK);
    if (device->refusal.code != STATUS_OK)
        json_write_key_text(w, "message", device->refusal.message);
    json_write_end_object(w);
}

void doctor_cuda_write_json(const struct doctor_cuda *cuda, struct json_writer *w) {
    const struct cuda_facts *facts = &cuda->facts;
    char version[VERSION_BYTES];
    json_write_key(w, "cuda");
    json_write_begin_object(w);
    json_write_key_bool(w, "usable", cuda->err.code == STATUS_OK);
    if (cuda->err.code != STATUS_OK) json_write_key_text(w, "message", cuda->err.message);
    if (facts->toolkit > 0) {
        json_write_key_text(w, "module", facts->module);
        json_write_key_text(w, "toolkit", version_text(facts->toolkit, version));
        json_write_key_text(w, "driver", version_text(facts->driver, version));
        json_write_key_text(w, "library", facts->library);
        json_write_key_text(w, "sums", facts->sums);
        json_write_key_text(w, "matrix_library", facts->matrix_library);
        json_write_key(w, "devices");
        json_write_begin_array(w);
        for (int i = 0; i < facts->num_devices; i++)
            write_json_device(&facts->devices[i], w);
        json_write_end_array(w);
    }
    json_write_end_object(w);
}

#include "server/inference_protocol.h"

void inference_protocol_write_server(struct output *out, const char *version) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_write_begin_object(&w);
    json_write_key_text(&w, "name", "gctmask");
    json_write_key_text(&w, "version", version);
    json_write_key(&w, "extensions");
    json_write_begin_array(&w);
    json_write_end_array(&w);
    json_write_end_object(&w);
    output_text(out, "\n");
}

void inference_protocol_write_live(struct output *out, bool live) {
    output_printf(out, "{\"live\":%s}\n", live ? "true" : "false");
}

void inference_protocol_write_ready(struct output *out, bool ready) {
    output_printf(out, "{\"ready\":%s}\n", ready ? "true" : "false");
}

void inference_protocol_write_model_ready(struct output *out, const struct model_facts *model,
                                          bool ready) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_write_begin_object(&w);
    json_write_key_text(&w, "name", model->name);
    json_write_key_bool(&w, "ready", ready);
    json_write_end_object(&w);
    output_text(out, "\n");
}

// num_sides extents, -1 where they vary.
static void write_tensor(struct json_writer *w, const char *name, const char *type,
                         const int64_t *shape, int num_sides) {
    json_write_begin_object(w);
    json_write_key_text(w, "name", name);
    json_write_key_text(w, "datatype", type);
    json_write_key(w, "shape");
    json_write_begin_array(w);
    for (int i = 0; i < num_sides; i++)
        json_write_int64(w, shape[i]);
    json_write_end_array(w);
    json_write_end_object(w);
}

void inference_protocol_write_model(struct output *out, const struct model_facts *model) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_write_begin_object(&w);
    json_write_key_text(&w, "name", model->name);
    json_write_key(&w, "versions");
    json_write_begin_array(&w);
    json_write_text(&w, model->version);
    json_write_end_array(&w);
    json_write_key_text(&w, "platform", "gctmask");
    json_write_key(&w, "inputs");
    json_write_begin_array(&w);
    write_tensor(&w, "image", "BYTES", (const int64_t[]){1}, 1);
    json_write_end_array(&w);
    json_write_key(&w, "outputs");
    json_write_begin_array(&w);
    write_tensor(&w, "boxes", "FP32", (const int64_t[]){-1, 4}, 2);
    write_tensor(&w, "scores", "FP32", (const int64_t[]){-1}, 1);
    write_tensor(&w, "labels", "INT64", (const int64_t[]){-1}, 1);
    write_tensor(&w, "masks_rle", "BYTES", (const int64_t[]){-1}, 1);
    write_tensor(&w, "image_size", "INT64", (const int64_t[]){2}, 1);
    json_write_end_array(&w);
    json_write_end_object(&w);
    output_text(out, "\n");
}

#include "data/coco_json.h"

void coco_json_box(struct json_writer *w, const struct coco_box *box) {
    json_write_begin_array(w);
    json_write_double(w, box->x);
    json_write_double(w, box->y);
    json_write_double(w, box->width);
    json_write_double(w, box->height);
    json_write_end_array(w);
}

enum status coco_json_counts(struct json_writer *w, const struct rle *mask, struct error *err) {
    struct output text;
    output_open_memory(&text);
    rle_write_string(mask, &text);
    enum status status = output_finish(&text, err);
    if (status == STATUS_OK) json_write_bytes(w, text.data ? text.data : "", text.size);
    output_discard(&text);
    return status;
}

static void write_list(struct json_writer *w, const struct rle *mask) {
    json_write_begin_array(w);
    for (int64_t i = 0; i < mask->num_runs; i++)
        json_write_int64(w, mask->runs[i]);
    json_write_end_array(w);
}

enum status coco_json_mask(struct json_writer *w, const struct rle *mask, bool as_list,
                           struct error *err) {
    json_write_begin_object(w);
    json_write_key(w, "size");
    json_write_begin_array(w);
    json_write_int64(w, mask->height);
    json_write_int64(w, mask->width);
    json_write_end_array(w);
    json_write_key(w, "counts");
    if (as_list)
        write_list(w, mask);
    else
        TRY(coco_json_counts(w, mask, err));
    json_write_end_object(w);
    return STATUS_OK;
}

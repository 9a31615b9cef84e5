#include "detector/coco_result.h"

#include "data/coco_write.h"

enum status coco_result_of(struct coco_annotation *result, const struct detection *detection,
                           int64_t image_id, int64_t category_id, struct arena *arena,
                           struct error *err) {
    const float *box = detection->box;
    *result = (struct coco_annotation){
        .image_id = image_id,
        .category_id = category_id,
        .box = {(double)box[0], (double)box[1], (double)box[2] - (double)box[0],
                (double)box[3] - (double)box[1]},
        .score = (double)detection->score,
        .has_box = true,
    };
    return coco_segment_from_rle(&result->segment, &detection->mask, SEGMENT_STRING, arena, err);
}

// Boxes are sorted by group, coordinates in planes. A group's survivors move to the front of its
// piece, so that each of its boxes is compared with a dense list of them, many at a time.

#include "nn/nms/nms.h"

#include <math.h>
#include <string.h>

#include "nn/box_math.h"
#include "nn/device.h"
#include "nn/radix_sort.h"
#include "nn/vectorised.h"

enum {
    PLANES = 5,
    CHUNK = 128, // boxes that are compared before asking whether one was hit
};

struct planes {
    float *x1, *y1, *x2, *y2, *area;
};

// The floats that one nms needs, cut up.
struct workspace {
    struct planes planes;
    uint64_t *order; // [count]: group and index
    uint64_t *spare; // [count]
    int32_t *starts; // [count + 1]: where groups begin in order
    int64_t num_groups;
    uint8_t *survives; // [count], by index
};

static struct planes planes_from(struct planes planes, int64_t i) {
    return (struct planes){planes.x1 + i, planes.y1 + i, planes.x2 + i, planes.y2 + i,
                           planes.area + i};
}

static inline struct box box_at(const struct planes *planes, int64_t i) {
    return (struct box){planes->x1[i], planes->y1[i], planes->x2[i], planes->y2[i]};
}

static void put_box(const struct planes *planes, int64_t i, struct box box) {
    planes->x1[i] = box.x1;
    planes->y1[i] = box.y1;
    planes->x2[i] = box.x2;
    planes->y2[i] = box.y2;
    planes->area[i] = box_area(box);
}

// Whether any of count boxes overlaps box by more than the threshold.
VECTORISED static bool overlaps_any(const struct planes *planes, int64_t count, struct box box,
                                    float threshold) {
    const float *x1 = planes->x1;
    const float *y1 = planes->y1;
    const float *x2 = planes->x2;
    const float *y2 = planes->y2;
    const float *areas = planes->area;
    float area = box_area(box);
    for (int64_t begin = 0; begin < count; begin += CHUNK) {
        int64_t end = begin + CHUNK < count ? begin + CHUNK : count;
        int32_t hits = 0;
        for (int64_t i = begin; i < end; i++) {
            struct box other = {x1[i], y1[i], x2[i], y2[i]};
            hits |= box_overlap(other, areas[i], box, area) > threshold;
        }
        if (hits) return true;
    }
    return false;
}

static void load_boxes(const struct nms_call *call, struct workspace *w) {
    for (int64_t i = 0; i < call->count; i++) {
        uint32_t group = call->groups ? (uint32_t)call->groups[i] : 0;
        w->order[i] = (uint64_t)group << 32 | (uint64_t)i;
    }
    radix_sort(w->order, w->spare, call->count);
    w->num_groups = 0;
    for (int64_t i = 0; i < call->count; i++) {
        if (i == 0 || w->order[i] >> 32 != w->order[i - 1] >> 32)
            w->starts[w->num_groups++] = (int32_t)i;
        const float *from = call->boxes + 4 * (w->order[i] & UINT32_MAX);
        struct box box = {from[0], from[1], from[2], from[3]};
        bool finite = isfinite(box.x1) && isfinite(box.y1) && isfinite(box.x2) && isfinite(box.y2);
        put_box(&w->planes, i, finite ? box : (struct box){0});
    }
    w->starts[w->num_groups] = (int32_t)call->count;
}

static void suppress_group(const struct nms_call *call, const struct workspace *w, int64_t begin,
                           int64_t end) {
    struct planes group = planes_from(w->planes, begin);
    int64_t num_kept = 0;
    for (int64_t i = 0; i < end - begin && num_kept < call->max_keep; i++) {
        struct box box = box_at(&group, i);
        if (overlaps_any(&group, num_kept, box, call->threshold)) continue;
        put_box(&group, num_kept++, box);
        w->survives[w->order[begin + i] & UINT32_MAX] = 1;
    }
}

void cpu_nms_forward(struct nn *nn, struct call *base) {
    struct nms_call *call = (struct nms_call *)base;
    int64_t count = call->count;
    float *planes = nn_scratch(nn, PLANES * count);
    float *orders = nn_scratch(nn, 4 * count);
    float *marks = nn_scratch(nn, 2 * count + 1);
    if (nn_failed(nn)) return;
    struct workspace w = {
        .planes = {planes, planes + count, planes + 2 * count, planes + 3 * count,
                   planes + 4 * count},
        .order = (uint64_t *)(void *)orders,
        .spare = (uint64_t *)(void *)orders + count,
        .starts = (int32_t *)(void *)marks,
        .survives = (uint8_t *)(marks + count + 1),
    };
    memset(w.survives, 0, (size_t)count);
    load_boxes(call, &w);
    // Groups differ in size, so a thread takes the next one when it is free.
#pragma omp parallel for schedule(dynamic) if (w.num_groups > 1)
    for (int64_t g = 0; g < w.num_groups; g++)
        suppress_group(call, &w, w.starts[g], w.starts[g + 1]);
    int64_t num_kept = 0;
    for (int64_t i = 0; i < count && num_kept < call->max_keep; i++)
        if (w.survives[i]) call->kept->items[num_kept++] = (int32_t)i;
    call->kept->count = num_kept;
    nn_scratch_free(nn, marks);
    nn_scratch_free(nn, orders);
    nn_scratch_free(nn, planes);
}

#include "tools/annotate_tiles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "data/rle_crop.h"

static const double SAME_OBJECT_IOU = 0.5;

struct tile {
    int32_t x, y, width, height;
};

// A detection in the picture's frame, and the tile that it comes from.
struct finding {
    struct detection detection;
    const struct tile *tile;
    int64_t object; // the first finding of the same object, by way of others
};

struct findings {
    struct finding *items; // from the heap
    int64_t count;
    int64_t capacity;
};

// ---- Tiles ----

// Where the tiles begin along a side: the last one ends with the picture.
static int64_t count_tiles(int32_t length, int64_t side, int64_t step) {
    return length <= side ? 1 : (length - side + step - 1) / step + 1;
}

static int32_t tile_begin(int64_t i, int32_t length, int64_t side, int64_t step) {
    int64_t begin = i * step;
    if (begin + side > length) begin = length - side;
    return begin > 0 ? (int32_t)begin : 0;
}

static enum status make_tiles(struct tile **tiles, int64_t *count, const struct image *image,
                              const struct tiling *tiling, struct arena *arena, struct error *err) {
    int64_t side = tiling->side;
    int64_t step = (int64_t)ceil((double)side * (1 - tiling->overlap));
    int64_t columns = count_tiles(image->width, side, step);
    int64_t rows = count_tiles(image->height, side, step);
    *count = columns * rows;
    *tiles = arena_alloc(arena, *count, sizeof **tiles);
    if (!*tiles) return error_memory(err, "tiles", *count * 16);
    for (int64_t i = 0; i < *count; i++) {
        struct tile *t = &(*tiles)[i];
        t->x = tile_begin(i % columns, image->width, side, step);
        t->y = tile_begin(i / columns, image->height, side, step);
        t->width = image->width < side ? image->width : (int32_t)side;
        t->height = image->height < side ? image->height : (int32_t)side;
    }
    return STATUS_OK;
}

static enum status cut(struct image *part, const struct image *image, const struct tile *tile,
                       struct arena *arena, struct error *err) {
    *part = (struct image){tile->width, tile->height, NULL};
    part->pixels = arena_alloc(arena, (int64_t)tile->width * tile->height, 3);
    if (!part->pixels) return error_memory(err, "a tile", (int64_t)tile->width * tile->height * 3);
    for (int64_t y = 0; y < tile->height; y++)
        memcpy(part->pixels + 3 * y * tile->width,
               image->pixels + 3 * ((tile->y + y) * image->width + tile->x),
               3 * (size_t)tile->width);
    return STATUS_OK;
}

// What a tile's detector found, moved to where it is in the picture.
static enum status keep_findings(struct findings *findings, const struct detection_list *list,
                                 const struct tile *tile, const struct image *image,
                                 struct arena *arena, struct error *err) {
    TRY(array_reserve(&findings->items, &findings->capacity, findings->count + list->count,
                      sizeof *findings->items, err));
    for (int64_t i = 0; i < list->count; i++) {
        struct finding *f = &findings->items[findings->count];
        *f = (struct finding){list->items[i], tile, findings->count};
        for (int k = 0; k < 4; k++)
            f->detection.box[k] += (float)(k % 2 == 0 ? tile->x : tile->y);
        TRY(rle_place(&f->detection.mask, &list->items[i].mask, tile->x, tile->y, image->height,
                      image->width, arena, err));
        findings->count++;
    }
    return STATUS_OK;
}

// ---- Objects ----

// The window that two tiles share; false if there is none.
static bool shared_window(struct tile *window, const struct tile *a, const struct tile *b) {
    int32_t left = a->x > b->x ? a->x : b->x;
    int32_t top = a->y > b->y ? a->y : b->y;
    int32_t right = a->x + a->width < b->x + b->width ? a->x + a->width : b->x + b->width;
    int32_t bottom = a->y + a->height < b->y + b->height ? a->y + a->height : b->y + b->height;
    *window = (struct tile){left, top, right - left, bottom - top};
    return window->width > 0 && window->height > 0;
}

static bool boxes_meet(const float *a, const float *b) {
    return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

static enum status is_same_object(bool *same, const struct finding *a, const struct finding *b,
                                  struct arena *arena, struct error *err) {
    struct tile w;
    struct rle part_a;
    struct rle part_b;
    *same = false;
    bool may_be = a->detection.label == b->detection.label && a->tile != b->tile &&
                  boxes_meet(a->detection.box, b->detection.box) &&
                  shared_window(&w, a->tile, b->tile);
    if (!may_be) return STATUS_OK;
    struct arena_mark mark = arena_mark(arena);
    TRY(rle_crop(&part_a, &a->detection.mask, w.x, w.y, w.width, w.height, arena, err));
    TRY(rle_crop(&part_b, &b->detection.mask, w.x, w.y, w.width, w.height, arena, err));
    *same = rle_iou(&part_a, &part_b, false) >= SAME_OBJECT_IOU;
    arena_release(arena, mark);
    return STATUS_OK;
}

static int64_t first_of(const struct findings *findings, int64_t i) {
    while (findings->items[i].object != i)
        i = findings->items[i].object;
    return i;
}

static enum status group(struct findings *findings, struct arena *arena, struct error *err) {
    for (int64_t i = 1; i < findings->count; i++)
        for (int64_t k = 0; k < i; k++) {
            bool same = false;
            TRY(is_same_object(&same, &findings->items[i], &findings->items[k], arena, err));
            int64_t a = first_of(findings, i);
            int64_t b = first_of(findings, k);
            if (same && a != b) findings->items[a > b ? a : b].object = a > b ? b : a;
        }
    return STATUS_OK;
}

// The object whose first finding is i.
static enum status merge(struct detection *merged, const struct findings *findings, int64_t i,
                         struct rle *masks, struct arena *arena, struct error *err) {
    int64_t count = 0;
    *merged = findings->items[i].detection;
    for (int64_t k = i; k < findings->count; k++) {
        const struct detection *d = &findings->items[k].detection;
        if (first_of(findings, k) != i) continue;
        masks[count++] = d->mask;
        merged->box[0] = fminf(merged->box[0], d->box[0]);
        merged->box[1] = fminf(merged->box[1], d->box[1]);
        merged->box[2] = fmaxf(merged->box[2], d->box[2]);
        merged->box[3] = fmaxf(merged->box[3], d->box[3]);
        merged->score = fmaxf(merged->score, d->score);
    }
    return count == 1 ? STATUS_OK : rle_merge(&merged->mask, masks, count, false, arena, err);
}

static int compare_scores(const void *a, const void *b) {
    const struct detection *x = a;
    const struct detection *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    for (int i = 0; i < 4; i++)
        if (x->box[i] != y->box[i]) return x->box[i] < y->box[i] ? -1 : 1;
    return 0;
}

static enum status merge_all(struct detection_list *list, const struct findings *findings,
                             struct arena *arena, struct error *err) {
    *list =
        (struct detection_list){.items = arena_alloc(arena, findings->count, sizeof *list->items)};
    struct rle *masks = arena_alloc(arena, findings->count, sizeof *masks);
    if (!list->items || !masks) return error_memory(err, "detections", findings->count * 96);
    for (int64_t i = 0; i < findings->count; i++)
        if (first_of(findings, i) == i)
            TRY(merge(&list->items[list->count++], findings, i, masks, arena, err));
    if (list->count > 0)
        qsort(list->items, (size_t)list->count, sizeof *list->items, compare_scores);
    return STATUS_OK;
}

static enum status detect_all(struct detector *detector, const struct image *image,
                              const struct detection_limits *limits, const struct tiling *tiling,
                              struct arena *arena, struct findings *findings, struct error *err) {
    struct tile *tiles = NULL;
    int64_t count = 0;
    struct detect_seconds sum = {0};
    TRY(make_tiles(&tiles, &count, image, tiling, arena, err));
    for (int64_t i = 0; i < count; i++) {
        struct image part;
        struct detection_list list;
        TRY(cut(&part, image, &tiles[i], arena, err));
        TRY(detector_detect(detector, &part, 1, limits, arena, &list, err));
        TRY(keep_findings(findings, &list, &tiles[i], image, arena, err));
        sum.preprocess += detector->seconds.preprocess;
        sum.infer += detector->seconds.infer;
        sum.postprocess += detector->seconds.postprocess;
    }
    detector->seconds = sum;
    return STATUS_OK;
}

enum status detect_tiled(struct detector *detector, const struct image *image,
                         const struct detection_limits *limits, const struct tiling *tiling,
                         struct arena *arena, struct detection_list *list, struct error *err) {
    struct findings findings = {0};
    if (tiling->side == 0 || (image->width <= tiling->side && image->height <= tiling->side))
        return detector_detect(detector, image, 1, limits, arena, list, err);
    enum status status = detect_all(detector, image, limits, tiling, arena, &findings, err);
    if (status == STATUS_OK) status = group(&findings, arena, err);
    if (status == STATUS_OK) status = merge_all(list, &findings, arena, err);
    array_free(&findings.items);
    return status;
}

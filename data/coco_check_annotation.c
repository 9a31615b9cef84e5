// Annotations: fields, boxes, segmentations, and whether the three agree with one another.
#include <math.h>

#include "data/coco_check_internal.h"

// What the checks of one annotation share.
struct subject {
    struct problem_list *problems;
    struct problem_place place;
    const struct coco_annotation *annotation;
    const struct coco_image *image; // NULL: unknown
    struct arena *scratch;
};

// Points and boxes may stand out by this many pixels: rounding, and labels drawn to the edge.
static const double border_slack = 1;

static bool has_size(const struct coco_image *image) {
    return image && image->width > 0 && image->height > 0;
}

// ---- Fields ----

static void check_references(const struct subject *s, const struct coco_set *set) {
    const struct coco_annotation *a = s->annotation;
    if (a->defects & DEFECT_IMAGE_ID)
        problem_add(s->problems, PROBLEM_UNKNOWN_IMAGE, s->place, "%s",
                    coco_defect_text(DEFECT_IMAGE_ID));
    else if (!s->image)
        problem_add(s->problems, PROBLEM_UNKNOWN_IMAGE, s->place, "no image has the id %lld",
                    (long long)a->image_id);
    if (a->defects & DEFECT_CATEGORY_ID)
        problem_add(s->problems, PROBLEM_UNKNOWN_CATEGORY, s->place, "%s",
                    coco_defect_text(DEFECT_CATEGORY_ID));
    else if (!coco_find_category(set, a->category_id))
        problem_add(s->problems, PROBLEM_UNKNOWN_CATEGORY, s->place, "no category has the id %lld",
                    (long long)a->category_id);
}

static void check_fields(const struct subject *s) {
    const struct coco_annotation *a = s->annotation;
    if (a->defects & DEFECT_ID)
        problem_add(s->problems, PROBLEM_ANNOTATION_ID_MISSING, s->place, "%s",
                    coco_defect_text(DEFECT_ID));
    else if (a->id == 0) // parity: pycocotools takes a match with id 0 for no match
        problem_add(s->problems, PROBLEM_ZERO_ANNOTATION_ID, s->place,
                    "the id is 0: COCO's evaluation counts detections of this object as false");
    if (a->id > INT32_MAX || a->id < INT32_MIN)
        problem_add(s->problems, PROBLEM_LARGE_ID, s->place, "the id does not fit 32 bits");
    if (a->defects & DEFECT_CROWD)
        problem_add(s->problems, PROBLEM_CROWD_MALFORMED, s->place, "%s",
                    coco_defect_text(DEFECT_CROWD));
    if (a->is_crowd && a->segment.kind == SEGMENT_POLYGONS)
        problem_add(s->problems, PROBLEM_CROWD_WITH_POLYGONS, s->place,
                    "a crowd of polygons, expected an RLE");
    if (a->defects & DEFECT_AREA)
        problem_add(s->problems, PROBLEM_AREA_MALFORMED, s->place, "%s",
                    coco_defect_text(DEFECT_AREA));
    else if (!a->has_area)
        problem_add(s->problems, PROBLEM_AREA_MISSING, s->place,
                    "area is missing: evaluation by size needs it");
}

// ---- Boxes ----

static bool is_beyond(double low, double high, double side, double slack) {
    return low < -slack || high > side + slack;
}

static void check_box_place(const struct subject *s, const struct coco_box *box) {
    if (!has_size(s->image)) return;
    double width = s->image->width;
    double height = s->image->height;
    double right = box->x + box->width;
    double bottom = box->y + box->height;
    bool outside = box->x >= width || box->y >= height || right <= 0 || bottom <= 0;
    bool over = is_beyond(box->x, right, width, border_slack) ||
                is_beyond(box->y, bottom, height, border_slack);
    if (!outside && !over) return;
    problem_add(s->problems, outside ? PROBLEM_BOX_OUTSIDE_IMAGE : PROBLEM_BOX_OVER_BORDER,
                s->place, "bbox [%g, %g, %g, %g] lies %s the image of %g x %g", box->x, box->y,
                box->width, box->height, outside ? "outside" : "partly outside", width, height);
}

static void check_box(const struct subject *s) {
    const struct coco_box *box = &s->annotation->box;
    if (s->annotation->defects & DEFECT_BOX) {
        problem_add(s->problems, PROBLEM_BOX_MALFORMED, s->place, "%s",
                    coco_defect_text(DEFECT_BOX));
        return;
    }
    if (!s->annotation->has_box) {
        problem_add(s->problems, PROBLEM_BOX_MISSING, s->place, "bbox is missing");
        return;
    }
    if (box->width < 0 || box->height < 0)
        problem_add(s->problems, PROBLEM_BOX_NEGATIVE, s->place,
                    "bbox [%g, %g, %g, %g] has a negative side", box->x, box->y, box->width,
                    box->height);
    else if (box->width == 0 || box->height == 0)
        problem_add(s->problems, PROBLEM_BOX_WITHOUT_AREA, s->place,
                    "bbox [%g, %g, %g, %g] has no area", box->x, box->y, box->width, box->height);
    check_box_place(s, box);
}

static double largest_edge_difference(const struct coco_box *a, const struct coco_box *b) {
    double left = fabs(a->x - b->x);
    double top = fabs(a->y - b->y);
    double right = fabs(a->x + a->width - b->x - b->width);
    double bottom = fabs(a->y + a->height - b->y - b->height);
    return fmax(fmax(left, top), fmax(right, bottom));
}

// A box that fits its mask only if it is read as two corners is a mistake of whoever wrote the
// file, and the one that trains without complaint.
static void compare_box(const struct subject *s, const struct coco_box *of_mask) {
    const double loose = 0.5;
    const double tight = 0.9;
    const double slack = 4; // pixels; small objects differ by as much
    const struct coco_box *box = &s->annotation->box;
    if (!s->annotation->has_box || box->width < 0 || box->height < 0) return;
    if (box_iou(box, of_mask, false) >= loose) return;
    if (largest_edge_difference(box, of_mask) <= slack) return;
    struct coco_box as_corners = {box->x, box->y, box->width - box->x, box->height - box->y};
    bool corners = as_corners.width > 0 && as_corners.height > 0 &&
                   box_iou(&as_corners, of_mask, false) >= tight;
    problem_add(s->problems, corners ? PROBLEM_BOX_HOLDS_CORNERS : PROBLEM_BOX_DIFFERS, s->place,
                "bbox [%g, %g, %g, %g] is far from the mask's [%g, %g, %g, %g]%s", box->x, box->y,
                box->width, box->height, of_mask->x, of_mask->y, of_mask->width, of_mask->height,
                corners ? "; it seems to hold two corners" : "");
}

// ---- Segmentations ----

enum where { INSIDE, OVER_BORDER, OUTSIDE };

static enum where locate_polygon(const struct polygon *polygon, const struct coco_image *image) {
    double left = HUGE_VAL;
    double right = -HUGE_VAL;
    double top = HUGE_VAL;
    double bottom = -HUGE_VAL;
    for (int64_t i = 0; i < polygon->num_points; i++) {
        left = fmin(left, polygon->points[2 * i]);
        right = fmax(right, polygon->points[2 * i]);
        top = fmin(top, polygon->points[2 * i + 1]);
        bottom = fmax(bottom, polygon->points[2 * i + 1]);
    }
    if (right <= 0 || bottom <= 0 || left >= image->width || top >= image->height) return OUTSIDE;
    const double limit = POLYGON_MAX_COORDINATE;
    if (left < -limit || top < -limit || right > limit || bottom > limit) return OUTSIDE;
    return is_beyond(left, right, image->width, border_slack) ||
                   is_beyond(top, bottom, image->height, border_slack)
               ? OVER_BORDER
               : INSIDE;
}

// Each returns whether a mask can be made.

static bool check_polygons(const struct subject *s) {
    const struct coco_segment *segment = &s->annotation->segment;
    if (segment->count == 0) {
        problem_add(s->problems, PROBLEM_SEGMENT_MISSING, s->place, "segmentation is empty");
        return false;
    }
    bool good = true;
    for (int64_t i = 0; i < segment->count; i++) {
        const struct polygon *polygon = &segment->polygons[i];
        if (polygon->num_points < 3) {
            problem_add(s->problems, PROBLEM_POLYGON_TOO_SHORT, s->place,
                        "polygon %lld has %lld numbers, expected at least 6", (long long)i,
                        (long long)polygon->num_points * 2);
            return false;
        }
        if (!has_size(s->image)) continue;
        enum where where = locate_polygon(polygon, s->image);
        if (where == INSIDE) continue;
        problem_add(s->problems,
                    where == OUTSIDE ? PROBLEM_POLYGON_OUTSIDE_IMAGE : PROBLEM_POLYGON_OVER_BORDER,
                    s->place, "polygon %lld lies %s the image of %d x %d", (long long)i,
                    where == OUTSIDE ? "outside" : "partly outside", s->image->width,
                    s->image->height);
        if (where == OUTSIDE) good = false;
    }
    return good && has_size(s->image);
}

// A mask string whose characters are all legal and whose last number is complete can only have the
// wrong sum.
static bool is_complete(const struct coco_segment *segment) {
    enum { FIRST = 48, LAST = 111, MORE = 32 };
    if (segment->kind == SEGMENT_COUNTS) return true;
    for (int64_t i = 0; i < segment->count; i++)
        if (segment->string[i] < FIRST || segment->string[i] > LAST) return false;
    return segment->count == 0 || ((segment->string[segment->count - 1] - FIRST) & MORE) == 0;
}

static bool check_rle(const struct subject *s) {
    const struct coco_segment *segment = &s->annotation->segment;
    struct error err;
    struct rle rle;
    if (rle_check_size(segment->height, segment->width, &err) != STATUS_OK) {
        problem_add(s->problems, PROBLEM_RLE_MALFORMED, s->place, "%s", err.message);
        return false;
    }
    bool same_size = !has_size(s->image) ||
                     (segment->height == s->image->height && segment->width == s->image->width);
    if (!same_size)
        problem_add(s->problems, PROBLEM_RLE_SIZE_DIFFERS, s->place,
                    "the mask is %d x %d, the image %d x %d", segment->width, segment->height,
                    s->image->width, s->image->height);
    enum status status = coco_segment_to_rle(&rle, segment, 0, 0, s->scratch, &err);
    if (status == STATUS_MEMORY)
        problem_list_fail(s->problems, &err);
    else if (status != STATUS_OK)
        problem_add(s->problems,
                    is_complete(segment) ? PROBLEM_RLE_SUM_DIFFERS : PROBLEM_RLE_MALFORMED,
                    s->place, "%s", err.message);
    return status == STATUS_OK && same_size;
}

static bool check_segment(const struct subject *s) {
    unsigned defects = s->annotation->defects;
    if (defects & DEFECT_SEGMENT) {
        enum coco_defect detail = defects & DEFECT_ODD_POLYGON ? DEFECT_ODD_POLYGON
                                  : defects & DEFECT_RLE       ? DEFECT_RLE
                                                               : DEFECT_SEGMENT;
        problem_add(s->problems,
                    detail == DEFECT_ODD_POLYGON ? PROBLEM_POLYGON_ODD_NUMBERS
                    : detail == DEFECT_RLE       ? PROBLEM_RLE_MALFORMED
                                                 : PROBLEM_SEGMENT_MALFORMED,
                    s->place, "%s", coco_defect_text(detail));
        return false;
    }
    switch (s->annotation->segment.kind) {
    case SEGMENT_POLYGONS:
        return check_polygons(s);
    case SEGMENT_STRING:
    case SEGMENT_COUNTS:
        return check_rle(s);
    case SEGMENT_NONE:
        break;
    }
    problem_add(s->problems, PROBLEM_SEGMENT_MISSING, s->place, "segmentation is missing");
    return false;
}

static void compare_area(const struct subject *s, double of_mask) {
    const double factor = 2;
    const double slack = 32; // pixels; polygons are drawn and measured by different rules
    double area = s->annotation->area;
    if (!s->annotation->has_area) return;
    if (area > 0 && area < factor * of_mask + slack && of_mask < factor * area + slack) return;
    problem_add(s->problems, PROBLEM_AREA_DIFFERS, s->place, "area is %g, the mask has %g pixels",
                area, of_mask);
}

// ---- All together ----

double check_annotation(struct problem_list *problems, const struct coco_set *set, int64_t index,
                        struct arena *scratch) {
    const struct coco_annotation *a = &set->annotations[index];
    struct subject s = {
        .problems = problems,
        .place = {COCO_ANNOTATIONS, index, a->id},
        .annotation = a,
        .image = a->defects & DEFECT_IMAGE_ID ? NULL : coco_find_image(set, a->image_id),
        .scratch = scratch,
    };
    check_fields(&s);
    check_references(&s, set);
    check_box(&s);
    double area = a->area;
    struct arena_mark mark = arena_mark(scratch);
    if (check_segment(&s)) {
        struct rle rle;
        struct error err;
        enum status status = coco_segment_to_rle(&rle, &a->segment, s.image ? s.image->height : 0,
                                                 s.image ? s.image->width : 0, scratch, &err);
        if (status == STATUS_MEMORY) {
            problem_list_fail(problems, &err);
        } else if (status != STATUS_OK) {
            problem_add(problems, PROBLEM_SEGMENT_MALFORMED, s.place, "%s", err.message);
        } else if (rle_area(&rle) == 0) {
            problem_add(problems, PROBLEM_MASK_EMPTY, s.place, "the mask has no pixel");
        } else {
            struct coco_box of_mask = rle_box(&rle);
            compare_box(&s, &of_mask);
            compare_area(&s, (double)rle_area(&rle));
            if (!a->has_area) area = (double)rle_area(&rle);
        }
    }
    arena_release(scratch, mark);
    return area;
}

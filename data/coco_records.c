// Single records of COCO's files. A key of the wrong type is skipped and leaves a defect bit, so
// that check-data can report every fault of a file in one go.
#include <string.h>

#include "base/array.h"
#include "data/coco_internal.h"

// ---- Values that may be of the wrong type ----

// *value and true for an integer; else skips what is there.
static bool take_integer(struct json_reader *json, int64_t *value) {
    if (json_peek(json) != JSON_NUMBER) {
        json_skip(json);
        return false;
    }
    double number = json_double(json);
    const double limit = 0x1p53;
    if (number <= -limit || number >= limit || number != (double)(int64_t)number) return false;
    *value = (int64_t)number;
    return true;
}

static bool take_number(struct json_reader *json, double *value) {
    if (json_peek(json) != JSON_NUMBER) {
        json_skip(json);
        return false;
    }
    *value = json_double(json);
    return true;
}

// A text without NUL, copied to arena; else skips.
static const char *take_text(struct coco_part *part) {
    if (json_peek(&part->json) == JSON_STRING) return json_text(&part->json, &part->arena);
    json_skip(&part->json);
    return NULL;
}

static void set_defect(uint16_t *defects, enum coco_defect defect, bool is_defect) {
    *defects = (uint16_t)(is_defect ? *defects | (unsigned)defect : *defects & ~(unsigned)defect);
}

// Copies count items from scratch to the part's arena; NULL on an error, which is set.
static void *keep(struct coco_part *part, const void *items, int64_t count, size_t item_bytes) {
    void *kept = arena_alloc(&part->arena, count, item_bytes);
    if (!kept) {
        if (part->json.status == STATUS_OK)
            part->json.status =
                error_memory(&part->err, "annotations", count * (int64_t)item_bytes);
        return NULL;
    }
    if (count) memcpy(kept, items, (size_t)count * item_bytes);
    return kept;
}

// ---- Lists of numbers ----

// Reads an array of numbers into part->numbers. False (all skipped) if it holds anything else.
static bool read_numbers(struct coco_part *part) {
    struct json_reader *json = &part->json;
    part->num_numbers = 0;
    if (json_peek(json) != JSON_ARRAY) {
        json_skip(json);
        return false;
    }
    bool all_numbers = true;
    json_begin_array(json);
    while (json_next_element(json)) {
        if (part->num_numbers == part->number_capacity) {
            enum status status = array_reserve(&part->numbers, &part->number_capacity,
                                               part->num_numbers + 1, sizeof(double), &part->err);
            if (status != STATUS_OK) {
                json->status = status;
                return false;
            }
        }
        all_numbers &= take_number(json, &part->numbers[part->num_numbers]);
        part->num_numbers++;
    }
    return all_numbers;
}

static void read_box(struct coco_part *part, struct coco_annotation *record) {
    enum { BOX_NUMBERS = 4 };
    struct json_reader *json = &part->json;
    // A box that is null or [] counts as none: tools write both.
    if (json_peek(json) == JSON_NULL) {
        json_null(json);
        return;
    }
    bool is_list = read_numbers(part);
    if (is_list && part->num_numbers == 0) return;
    bool is_box = is_list && part->num_numbers == BOX_NUMBERS;
    set_defect(&record->defects, DEFECT_BOX, !is_box);
    if (!is_box) return;
    const double *n = part->numbers;
    record->box = (struct coco_box){n[0], n[1], n[2], n[3]};
    record->has_box = true;
}

// ---- Segmentations ----

static bool read_polygons(struct coco_part *part, struct coco_segment *segment, uint16_t *defects) {
    struct json_reader *json = &part->json;
    bool good = true;
    int64_t count = 0;
    json_begin_array(json);
    while (json_next_element(json)) {
        bool is_list = read_numbers(part);
        bool is_odd = is_list && part->num_numbers % 2 != 0;
        if (is_odd) set_defect(defects, DEFECT_ODD_POLYGON, true);
        good &= is_list && !is_odd;
        enum status status = array_reserve(&part->polygons, &part->polygon_capacity, count + 1,
                                           sizeof(struct polygon), &part->err);
        if (status != STATUS_OK) {
            json->status = status;
            return false;
        }
        part->polygons[count++] = (struct polygon){
            keep(part, part->numbers, part->num_numbers, sizeof(double)), part->num_numbers / 2};
    }
    segment->kind = SEGMENT_POLYGONS;
    segment->count = count;
    segment->polygons = keep(part, part->polygons, count, sizeof(struct polygon));
    return good;
}

static bool read_counts(struct coco_part *part, struct coco_segment *segment) {
    if (!read_numbers(part)) return false;
    int64_t *counts = arena_alloc(&part->arena, part->num_numbers, sizeof *counts);
    if (!counts) {
        part->json.status = error_memory(&part->err, "run lengths", part->num_numbers * 8);
        return false;
    }
    for (int64_t i = 0; i < part->num_numbers; i++) {
        double count = part->numbers[i];
        if (!(count >= 0 && count <= UINT32_MAX && count == (double)(int64_t)count)) return false;
        counts[i] = (int64_t)count;
    }
    segment->kind = SEGMENT_COUNTS;
    segment->count = part->num_numbers;
    segment->counts = counts;
    return true;
}

static bool read_counts_string(struct coco_part *part, struct coco_segment *segment) {
    struct json_string string = json_string(&part->json);
    char *text = arena_alloc(&part->arena, string.size, 1);
    if (!text) {
        if (part->json.status == STATUS_OK)
            part->json.status = error_memory(&part->err, "a mask", string.size);
        return false;
    }
    segment->kind = SEGMENT_STRING;
    segment->count = json_string_unescape(&string, text);
    segment->string = text;
    return true;
}

static bool read_size(struct coco_part *part, struct coco_segment *segment) {
    if (!read_numbers(part) || part->num_numbers != 2) return false;
    for (int i = 0; i < 2; i++) {
        double side = part->numbers[i];
        if (!(side >= 0 && side <= RLE_MAX_SIDE && side == (double)(int32_t)side)) return false;
    }
    segment->height = (int32_t)part->numbers[0];
    segment->width = (int32_t)part->numbers[1];
    return true;
}

static bool read_rle(struct coco_part *part, struct coco_segment *segment) {
    struct json_reader *json = &part->json;
    bool has_size = false;
    bool has_counts = false;
    struct json_string key;
    json_begin_object(json);
    while (json_next_key(json, &key)) {
        if (json_string_is(&key, "size"))
            has_size = read_size(part, segment);
        else if (!json_string_is(&key, "counts"))
            json_skip(json);
        else if (json_peek(json) == JSON_STRING)
            has_counts = read_counts_string(part, segment);
        else
            has_counts = read_counts(part, segment);
    }
    return has_size && has_counts;
}

static void read_segment(struct coco_part *part, struct coco_annotation *record) {
    struct coco_segment segment = {0};
    bool good = false;
    if (part->skip_segments) {
        json_skip(&part->json);
        return;
    }
    set_defect(&record->defects, DEFECT_ODD_POLYGON | DEFECT_RLE, false);
    switch (json_peek(&part->json)) {
    case JSON_ARRAY:
        good = read_polygons(part, &segment, &record->defects);
        break;
    case JSON_OBJECT:
        good = read_rle(part, &segment);
        set_defect(&record->defects, DEFECT_RLE, !good);
        break;
    case JSON_NULL:
        json_null(&part->json);
        return;
    case JSON_NOTHING:
    case JSON_BOOL:
    case JSON_NUMBER:
    case JSON_STRING:
        json_skip(&part->json);
        break;
    }
    set_defect(&record->defects, DEFECT_SEGMENT, !good);
    record->segment = good ? segment : (struct coco_segment){0};
}

// ---- Records ----

static void read_crowd(struct coco_part *part, struct coco_annotation *record) {
    int64_t value = -1;
    if (json_peek(&part->json) == JSON_BOOL)
        value = json_bool(&part->json);
    else if (!take_integer(&part->json, &value))
        value = -1;
    set_defect(&record->defects, DEFECT_CROWD, value != 0 && value != 1);
    record->is_crowd = value == 1;
}

void coco_read_annotation(struct coco_part *part, struct coco_annotation *record) {
    struct json_reader *json = &part->json;
    *record = (struct coco_annotation){.defects = DEFECT_ID | DEFECT_IMAGE_ID | DEFECT_CATEGORY_ID |
                                                  DEFECT_SCORE};
    uint16_t *defects = &record->defects;
    struct json_string key;
    json_begin_object(json);
    while (json_next_key(json, &key)) {
        if (json_string_is(&key, "image_id"))
            set_defect(defects, DEFECT_IMAGE_ID, !take_integer(json, &record->image_id));
        else if (json_string_is(&key, "category_id"))
            set_defect(defects, DEFECT_CATEGORY_ID, !take_integer(json, &record->category_id));
        else if (json_string_is(&key, "bbox"))
            read_box(part, record);
        else if (json_string_is(&key, "score"))
            set_defect(defects, DEFECT_SCORE, !take_number(json, &record->score));
        else if (json_string_is(&key, "segmentation"))
            read_segment(part, record);
        else if (json_string_is(&key, "id"))
            set_defect(defects, DEFECT_ID, !take_integer(json, &record->id));
        else if (json_string_is(&key, "area")) {
            record->has_area = take_number(json, &record->area);
            set_defect(defects, DEFECT_AREA, !record->has_area);
        } else if (json_string_is(&key, "iscrowd"))
            read_crowd(part, record);
        else
            json_skip(json);
    }
}

static void read_side(struct json_reader *json, int32_t *side, uint16_t *defects) {
    int64_t value = 0;
    if (take_integer(json, &value) && value > 0 && value <= RLE_MAX_SIDE)
        *side = (int32_t)value;
    else
        set_defect(defects, DEFECT_SIZE, true);
}

// EXIF's numbers; others say nothing.
static int orientation_of(double value) {
    return value >= 2 && value <= 8 ? (int)value : 0;
}

void coco_read_image(struct coco_part *part, struct coco_image *record) {
    struct json_reader *json = &part->json;
    *record = (struct coco_image){.defects = DEFECT_ID};
    struct json_string key;
    json_begin_object(json);
    while (json_next_key(json, &key)) {
        if (json_string_is(&key, "id"))
            set_defect(&record->defects, DEFECT_ID, !take_integer(json, &record->id));
        else if (json_string_is(&key, "width"))
            read_side(json, &record->width, &record->defects);
        else if (json_string_is(&key, "height"))
            read_side(json, &record->height, &record->defects);
        else if (json_string_is(&key, "file_name")) {
            record->file_name = take_text(part);
            set_defect(&record->defects, DEFECT_NAME, !record->file_name);
        } else if (json_string_is(&key, "exif_orientation") && json_peek(json) == JSON_NUMBER)
            record->exif_orientation = orientation_of(json_double(json));
        else
            json_skip(json);
    }
}

void coco_read_category(struct coco_part *part, struct coco_category *record) {
    struct json_reader *json = &part->json;
    *record = (struct coco_category){.name = "", .supercategory = "", .defects = DEFECT_ID};
    struct json_string key;
    json_begin_object(json);
    while (json_next_key(json, &key)) {
        if (json_string_is(&key, "id"))
            set_defect(&record->defects, DEFECT_ID, !take_integer(json, &record->id));
        else if (json_string_is(&key, "name")) {
            const char *name = take_text(part);
            set_defect(&record->defects, DEFECT_NAME, !name);
            if (name) record->name = name;
        } else if (json_string_is(&key, "supercategory")) {
            const char *name = take_text(part);
            if (name) record->supercategory = name;
        } else
            json_skip(json);
    }
}

void coco_part_init(struct coco_part *part, const struct coco_load_options *options) {
    enum { ARENA_BLOCK_BYTES = 1 << 20 };
    *part = (struct coco_part){.skip_segments = options->skip_segments};
    arena_init(&part->arena, ARENA_BLOCK_BYTES, 0);
}

void coco_part_destroy(struct coco_part *part) {
    arena_destroy(&part->arena);
    array_free(&part->annotations);
    array_free(&part->numbers);
    array_free(&part->polygons);
}

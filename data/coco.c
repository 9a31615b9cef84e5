#include "data/coco.h"

#include <string.h>

#include "base/array.h"
#include "base/check.h"
#include "data/coco_internal.h"

// ---- Documents ----

// Reads the array of images or categories record by record into *items.
#define READ_RECORDS(read, items, count, capacity)                                                 \
    for (json_begin_array(&part->json); json_next_element(&part->json);) {                         \
        TRY(array_reserve(&set->items, &set->capacity, set->count + 1, sizeof *set->items, err));  \
        read(part, &set->items[set->count++]);                                                     \
    }

static enum status read_images(struct coco_set *set, struct coco_part *part, struct error *err) {
    READ_RECORDS(coco_read_image, images, num_images, image_capacity)
    return json_status(&part->json);
}

static enum status read_categories(struct coco_set *set, struct coco_part *part,
                                   struct error *err) {
    READ_RECORDS(coco_read_category, categories, num_categories, category_capacity)
    return json_status(&part->json);
}

// The keys of a document that matter.
enum section { NO_SECTION, IMAGES, CATEGORIES, ANNOTATIONS, NUM_SECTIONS };

static const char *const section_keys[NUM_SECTIONS] = {"", "images", "categories", "annotations"};

static enum section section_of(const struct json_string *key) {
    for (enum section section = IMAGES; section < NUM_SECTIONS; section++)
        if (json_string_is(key, section_keys[section])) return section;
    return NO_SECTION;
}

static enum status read_document(struct coco_set *set, struct coco_part *part,
                                 const struct file_view *view,
                                 const struct coco_load_options *options, struct error *err) {
    struct json_reader *json = &part->json;
    if (json_peek(json) == JSON_ARRAY)
        json_fail(json,
                  "expected an object with images, annotations and categories, found an array "
                  "(a results file?)");
    struct json_string key;
    bool seen[NUM_SECTIONS] = {false};
    json_begin_object(json);
    while (json_next_key(json, &key)) {
        enum section section = section_of(&key);
        if (seen[section])
            json_fail(json, "the key \"%s\" stands here for the second time",
                      section_keys[section]);
        seen[section] = section != NO_SECTION;
        switch (section) {
        case IMAGES:
            TRY(read_images(set, part, err));
            break;
        case CATEGORIES:
            TRY(read_categories(set, part, err));
            break;
        case ANNOTATIONS:
            TRY(coco_read_annotation_array(set, json, view, options, err));
            break;
        case NO_SECTION:
        case NUM_SECTIONS:
            json_skip(json);
            break;
        }
    }
    json_end(json);
    return json_status(json);
}

static enum status read_results(struct coco_set *set, struct coco_part *part,
                                const struct file_view *view,
                                const struct coco_load_options *options, struct error *err) {
    struct json_reader *json = &part->json;
    if (json_peek(json) == JSON_OBJECT)
        json_fail(json, "expected an array of results, found an object (an annotation file?)");
    TRY(json_status(json));
    TRY(coco_read_annotation_array(set, json, view, options, err));
    json_end(json);
    TRY(json_status(json));
    for (int64_t i = 0; i < set->num_annotations; i++) {
        set->annotations[i].id = i + 1;
        set->annotations[i].defects &= (uint16_t)~DEFECT_ID;
    }
    return STATUS_OK;
}

static enum status index_ids(struct coco_set *set, struct error *err) {
    TRY(id_index_init(&set->image_index, set->num_images, &set->arena, err));
    TRY(id_index_init(&set->category_index, set->num_categories, &set->arena, err));
    // Of records with one id the first stays in the index, which shows the others as duplicates.
    for (int64_t i = 0; i < set->num_images; i++)
        (void)id_index_add(&set->image_index, set->images[i].id, i);
    for (int64_t i = 0; i < set->num_categories; i++)
        (void)id_index_add(&set->category_index, set->categories[i].id, i);
    return STATUS_OK;
}

typedef enum status read_function(struct coco_set *, struct coco_part *, const struct file_view *,
                                  const struct coco_load_options *, struct error *);

static enum status parse(struct coco_set *set, const char *text, int64_t size, const char *path,
                         const struct file_view *view, const struct coco_load_options *options,
                         read_function *read, struct error *err) {
    enum { ARENA_BLOCK_BYTES = 1 << 16 };
    *set = (struct coco_set){.path = path};
    arena_init(&set->arena, ARENA_BLOCK_BYTES, 0);
    struct coco_part part; // for everything outside the array of annotations
    coco_part_init(&part, options);
    json_reader_init(&part.json, text, size, path, err);
    enum status status = read(set, &part, view, options, err);
    arena_adopt(&set->arena, &part.arena);
    coco_part_destroy(&part);
    if (status == STATUS_OK) {
        char *name = arena_copy_text(&set->arena, path, (int64_t)strlen(path));
        status = name ? index_ids(set, err) : error_memory(err, "a path", (int64_t)strlen(path));
        set->path = name;
    }
    if (status != STATUS_OK) coco_destroy(set);
    return status;
}

static enum status load(struct coco_set *set, const char *path,
                        const struct coco_load_options *options, read_function *read,
                        struct error *err) {
    *set = (struct coco_set){0};
    struct file_view view;
    TRY(file_view_open(&view, path, 0, err));
    enum status status = parse(set, view.data, view.size, path, &view, options, read, err);
    file_view_close(&view);
    return status;
}

enum status coco_load_annotations(struct coco_set *set, const char *path,
                                  const struct coco_load_options *options, struct error *err) {
    return load(set, path, options, read_document, err);
}

enum status coco_load_results(struct coco_set *set, const char *path,
                              const struct coco_load_options *options, struct error *err) {
    return load(set, path, options, read_results, err);
}

enum status coco_parse_annotations(struct coco_set *set, const char *text, int64_t size,
                                   const char *path, const struct coco_load_options *options,
                                   struct error *err) {
    return parse(set, text, size, path, NULL, options, read_document, err);
}

enum status coco_parse_results(struct coco_set *set, const char *text, int64_t size,
                               const char *path, const struct coco_load_options *options,
                               struct error *err) {
    return parse(set, text, size, path, NULL, options, read_results, err);
}

void coco_destroy(struct coco_set *set) {
    array_free(&set->images);
    array_free(&set->categories);
    array_free(&set->annotations);
    arena_destroy(&set->arena);
    *set = (struct coco_set){0};
}

// ---- Look-ups and requirements ----

const struct coco_image *coco_find_image(const struct coco_set *set, int64_t id) {
    int64_t position = set->image_index.capacity ? id_index_find(&set->image_index, id) : -1;
    return position < 0 ? NULL : &set->images[position];
}

const struct coco_category *coco_find_category(const struct coco_set *set, int64_t id) {
    int64_t position = set->category_index.capacity ? id_index_find(&set->category_index, id) : -1;
    return position < 0 ? NULL : &set->categories[position];
}

const char *coco_defect_text(enum coco_defect defect) {
    switch (defect) {
    case DEFECT_ID:
        return "id is missing or not an integer";
    case DEFECT_IMAGE_ID:
        return "image_id is missing or not an integer";
    case DEFECT_CATEGORY_ID:
        return "category_id is missing or not an integer";
    case DEFECT_BOX:
        return "bbox is not four numbers";
    case DEFECT_AREA:
        return "area is not a number";
    case DEFECT_CROWD:
        return "iscrowd is neither 0 nor 1";
    case DEFECT_SEGMENT:
        return "segmentation is neither a list of polygons nor an RLE with size and counts";
    case DEFECT_SCORE:
        return "score is missing or not a number";
    case DEFECT_SIZE:
        return "width or height is not a whole number of 1 to 65535";
    case DEFECT_NAME:
        return "the name is not a text";
    case DEFECT_ODD_POLYGON:
        return "a polygon is not made of pairs of numbers";
    case DEFECT_RLE:
        return "the RLE lacks a size of two sides or its counts are not run lengths";
    }
    CHECK(false); // a defect without a text
    return "";
}

static enum status require_record(const struct coco_set *set, unsigned defects, const char *array,
                                  int64_t index, int64_t id, struct error *err) {
    if (!defects) return STATUS_OK;
    enum coco_defect first = (enum coco_defect)(defects & -defects);
    return error_set(err, STATUS_DATA, "%s: %s[%lld] (id %lld): %s", set->path, array,
                     (long long)index, (long long)id, coco_defect_text(first));
}

enum status coco_require(const struct coco_set *set, unsigned mask, struct error *err) {
    for (int64_t i = 0; i < set->num_images; i++) {
        const struct coco_image *image = &set->images[i];
        TRY(require_record(set, image->defects & mask, "images", i, image->id, err));
        if (coco_find_image(set, image->id) != image)
            return error_set(err, STATUS_DATA, "%s: images[%lld]: id %lld occurs twice", set->path,
                             (long long)i, (long long)image->id);
    }
    for (int64_t i = 0; i < set->num_categories; i++) {
        const struct coco_category *category = &set->categories[i];
        TRY(require_record(set, category->defects & mask, "categories", i, category->id, err));
        if (coco_find_category(set, category->id) != category)
            return error_set(err, STATUS_DATA, "%s: categories[%lld]: id %lld occurs twice",
                             set->path, (long long)i, (long long)category->id);
    }
    for (int64_t i = 0; i < set->num_annotations; i++) {
        const struct coco_annotation *annotation = &set->annotations[i];
        TRY(require_record(set, annotation->defects & mask, "annotations", i, annotation->id, err));
    }
    return STATUS_OK;
}

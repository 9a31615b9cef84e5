#include "formats/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file_view.h"
#include "base/json_writer.h"

// ---- Writing ----

static void write_field(struct output *out, const char *text) {
    if (!strpbrk(text, ",\"\r\n")) {
        output_text(out, text);
        return;
    }
    output_text(out, "\"");
    for (const char *c = text; *c; c++) {
        if (*c == '"') output_text(out, "\"");
        output_write(out, c, 1);
    }
    output_text(out, "\"");
}

// With the fewest digits that read back as the same number.
static void write_number(struct output *out, double value) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_write_double(&w, value);
}

void csv_begin(struct output *out) {
    output_text(out, "image_id,file_name,width,height,class,category_id,score,x,y,box_width,"
                     "box_height,area\n");
}

void csv_write(struct output *out, const struct annotated_image *image,
               const struct class_list *classes, double *ious) {
    for (int64_t i = 0; i < image->num_objects; i++) {
        const struct annotated_object *object = &image->objects[i];
        const struct coco_category *class = &classes->items[object->class_index];
        const struct coco_box box = rle_box(&object->mask);
        int64_t area = rle_area(&object->mask);
        ious[i] = 1;
        if (area == 0) continue;
        ious[i] = (double)area / (box.width * box.height);
        output_printf(out, "%lld,", (long long)image->id);
        write_field(out, image->name);
        output_printf(out, ",%d,%d,", (int)image->width, (int)image->height);
        write_field(out, class->name);
        output_printf(out, ",%lld,", (long long)class->id);
        if (object->has_score) write_number(out, object->score);
        output_printf(out, ",%.0f,%.0f,%.0f,%.0f,%lld\n", box.x, box.y, box.width, box.height,
                      (long long)area);
    }
}

// ---- Reading ----

enum column {
    IMAGE_ID,
    FILE_NAME,
    WIDTH,
    HEIGHT,
    CLASS,
    SCORE,
    X,
    Y,
    BOX_WIDTH,
    BOX_HEIGHT,
    NUM_COLUMNS,
    IGNORED = NUM_COLUMNS
};

static const char *const COLUMN_NAMES[NUM_COLUMNS] = {
    "image_id", "file_name", "width", "height",    "class",
    "score",    "x",         "y",     "box_width", "box_height",
};

enum { MAX_COLUMNS = 64, MAX_FIELD_BYTES = 4096 };

struct csv_reader {
    const char *path;
    const char *at;
    const char *end;
    int64_t line;
    enum column columns[MAX_COLUMNS];
    int num_columns;
    struct arena *arena;
    struct error *err;
};

static enum status fail(const struct csv_reader *r, const char *what) {
    return error_set(r->err, STATUS_DATA, "%s: line %lld: %s", r->path, (long long)r->line, what);
}

// The next field; *last says that the row ends behind it.
static enum status next_field(struct csv_reader *r, const char **field, bool *last) {
    char text[MAX_FIELD_BYTES];
    int size = 0;
    bool quoted = r->at < r->end && *r->at == '"';
    if (quoted) r->at++;
    for (; r->at < r->end; r->at++) {
        if (quoted && *r->at == '"') {
            if (r->at + 1 < r->end && r->at[1] == '"')
                r->at++;
            else
                break;
        } else if (!quoted && (*r->at == ',' || *r->at == '\n' || *r->at == '\r')) {
            break;
        }
        if (size == MAX_FIELD_BYTES || *r->at == '\0') return fail(r, "a field too long or binary");
        text[size++] = *r->at;
    }
    if (quoted && r->at == r->end) return fail(r, "a quote that is not closed");
    if (quoted) r->at++;
    if (r->at < r->end && *r->at == '\r') r->at++;
    *last = r->at == r->end || *r->at == '\n';
    if (!*last && *r->at != ',') return fail(r, "text behind a closing quote");
    if (r->at < r->end) r->at++;
    *field = arena_copy_text(r->arena, text, size);
    return *field ? STATUS_OK : error_memory(r->err, "a table", size);
}

static enum status read_header(struct csv_reader *r) {
    const char *field = "";
    bool seen[NUM_COLUMNS + 1] = {[IMAGE_ID] = true, [SCORE] = true};
    for (bool last = false; !last;) {
        TRY(next_field(r, &field, &last));
        if (r->num_columns == MAX_COLUMNS) return fail(r, "too many columns");
        enum column column = 0;
        while (column < NUM_COLUMNS && strcmp(field, COLUMN_NAMES[column]) != 0)
            column++;
        r->columns[r->num_columns++] = column;
        seen[column] = true;
    }
    for (enum column column = 0; column < NUM_COLUMNS; column++)
        if (!seen[column])
            return error_set(r->err, STATUS_DATA, "%s: line 1: no column \"%s\"", r->path,
                             COLUMN_NAMES[column]);
    return STATUS_OK;
}

static enum status number_of(const struct csv_reader *r, const char *text, double *number) {
    char *end = NULL;
    *number = strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(*number)) return STATUS_OK;
    return fail(r, "a field that is not a number");
}

// Begins an image if the row is not of the last one.
static enum status need_image(const struct csv_reader *r, struct annotated_set *set,
                              const char *const *fields) {
    struct annotated_image *image = NULL;
    double width = 0;
    double height = 0;
    if (set->num_images > 0 &&
        strcmp(set->images[set->num_images - 1].name, fields[FILE_NAME]) == 0)
        return STATUS_OK;
    TRY(number_of(r, fields[WIDTH], &width));
    TRY(number_of(r, fields[HEIGHT], &height));
    if (!(width >= 1 && width <= RLE_MAX_SIDE && height >= 1 && height <= RLE_MAX_SIDE))
        return fail(r, "a width or height that no image has");
    TRY(annotated_set_add_image(set, &image, r->err));
    image->name = fields[FILE_NAME];
    image->width = (int32_t)width;
    image->height = (int32_t)height;
    return STATUS_OK;
}

static enum status add_row(struct csv_reader *r, struct annotated_set *set,
                           const char *const *fields) {
    struct annotated_object *object = NULL;
    TRY(need_image(r, set, fields));
    CHECK(set->images && set->num_images > 0);
    struct annotated_image *image = &set->images[set->num_images - 1];
    TRY(annotated_image_add_object(image, &object, r->err));
    TRY(annotated_set_need_class(set, fields[CLASS], &object->class_index, r->err));
    TRY(number_of(r, fields[X], &object->box.x));
    TRY(number_of(r, fields[Y], &object->box.y));
    TRY(number_of(r, fields[BOX_WIDTH], &object->box.width));
    TRY(number_of(r, fields[BOX_HEIGHT], &object->box.height));
    object->has_score = fields[SCORE][0] != '\0';
    if (object->has_score) TRY(number_of(r, fields[SCORE], &object->score));
    enum status status =
        box_to_rle(&object->mask, &object->box, image->height, image->width, &set->arena, r->err);
    if (status != STATUS_OK) error_prefix(r->err, "%s: line %lld: ", r->path, (long long)r->line);
    return status;
}

static enum status read_rows(struct csv_reader *r, struct annotated_set *set) {
    TRY(read_header(r));
    while (r->at < r->end) {
        const char *fields[NUM_COLUMNS + 1];
        bool last = false;
        r->line++;
        for (int i = 0; i <= NUM_COLUMNS; i++)
            fields[i] = "";
        for (int i = 0; i < r->num_columns; i++) {
            if (last) return fail(r, "too few fields");
            TRY(next_field(r, &fields[r->columns[i]], &last));
        }
        if (!last) return fail(r, "too many fields");
        TRY(add_row(r, set, fields));
    }
    return annotated_set_number(set, r->err);
}

enum status csv_read(struct annotated_set *set, const char *path, struct error *err) {
    struct file_view file;
    TRY(file_view_open(&file, path, 0, err));
    const char *text = file.data ? file.data : "";
    struct csv_reader r = {.path = path, .at = text, .line = 1, .arena = &set->arena};
    r.err = err;
    r.end = text + file.size;
    enum status status = read_rows(&r, set);
    file_view_close(&file);
    return status;
}

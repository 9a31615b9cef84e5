#include "tests/server/check_request.h"

#include "base/check.h"
#include "formats/base64.h"
#include "tests/harness.h"

const struct model_facts test_model = {
    .name = "gct-r50-fpn",
    .version = "3",
    .sha256 = "9f2c",
    .num_classes = 3,
    .names = (const char *const[]){"person", "dog", "traffic light"},
    .category_ids = (const int64_t[]){1, 18, 10},
    .score = 0.05,
    .nms = 0.5,
    .mask_threshold = 0.5,
    .max_dets = 100,
};

const struct request_limits test_limits = {
    .max_json_bytes = 1 << 20,
    .max_json_values = 4096,
    .max_json_depth = 16,
    .max_parts = 16,
    .max_pictures = 8,
    .max_timeout_ms = 120000,
    .max_body_bytes = 20 << 20,
};

void ask(struct asked *asked, const struct http_request *http) {
    char segments[2][PATH_SEGMENT_BYTES];
    *asked = (struct asked){.dialect = dialect_find(http->path, segments)};
    CHECK(asked->dialect);
    strcpy(asked->request.id, "made-up");
    arena_init(&asked->arena, 1 << 16, 0);
    asked->accepted = asked->dialect->read(&asked->request, http, &test_model, &test_limits,
                                           &asked->arena, &asked->fault);
    EXPECT_INT(asked->accepted, asked->fault.code == FAULT_NONE);
}

void asked_free(struct asked *asked) {
    arena_destroy(&asked->arena);
}

void ask_text(struct asked *asked, const char *path, const char *content_type, const char *body) {
    const struct http_request http = {
        .path = path,
        .content_type = content_type,
        .body = (const uint8_t *)body,
        .body_size = (int64_t)strlen(body),
    };
    ask(asked, &http);
}

const char *asked_code(const struct asked *asked) {
    return fault_word(asked->fault.code);
}

// ---- Pictures ----

enum { WIDTH = 8, HEIGHT = 6 };

static const struct output *make_file(struct output *file, bool jpeg) {
    struct error err;
    uint8_t pixels[HEIGHT * WIDTH * 3] = {0};
    const struct image image = {WIDTH, HEIGHT, pixels};
    if (file->size > 0) return file;
    for (int i = 0; i < HEIGHT * WIDTH; i++)
        pixels[3 * i] = 255;
    output_open_memory(file);
    enum status status = jpeg ? image_write_jpeg(&image, 90, file, &err)
                              : image_write_png(pixels, WIDTH, HEIGHT, SAMPLES_RGB8, 6, file, &err);
    CHECK(status == STATUS_OK && output_finish(file, &err) == STATUS_OK);
    return file;
}

const struct output *test_jpeg(void) {
    static struct output file;
    return make_file(&file, true);
}

const struct output *test_png(void) {
    static struct output file;
    return make_file(&file, false);
}

static const char *make_text(struct output *text, const struct output *file) {
    if (text->size > 0) return text->data;
    output_open_memory(text);
    base64_write(text, file->data, file->size);
    return text->data;
}

const char *test_jpeg_base64(void) {
    static struct output text;
    return make_text(&text, test_jpeg());
}

const char *test_png_base64(void) {
    static struct output text;
    return make_text(&text, test_png());
}

// ---- Answers ----

static struct rle draw(const char *rows, struct arena *arena) {
    struct error err;
    struct rle rle;
    uint8_t mask[HEIGHT * WIDTH];
    for (int i = 0; i < HEIGHT * WIDTH; i++)
        mask[i] = rows[i] == '#';
    CHECK(rle_encode(&rle, mask, HEIGHT, WIDTH, arena, &err) == STATUS_OK);
    return rle;
}

void test_outcome(struct detect_outcome *outcome, struct arena *arena) {
    struct detection *items = arena_alloc(arena, 2, sizeof *items);
    uint8_t *pixels = arena_alloc_zero(arena, (int64_t)HEIGHT * WIDTH, 3);
    CHECK(items && pixels);
    items[0] = (struct detection){
        .box = {0.5F, 1.004F, 4.75F, 5},
        .score = 0.987654F,
        .label = 1,
        .mask = draw("........"
                     "####...."
                     "#..#...."
                     "#..#...."
                     "####...."
                     "........",
                     arena),
    };
    items[1] = (struct detection){
        .box = {5, 0, 8, 6},
        .score = 0.5F,
        .label = 2,
        .mask = draw(".....#.."
                     ".....#.."
                     "........"
                     ".......#"
                     "......##"
                     ".......#",
                     arena),
    };
    *outcome = (struct detect_outcome){
        .info = {.format = IMAGE_JPEG, .width = WIDTH, .height = HEIGHT, .exif_orientation = 1},
        .image = {WIDTH, HEIGHT, pixels},
        .list = {items, 2},
        .batch = 1,
        .seconds = {[PHASE_UPLOAD] = 0.0031, [PHASE_QUEUE] = 0.012, [PHASE_INFER] = 0.0881},
    };
}

const char *answer_to(struct asked *asked, const struct detect_outcome *outcomes) {
    struct answer answer;
    if (!asked->dialect->write(&answer, &asked->request, outcomes, &test_model, &asked->arena,
                               &asked->fault))
        return NULL;
    EXPECT_INT(answer.status, 200);
    const char *text = arena_copy_text(&asked->arena, answer.body.data, answer.body.size);
    output_discard(&answer.body);
    return text;
}

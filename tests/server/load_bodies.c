#include "tests/server/load_bodies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/random.h"
#include "data/image.h"
#include "tests/server/load.h"

static uint8_t clamp(int value) {
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void paint(struct image *image, uint64_t seed, int noise) {
    enum { SPOTS = 6, CHANNELS = 3 };
    struct random random = random_stream(seed, 1);
    int64_t spots[SPOTS][3 + CHANNELS]; // x, y, radius squared, colour
    int32_t side = image->width < image->height ? image->width : image->height;
    for (int s = 0; s < SPOTS; s++) {
        spots[s][0] = random_below(&random, image->width);
        spots[s][1] = random_below(&random, image->height);
        int64_t radius = side / 16 + 1 + random_below(&random, side / 4 + 1);
        spots[s][2] = radius * radius;
        for (int c = 0; c < CHANNELS; c++)
            spots[s][3 + c] = random_below(&random, 256);
    }
    for (int64_t y = 0; y < image->height; y++) {
        for (int64_t x = 0; x < image->width; x++) {
            const int64_t *colour = (const int64_t[]){90, 120, 100};
            for (int s = 0; s < SPOTS; s++) {
                int64_t dx = x - spots[s][0];
                int64_t dy = y - spots[s][1];
                if (dx * dx + dy * dy < spots[s][2]) colour = spots[s] + 3;
            }
            uint8_t *pixel = image->pixels + (y * image->width + x) * CHANNELS;
            for (int c = 0; c < CHANNELS; c++)
                pixel[c] =
                    clamp((int)colour[c] + (int)random_below(&random, noise + 1) - noise / 2);
        }
    }
}

// out's bytes, as our own.
static struct body body_of(struct output *out) {
    struct error err;
    struct body body = {.size = out->size};
    load_need(output_finish(out, &err) == STATUS_OK, "a picture");
    body.bytes = malloc((size_t)out->size + 1);
    load_need(body.bytes, "memory for a picture");
    memcpy(body.bytes, out->data, (size_t)out->size);
    body.bytes[out->size] = '\0';
    output_discard(out);
    return body;
}

struct body body_picture(enum body_type type, int32_t width, int32_t height, uint64_t seed,
                         int noise) {
    enum { QUALITY = 90, COMPRESSION = 3 };
    struct error err;
    struct arena arena;
    struct output out;
    arena_init(&arena, 1 << 16, 0);
    struct image image = {.width = width, .height = height};
    image.pixels = arena_alloc(&arena, 3LL * width * height, 1);
    load_need(image.pixels, "memory for a picture");
    paint(&image, seed, noise);
    output_open_memory(&out);
    enum status status = type == BODY_JPEG ? image_write_jpeg(&image, QUALITY, &out, &err)
                                           : image_write_png(image.pixels, width, height,
                                                             SAMPLES_RGB8, COMPRESSION, &out, &err);
    load_need(status == STATUS_OK, "a picture");
    arena_destroy(&arena);
    return body_of(&out);
}

struct body body_padded(const struct body *jpeg, int64_t size) {
    enum { START = 2, LONGEST = 65535, MARKER_BYTES = 2 };
    struct output out;
    output_open_memory(&out);
    output_write(&out, jpeg->bytes, START);
    for (int64_t left = size - jpeg->size; left > MARKER_BYTES + 2;) {
        int64_t length = left - MARKER_BYTES < LONGEST ? left - MARKER_BYTES : LONGEST;
        const uint8_t head[] = {0xff, 0xef, (uint8_t)(length >> 8), (uint8_t)length};
        output_write(&out, head, sizeof head);
        for (int64_t i = 2; i < length; i++)
            output_write(&out, "p", 1);
        left -= MARKER_BYTES + length;
    }
    output_write(&out, jpeg->bytes + START, jpeg->size - START);
    return body_of(&out);
}

struct body body_json(const struct body *picture) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct output out;
    output_open_memory(&out);
    output_text(&out, "{\"image\": {\"b64\": \"");
    for (int64_t i = 0; i < picture->size; i += 3) {
        int64_t rest = picture->size - i;
        uint32_t group = (uint32_t)picture->bytes[i] << 16;
        if (rest > 1) group |= (uint32_t)picture->bytes[i + 1] << 8;
        if (rest > 2) group |= picture->bytes[i + 2];
        char text[4] = {DIGITS[group >> 18], DIGITS[group >> 12 & 63],
                        rest > 1 ? DIGITS[group >> 6 & 63] : '=',
                        rest > 2 ? DIGITS[group & 63] : '='};
        output_write(&out, text, sizeof text);
    }
    output_text(&out, "\"}}");
    return body_of(&out);
}

struct body body_request(const char *path, const char *headers, const struct body *body) {
    struct output out;
    output_open_memory(&out);
    output_printf(&out, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", body ? "POST" : "GET", path,
                  headers);
    if (body) output_printf(&out, "Content-Length: %lld\r\n", (long long)body->size);
    output_text(&out, "\r\n");
    if (body) output_write(&out, body->bytes, body->size);
    return body_of(&out);
}

struct body body_pipelined(void) {
    enum { COUNT = 6 };
    struct output out;
    output_open_memory(&out);
    for (int i = 0; i < COUNT; i++)
        output_text(&out, "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return body_of(&out);
}

char *body_detections(const char *answer) {
    const char *begin = strstr(answer, "\"detections\":");
    const char *end = begin ? strstr(begin, "\"truncated\"") : NULL;
    return end ? strndup(begin, (size_t)(end - begin)) : NULL;
}

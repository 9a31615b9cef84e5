// Pictures and requests for tests that put load on a server. What these return is to be freed.
#pragma once

#include <stdint.h>

struct body {
    uint8_t *bytes;
    int64_t size;
};

enum body_type { BODY_JPEG, BODY_PNG };

// Spots of colour that follow from the seed, with as much noise (0 to 255) as the file shall be
// hard to compress.
struct body body_picture(enum body_type type, int32_t width, int32_t height, uint64_t seed,
                         int noise);

// The JPEG made as long as size by segments that decoders skip.
struct body body_padded(const struct body *jpeg, int64_t size);

// {"image": {"b64": ...}}
struct body body_json(const struct body *picture);

// A whole request; headers are lines that end in "\r\n". GET without a body.
struct body body_request(const char *path, const char *headers, const struct body *body);

// One request after the other on a connection, for several large answers that cost the server
// little.
struct body body_pipelined(void);

// The detections in an answer of our own interface, as text; NULL if there are none in it.
char *body_detections(const char *answer);

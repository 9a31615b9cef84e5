#include "server/picture.h"

#include <string.h>

#include "formats/base64.h"
#include "server/media_type.h"

// Beginnings of files. The first two are what we take; the others make for better sentences.
static const struct signature {
    const char *name;
    const char *bytes;
    int64_t size;
    int64_t at;
} SIGNATURES[] = {
    {"JPEG", "\xFF\xD8\xFF", 3, 0},
    {"PNG", "\x89PNG\r\n\x1A\n", 8, 0},
    {"GIF", "GIF8", 4, 0},
    {"WebP", "WEBP", 4, 8},
    {"TIFF", "II*\0", 4, 0},
    {"TIFF", "MM\0*", 4, 0},
    {"BMP", "BM", 2, 0},
    {"PDF", "%PDF", 4, 0},
    {"HEIF or AVIF", "ftyp", 4, 4},
    {"JPEG XL", "\0\0\0\x0CJXL ", 8, 0},
    {"SVG or XML", "<?xml", 5, 0},
    {"SVG", "<svg", 4, 0},
    {"HTML", "<!DOCTYPE", 9, 0},
    {"JSON", "{", 1, 0},
};

static const struct signature *find_signature(const struct picture *picture) {
    for (size_t i = 0; i < sizeof SIGNATURES / sizeof *SIGNATURES; i++) {
        const struct signature *s = &SIGNATURES[i];
        if (picture->size >= s->at + s->size &&
            memcmp(picture->bytes + s->at, s->bytes, (size_t)s->size) == 0)
            return s;
    }
    return NULL;
}

// What a media type says of the bytes: a signature's name, or NULL if it does not say.
static const char *name_of_type(const char *media_type) {
    static const struct {
        const char *type;
        const char *name;
    } TYPES[] = {
        {"image/jpeg", "JPEG"}, {"image/jpg", "JPEG"},  {"image/pjpeg", "JPEG"},
        {"image/png", "PNG"},   {"image/x-png", "PNG"},
    };
    for (size_t i = 0; media_type && i < sizeof TYPES / sizeof *TYPES; i++)
        if (media_type_is(media_type, TYPES[i].type)) return TYPES[i].name;
    return NULL;
}

bool picture_check(struct picture *picture) {
    struct fault *fault = &picture->fault;
    if (picture->size == 0) return fault_set(fault, FAULT_IMAGE_EMPTY, "the image has 0 bytes");
    const struct signature *found = find_signature(picture);
    if (!found)
        return fault_set(fault, FAULT_UNSUPPORTED_MEDIA_TYPE,
                         "the image's bytes are neither a JPEG nor a PNG file");
    if (found > &SIGNATURES[1])
        return fault_set(fault, FAULT_UNSUPPORTED_MEDIA_TYPE,
                         "the image's bytes are %s; JPEG and PNG are understood", found->name);
    const char *given = name_of_type(picture->media_type);
    if (given && strcmp(given, found->name) != 0)
        return fault_set(fault, FAULT_TYPE_MISMATCH,
                         "the type given is %s, but the image's bytes are %s", given, found->name);
    return true;
}

// ---- Base64 ----

// Text without escapes; most has none, but some writers put a backslash before each slash.
static const char *plain_text(const struct json_string *string, int64_t *size,
                              struct arena *arena) {
    *size = string->size;
    if (!string->escaped) return string->data;
    char *text = arena_alloc(arena, string->size + 1, 1);
    if (text) *size = json_string_unescape(string, text);
    return text;
}

bool picture_from_base64(struct picture *picture, const struct json_string *string,
                         struct arena *arena) {
    static const char URL[] = "data:";
    struct error err = {.code = STATUS_MEMORY};
    int64_t size = 0;
    uint8_t *bytes = NULL;
    const char *text = plain_text(string, &size, arena);
    *picture = (struct picture){0};
    if (!text) return fault_of_error(&picture->fault, FAULT_INTERNAL, &err);
    if (size >= (int64_t)sizeof URL - 1 && memcmp(text, URL, sizeof URL - 1) == 0)
        return fault_set(&picture->fault, FAULT_BAD_BASE64,
                         "the image is a data: address; send only what follows its comma");
    if (base64_decode(&bytes, &picture->size, text, size, arena, &err) != STATUS_OK)
        return fault_of_error(&picture->fault, FAULT_BAD_BASE64, &err);
    picture->bytes = bytes;
    return picture_check(picture);
}

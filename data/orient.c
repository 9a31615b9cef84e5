// Turning and mirroring images.
#include <string.h>

#include "base/check.h"
#include "data/image.h"

// Where pixel (0, 0) of the upright image lies in the stored one, and how far one step to the right
// and one step down lead there; all in pixels.
struct walk {
    int64_t origin;
    int64_t right;
    int64_t down;
};

// The eight ways of EXIF 2.32, table of tag 0x0112: which corner of the scene the first stored row
// and column show.
static struct walk walk_of(int orientation, int64_t width, int64_t height) {
    int64_t last_column = width - 1;
    int64_t last_row = (height - 1) * width;
    switch (orientation) {
    case 2:
        return (struct walk){last_column, -1, width};
    case 3:
        return (struct walk){last_row + last_column, -1, -width};
    case 4:
        return (struct walk){last_row, 1, -width};
    case 5:
        return (struct walk){0, width, 1};
    case 6:
        return (struct walk){last_row, -width, 1};
    case 7:
        return (struct walk){last_row + last_column, -width, -1};
    case 8:
        return (struct walk){last_column, width, -1};
    default:
        return (struct walk){0, 1, width};
    }
}

void image_orient(struct image *target, const struct image *source, int orientation) {
    CHECK(orientation >= 1 && orientation <= 8);
    CHECK(target->pixels != source->pixels);
    enum { TILE = 32 }; // pixels; a turned tile of this size stays in the first-level cache
    struct walk walk = walk_of(orientation, source->width, source->height);
    target->width = orientation >= 5 ? source->height : source->width;
    target->height = orientation >= 5 ? source->width : source->height;
    for (int64_t top = 0; top < target->height; top += TILE) {
        int64_t bottom = top + TILE < target->height ? top + TILE : target->height;
        for (int64_t left = 0; left < target->width; left += TILE) {
            int64_t end = left + TILE < target->width ? left + TILE : target->width;
            for (int64_t y = top; y < bottom; y++) {
                uint8_t *to = target->pixels + 3 * y * target->width;
                const uint8_t *from = source->pixels + 3 * (walk.origin + y * walk.down);
                for (int64_t x = left; x < end; x++)
                    memcpy(to + 3 * x, from + 3 * x * walk.right, 3);
            }
        }
    }
}

void image_flip_horizontal(struct image *image) {
    for (int64_t y = 0; y < image->height; y++) {
        uint8_t *left = image->pixels + 3 * y * image->width;
        uint8_t *right = left + 3 * ((int64_t)image->width - 1);
        for (; left < right; left += 3, right -= 3) {
            uint8_t pixel[3];
            memcpy(pixel, left, 3);
            memcpy(left, right, 3);
            memcpy(right, pixel, 3);
        }
    }
}

#include "data/exif.h"

#include <stdbool.h>

enum {
    HEADER_BYTES = 8,
    ENTRY_BYTES = 12,
    TAG_ORIENTATION = 0x0112,
    TYPE_SHORT = 3,
    TYPE_LONG = 4, // not to the letter of the standard, but some cameras write it
};

struct tiff {
    const uint8_t *bytes;
    int64_t size;
    bool big_endian;
};

// An unsigned number of 2 or 4 bytes; 0 beyond the end of the block.
static uint32_t number_at(const struct tiff *tiff, int64_t offset, int num_bytes) {
    if (offset < 0 || offset > tiff->size - num_bytes) return 0;
    uint32_t value = 0;
    for (int i = 0; i < num_bytes; i++) {
        int place = tiff->big_endian ? i : num_bytes - 1 - i;
        value = value << 8 | tiff->bytes[offset + place];
    }
    return value;
}

int exif_orientation(const uint8_t *tiff_bytes, int64_t size) {
    if (size < HEADER_BYTES) return 1;
    struct tiff tiff = {tiff_bytes, size, tiff_bytes[0] == 'M'};
    bool known_order = (tiff_bytes[0] == 'M' && tiff_bytes[1] == 'M') ||
                       (tiff_bytes[0] == 'I' && tiff_bytes[1] == 'I');
    if (!known_order || number_at(&tiff, 2, 2) != 42) return 1;
    int64_t directory = number_at(&tiff, 4, 4);
    int64_t num_entries = number_at(&tiff, directory, 2);
    for (int64_t i = 0; i < num_entries; i++) {
        int64_t entry = directory + 2 + i * ENTRY_BYTES;
        if (entry > size - ENTRY_BYTES) return 1;
        if (number_at(&tiff, entry, 2) != TAG_ORIENTATION) continue;
        uint32_t type = number_at(&tiff, entry + 2, 2);
        if (type != TYPE_SHORT && type != TYPE_LONG) return 1;
        uint32_t value = number_at(&tiff, entry + 8, type == TYPE_SHORT ? 2 : 4);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

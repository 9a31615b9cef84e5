// CRC-32 of a file, by several threads: those of its pieces are combined.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/workers.h"
#include "detector/safetensors_internal.h"

enum { PIECE_BYTES = 4 << 20 };

uint32_t safetensors_crc32(uint32_t crc, const void *bytes, int64_t size) {
    if (size == 0) return crc; // zlib takes NULL for a wish to begin anew
    return (uint32_t)crc32_z(crc, bytes, (size_t)size);
}

struct pieces {
    const char *bytes;
    int64_t size;
    uint32_t *crcs; // of each piece by itself
};

static int64_t piece_size(const struct pieces *pieces, int64_t index) {
    int64_t left = pieces->size - index * PIECE_BYTES;
    return left < PIECE_BYTES ? left : PIECE_BYTES;
}

static void measure_piece(void *context, int64_t index, int worker) {
    (void)worker;
    const struct pieces *pieces = context;
    pieces->crcs[index] =
        safetensors_crc32(0, pieces->bytes + index * PIECE_BYTES, piece_size(pieces, index));
}

enum status safetensors_crc32_of_file(uint32_t *crc, const char *bytes, int64_t size,
                                      struct error *err) {
    int64_t count = (size + PIECE_BYTES - 1) / PIECE_BYTES;
    if (count <= 1) {
        *crc = safetensors_crc32(*crc, bytes, size);
        return STATUS_OK;
    }
    struct workers *workers = NULL;
    struct pieces pieces = {bytes, size, malloc((size_t)count * sizeof *pieces.crcs)};
    if (!pieces.crcs) return error_memory(err, "a checksum", count * 4);
    enum status status = workers_create(&workers, 0, err);
    if (status == STATUS_OK) workers_run(workers, count, 1, measure_piece, &pieces);
    for (int64_t i = 0; status == STATUS_OK && i < count; i++)
        *crc = (uint32_t)crc32_combine(*crc, pieces.crcs[i], piece_size(&pieces, i));
    workers_destroy(workers);
    free(pieces.crcs);
    return status;
}

void safetensors_write_digits(char *digits, uint32_t crc) {
    char text[SAFETENSORS_DIGITS + 1];
    snprintf(text, sizeof text, "%08x", (unsigned)crc);
    memcpy(digits, text, SAFETENSORS_DIGITS);
}

// What the reader and the writer of safetensors files share.
#pragma once

#include <stdint.h>

#include "base/error.h"

// Numbers in these files are little-endian, and so is every machine that this is built for.
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "data would need its bytes swapped");

enum { SAFETENSORS_SIZE_BYTES = 8 }; // of the header's size, before the header

#define SAFETENSORS_METADATA_NAME "__metadata__"

// A checksum is this prefix and eight lower-case hexadecimal digits: CRC-32 (zlib's) of the whole
// file in which these digits are zeros. So it covers names, shapes and metadata too.
#define SAFETENSORS_CHECKSUM_PREFIX "crc32:"
#define SAFETENSORS_CHECKSUM_ZEROS  "00000000"
enum {
    SAFETENSORS_PREFIX_BYTES = sizeof SAFETENSORS_CHECKSUM_PREFIX - 1,
    SAFETENSORS_DIGITS = sizeof SAFETENSORS_CHECKSUM_ZEROS - 1,
};

// CRC-32 of size more bytes, after those that gave crc (0 at first).
uint32_t safetensors_crc32(uint32_t crc, const void *bytes, int64_t size);
// The same for as much as a file, with a thread for each processor that this process may use.
MUST_CHECK enum status safetensors_crc32_of_file(uint32_t *crc, const char *bytes, int64_t size,
                                                 struct error *err);

// The eight digits of crc, without a NUL.
void safetensors_write_digits(char *digits, uint32_t crc);

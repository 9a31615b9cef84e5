// The one thing a detector needs of EXIF: which way up the camera was held.
#pragma once

#include <stdint.h>

// The orientation, 1..8, in the first directory of a TIFF block (EXIF 2.32, section 4.6.2): what
// follows "Exif\0\0" in a JPEG's APP1 segment, or the content of a PNG's eXIf chunk. 1 (upright)
// if there is none, or if it makes no sense. Nothing else is followed, so offsets cannot loop.
int exif_orientation(const uint8_t *tiff, int64_t size);

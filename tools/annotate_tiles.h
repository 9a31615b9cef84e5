// Detection in pictures that are too large for one look: in tiles that overlap, whose findings are
// put together.
#pragma once

#include "detector/detector.h"

struct tiling {
    int64_t side;   // of a tile, pixels; 0: the whole picture at once
    double overlap; // share of a tile that the next one covers again
};

// Detects in each tile and merges: two detections of one class in neighbouring tiles are one object
// if, in the part that both tiles see, their masks agree (an intersection over union of at least
// one half). The object's mask is the exact union of its parts', its box the smallest around
// theirs, its score the best. list is ordered by score; all is in arena.
MUST_CHECK enum status detect_tiled(struct detector *detector, const struct image *image,
                                    const struct detection_limits *limits,
                                    const struct tiling *tiling, struct arena *arena,
                                    struct detection_list *list, struct error *err);

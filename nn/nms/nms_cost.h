// What suppression costs (nn/nms/nms_cuda.h), for the operations that are built of it.
#pragma once

#include "nn/cuda/cost_launch.h"

// Of so many lists of each boxes, with so many kept of a list at most.
void cost_nms(struct cost_sheet *sheet, int64_t lists, int64_t each, int64_t max_keep);

// What suppression costs (nn/nms/nms_cuda.h), for the operations that are built of it.
#pragma once

#include "nn/cuda/cost_launch.h"

// With so many kept, at most, of count boxes.
void cost_nms(struct cost_sheet *sheet, int64_t count, int64_t max_keep);

// Marks the functions of *_math.h and their like, which are compiled for every device.
#pragma once

#include "base/host_device.h"

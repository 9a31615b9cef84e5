// Marks the functions of *_math.h and their like, which are compiled for every device.
#pragma once

#ifdef __CUDACC__
#define HOST_DEVICE __host__ __device__
#else
#define HOST_DEVICE
#endif

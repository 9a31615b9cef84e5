// Marks functions that are compiled for every device: a graphics processor's kernels call them,
// too.
#pragma once

#ifdef __CUDACC__
#define HOST_DEVICE __host__ __device__
#else
#define HOST_DEVICE
#endif

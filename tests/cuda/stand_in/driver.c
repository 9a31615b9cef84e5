// Stands in for libcuda.so.1, for what cuDNN asks of it when it compiles a kernel on a machine
// without a GPU: it hands over the machine code and wants to hold the kernel. Nothing can run.

// As cuda.h has them, whose names are macros for others.
enum { CUDA_SUCCESS = 0, CUDA_ERROR_NO_DEVICE = 100 };

static char nowhere;

// Functions that write a handle to their first argument; the others do not matter.
#define GIVES_HANDLE(name)                                                                         \
    int name(void **handle);                                                                       \
    int name(void **handle) {                                                                      \
        *handle = &nowhere;                                                                        \
        return CUDA_SUCCESS;                                                                       \
    }
GIVES_HANDLE(cuLibraryLoadData)
GIVES_HANDLE(cuLibraryGetKernel)
GIVES_HANDLE(cuKernelGetFunction)

// What else must be there.
#define FAILS(name)                                                                                \
    int name(void);                                                                                \
    int name(void) {                                                                               \
        return CUDA_ERROR_NO_DEVICE;                                                               \
    }
FAILS(cuCtxGetCurrent)
FAILS(cuCtxGetLimit)
FAILS(cuCtxPopCurrent)
FAILS(cuCtxPushCurrent)
FAILS(cuDeviceGet)
FAILS(cuDeviceGetCount)
FAILS(cuDriverGetVersion)
FAILS(cuGetErrorName)
FAILS(cuGetErrorString)
FAILS(cuKernelGetAttribute)
FAILS(cuKernelSetAttribute)
FAILS(cuLaunchCooperativeKernel)
FAILS(cuLaunchKernel)
FAILS(cuLaunchKernelEx)
FAILS(cuLibraryLoadFromFile)
FAILS(cuLibraryUnload)
FAILS(cuLinkAddData)
FAILS(cuLinkComplete)
FAILS(cuLinkCreate)
FAILS(cuLinkDestroy)
FAILS(cuOccupancyMaxPotentialClusterSize)
FAILS(cuStreamGetCtx)

#include "nn/cuda/cublas/library.h"

#include <dlfcn.h>

#include "base/symbol.h"

// What is called has been the same since the older one.
static const char *const LIBRARIES[] = {"libcublasLt.so.13", "libcublasLt.so.12"};
enum { NUM_LIBRARIES = sizeof LIBRARIES / sizeof *LIBRARIES };

enum status cublas_open(struct cublas *cublas, struct error *err) {
    void *library = NULL;
    for (int i = 0; i < NUM_LIBRARIES && !library; i++)
        library = dlopen(LIBRARIES[i], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(err, STATUS_DEVICE,
                         "cuBLAS: cannot open libcublasLt.so.13 or .12 (%s); install cuBLAS, or "
                         "name its folder in LD_LIBRARY_PATH",
                         dlerror());
#define FIND(name)                                                                                 \
    if (!symbol_find(library, #name, &cublas->name))                                               \
        return error_set(err, STATUS_DEVICE, "cuBLAS: libcublasLt.so has no " #name);
    CUBLAS_FUNCTIONS(FIND)
#undef FIND
    return STATUS_OK;
}

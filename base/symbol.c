#include "base/symbol.h"

#include <dlfcn.h>
#include <string.h>

bool symbol_find(void *library, const char *name, void *function) {
    void *symbol = dlsym(library, name);
    // A pointer to a function comes as one to data, which ISO C does not convert.
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

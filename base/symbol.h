// Functions of libraries that are opened while the program runs.
#pragma once

#include <stdbool.h>

// Finds a function of a library that dlopen has opened; function points to where its address goes.
// False, and NULL there, if the library has none of this name.
bool symbol_find(void *library, const char *name, void *function);

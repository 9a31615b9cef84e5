#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *expression, const char *file, int line, const char *function) {
    fprintf(stderr, "%s:%d: %s: check failed: %s\n", file, line, function, expression);
    abort();
}

// Types of content in headers: Content-Type and Accept (RFC 9110, sections 8.3 and 12.5.1).
#pragma once

#include <stdbool.h>
#include <stddef.h>

// Whether header names type, whatever its case and parameters: "Image/JPEG; x=1" is "image/jpeg".
bool media_type_is(const char *header, const char *type);

// Copies the value of a parameter, without its quotes; false if it is not there or does not fit.
bool media_type_parameter(char *value, size_t size, const char *header, const char *name);

// The index of the offer that an Accept header likes best, -1 if it takes none. Of equals the one
// that it names more exactly, then the first. NULL (no header) takes the first.
int media_type_choose(const char *accept, const char *const *offers);

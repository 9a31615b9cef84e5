// UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

// Length of the sequence that starts at text, which ends at end (text < end): 1 to 4, or 0 if it is
// malformed.
int utf8_length(const char *text, const char *end);

// Decimal numbers to doubles, exactly: the result is the double nearest to the number written, ties
// to even, whatever its length. Used for JSON, where files hold millions of them.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct decimal {
    double value;
    const char *end; // first byte behind the number
    bool integral;   // plain digits without fraction or exponent, and the magnitude fits integer
    uint64_t magnitude;
    bool negative;
};

enum decimal_result { DECIMAL_OK, DECIMAL_MALFORMED, DECIMAL_OVERFLOW, DECIMAL_TOO_LONG };

// The end of the number at text, or NULL if there is none: the same grammar, without the value.
const char *decimal_skip(const char *text, const char *end);

enum { DECIMAL_MAX_BYTES = 1024 };

// Reads one number by JSON's grammar (RFC 8259, section 6) from text, which ends at end.
enum decimal_result decimal_read(struct decimal *number, const char *text, const char *end);

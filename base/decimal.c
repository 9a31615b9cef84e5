#include "base/decimal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_MANTISSA_DIGITS = 19, // 10^19 - 1 < 2^64
    MAX_EXACT_POWER = 22,     // 10^22 is the largest power of ten that a double holds exactly
    MAX_DIVISOR_POWER = 27,   // 5^27 < 2^64
    MAX_EXPONENT = 100000,    // beyond, the value is 0 or overflows whatever the digits
};

__extension__ typedef unsigned __int128 uint128;

// A number split at the grammar's joints: value = mantissa * 10^exponent if no digit was dropped.
struct parts {
    uint64_t mantissa;
    int num_digits; // significant ones in mantissa
    int64_t exponent;
    bool dropped; // more than MAX_MANTISSA_DIGITS digits, and a nonzero one among the rest
};

static bool is_digit(const char *at, const char *end) {
    return at < end && (unsigned char)(*at - '0') < 10;
}

// Eight digits at once: checks and sums them inside one 64-bit word (Lemire, "Number Parsing at a
// Gigabyte per Second", 2021, section 5).
static bool read_8_digits(const char *at, const char *end, uint64_t *value) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (end - at < 8) return false;
    uint64_t word = 0;
    memcpy(&word, at, sizeof word);
    uint64_t high = UINT64_C(0xF0F0F0F0F0F0F0F0);
    uint64_t above_9 = (word + UINT64_C(0x0606060606060606)) & high;
    if (((word & high) | above_9 >> 4) != UINT64_C(0x3333333333333333)) return false;
    word = (word & UINT64_C(0x0F0F0F0F0F0F0F0F)) * 2561 >> 8;
    word = (word & UINT64_C(0x00FF00FF00FF00FF)) * 6553601 >> 16;
    *value = (word & UINT64_C(0x0000FFFF0000FFFF)) * UINT64_C(42949672960001) >> 32;
    return true;
#else
    (void)at, (void)end, (void)value;
    return false;
#endif
}

// Appends a run of digits to the mantissa; digits that do not fit only move the exponent.
static const char *read_digits(struct parts *parts, const char *at, const char *end,
                               bool is_fraction) {
    uint64_t eight = 0;
    while (parts->num_digits + 8 <= MAX_MANTISSA_DIGITS && read_8_digits(at, end, &eight)) {
        parts->mantissa = parts->mantissa * 100000000 + eight;
        // Leading zeros are counted as digits here only if something nonzero was seen.
        parts->num_digits += parts->mantissa ? 8 : 0;
        parts->exponent -= is_fraction ? 8 : 0;
        at += 8;
    }
    for (; is_digit(at, end); at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (parts->num_digits == MAX_MANTISSA_DIGITS) {
            parts->dropped |= digit != 0;
            parts->exponent += is_fraction ? 0 : 1;
            continue;
        }
        parts->mantissa = parts->mantissa * 10 + digit;
        parts->num_digits += parts->mantissa != 0;
        parts->exponent -= is_fraction;
    }
    return at;
}

// NULL if no digit follows the exponent sign.
static const char *read_exponent(struct parts *parts, const char *at, const char *end) {
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) at++;
    if (!is_digit(at, end)) return NULL;
    int64_t exponent = 0;
    for (; is_digit(at, end); at++)
        if (exponent < MAX_EXPONENT) exponent = exponent * 10 + (*at - '0');
    parts->exponent += negative ? -exponent : exponent;
    return at;
}

static const uint64_t POWERS_OF_FIVE[MAX_DIVISOR_POWER + 1] = {UINT64_C(1),
                                                               UINT64_C(5),
                                                               UINT64_C(25),
                                                               UINT64_C(125),
                                                               UINT64_C(625),
                                                               UINT64_C(3125),
                                                               UINT64_C(15625),
                                                               UINT64_C(78125),
                                                               UINT64_C(390625),
                                                               UINT64_C(1953125),
                                                               UINT64_C(9765625),
                                                               UINT64_C(48828125),
                                                               UINT64_C(244140625),
                                                               UINT64_C(1220703125),
                                                               UINT64_C(6103515625),
                                                               UINT64_C(30517578125),
                                                               UINT64_C(152587890625),
                                                               UINT64_C(762939453125),
                                                               UINT64_C(3814697265625),
                                                               UINT64_C(19073486328125),
                                                               UINT64_C(95367431640625),
                                                               UINT64_C(476837158203125),
                                                               UINT64_C(2384185791015625),
                                                               UINT64_C(11920928955078125),
                                                               UINT64_C(59604644775390625),
                                                               UINT64_C(298023223876953125),
                                                               UINT64_C(1490116119384765625),
                                                               UINT64_C(7450580596923828125)};

// mantissa / 10^power, correctly rounded: one division of 128 by 64 bits. The quotient has at least
// 62 bits, its lowest made sticky by the remainder, so that the conversion to double rounds once.
static double divide_by_power(uint64_t mantissa, int power) {
    uint64_t divisor = POWERS_OF_FIVE[power];
    int mantissa_shift = __builtin_clzll(mantissa);
    int divisor_shift = __builtin_clzll(divisor);
    uint128 numerator = (uint128)(mantissa << mantissa_shift) << 63;
    uint64_t normal_divisor = divisor << divisor_shift;
    uint64_t quotient = (uint64_t)(numerator / normal_divisor);
    bool remains = (uint64_t)numerator != quotient * normal_divisor;
    int exponent = divisor_shift - mantissa_shift - 63 - power;
    uint64_t scale_bits = (uint64_t)(1023 + exponent) << 52;
    double scale = 0;
    memcpy(&scale, &scale_bits, sizeof scale);
    return (double)(quotient | remains) * scale;
}

static const double POWERS_OF_TEN[MAX_EXACT_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// False where only the slow way is exact.
static bool assemble_fast(const struct parts *parts, double *value) {
    if (parts->dropped) return false;
    if (parts->mantissa == 0 || parts->exponent == 0) {
        *value = (double)parts->mantissa;
        return true;
    }
    bool exact_mantissa = parts->mantissa <= UINT64_C(1) << 53;
    if (exact_mantissa && parts->exponent > 0 && parts->exponent <= MAX_EXACT_POWER) {
        *value = (double)parts->mantissa * POWERS_OF_TEN[parts->exponent];
        return true;
    }
    if (exact_mantissa && parts->exponent < 0 && parts->exponent >= -MAX_EXACT_POWER) {
        *value = (double)parts->mantissa / POWERS_OF_TEN[-parts->exponent];
        return true;
    }
    if (parts->exponent < 0 && parts->exponent >= -MAX_DIVISOR_POWER) {
        *value = divide_by_power(parts->mantissa, (int)-parts->exponent);
        return true;
    }
    return false;
}

static enum decimal_result assemble_slowly(const char *text, int64_t size, double *value) {
    char copy[DECIMAL_MAX_BYTES + 1];
    if (size > DECIMAL_MAX_BYTES) return DECIMAL_TOO_LONG;
    memcpy(copy, text, (size_t)size);
    copy[size] = '\0';
    *value = strtod(copy, NULL); // programs never leave the "C" locale
    return isfinite(*value) ? DECIMAL_OK : DECIMAL_OVERFLOW;
}

enum decimal_result decimal_read(struct decimal *number, const char *text, const char *end) {
    struct parts parts = {0};
    const char *at = text;
    bool negative = at < end && *at == '-';
    const char *digits = at += negative;
    if (!is_digit(at, end)) return DECIMAL_MALFORMED;
    at = read_digits(&parts, at, end, false);
    if (*digits == '0' && at - digits > 1) return DECIMAL_MALFORMED;
    bool plain = true;
    if (at < end && *at == '.') {
        plain = false;
        if (!is_digit(at + 1, end)) return DECIMAL_MALFORMED;
        at = read_digits(&parts, at + 1, end, true);
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        plain = false;
        at = read_exponent(&parts, at + 1, end);
        if (!at) return DECIMAL_MALFORMED;
    }
    double value = 0;
    if (!assemble_fast(&parts, &value)) {
        enum decimal_result result = assemble_slowly(digits, at - digits, &value);
        if (result != DECIMAL_OK) return result;
    }
    number->value = negative ? -value : value;
    number->end = at;
    number->integral = plain && parts.exponent == 0;
    number->magnitude = parts.mantissa;
    number->negative = negative;
    return DECIMAL_OK;
}

static const char *skip_digits(const char *at, const char *end) {
    while (is_digit(at, end))
        at++;
    return at;
}

const char *decimal_skip(const char *text, const char *end) {
    const char *at = text + (text < end && *text == '-');
    const char *digits = at;
    at = skip_digits(at, end);
    if (at == digits || (*digits == '0' && at - digits > 1)) return NULL;
    if (at < end && *at == '.') {
        if (!is_digit(at + 1, end)) return NULL;
        at = skip_digits(at + 1, end);
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '-' || *at == '+')) at++;
        if (!is_digit(at, end)) return NULL;
        at = skip_digits(at, end);
    }
    return at;
}

// The two forms in which COCO's files hold masks: a compressed string and a list of counts.
#include "data/rle_internal.h"

enum {
    FIRST_CHARACTER = 48,
    GROUP_BITS = 5,
    GROUP_MASK = 31, // the bits of the number in a character
    SIGN_BIT = 16,   // in the last group of a number
    MORE_BIT = 32,   // another group follows
    CHARACTER_MASK = 63,
    MAX_SHIFT = 30,  // seven groups hold any difference of two runs
    FIRST_DELTA = 3, // runs from here on are stored as differences
};

static uint32_t character_value(char character) {
    return (uint32_t)(unsigned char)character - FIRST_CHARACTER;
}

static int64_t last_group_value(uint32_t group) {
    return (int64_t)((group & GROUP_MASK) ^ SIGN_BIT) - SIGN_BIT;
}

static enum status wrong_sum(uint64_t sum, int32_t height, int32_t width, struct error *err) {
    return error_set(
        err, STATUS_DATA, "the runs of the mask add up to %llu pixels, expected %d x %d = %lld",
        (unsigned long long)sum, (int)height, (int)width, (long long)height * (long long)width);
}

// Called for a string that is known to be wrong, to say where.
static enum status explain_string(const char *text, int64_t size, const uint32_t *runs,
                                  struct error *err) {
    int64_t run = 0;
    int shift = 0;
    int64_t number = 0;
    for (int64_t i = 0; i < size; i++) {
        uint32_t group = character_value(text[i]);
        if (group > CHARACTER_MASK)
            return error_set(err, STATUS_DATA,
                             "character %lld of the mask string is 0x%02x, expected '0' to 'o'",
                             (long long)i, (unsigned)(unsigned char)text[i]);
        if (shift > MAX_SHIFT)
            return error_set(err, STATUS_DATA,
                             "run %lld of the mask string has more than 7 characters",
                             (long long)run);
        if (group & MORE_BIT) {
            number |= (int64_t)(group & GROUP_MASK) << shift;
            shift += GROUP_BITS;
            continue;
        }
        number += last_group_value(group) * (INT64_C(1) << shift);
        if (run >= FIRST_DELTA) number += runs[run - 2];
        if (number < 0 || number > UINT32_MAX)
            return error_set(err, STATUS_DATA,
                             "run %lld of the mask string is %lld, expected 0 to %u",
                             (long long)run, (long long)number, UINT32_MAX);
        run++;
        shift = 0;
        number = 0;
    }
    return error_set(err, STATUS_DATA, "the mask string ends inside run %lld", (long long)run);
}

// Most numbers have one character, so that case goes straight through; what may be wrong is
// gathered in bits that are looked at once. Differences are taken modulo 2^64, so a run that is
// negative or too large shows in the upper half.
enum status rle_from_string(struct rle *rle, const char *text, int64_t size, int32_t height,
                            int32_t width, struct arena *arena, struct error *err) {
    TRY(rle_check_size(height, width, err));
    uint32_t *runs = NULL; // one for each character will do
    TRY(rle_alloc_runs(&runs, size, arena, err));
    int64_t count = 0;
    uint32_t groups = 0; // all of them, or-ed; the same for the runs
    uint64_t all_runs = 0;
    uint64_t sum = 0;
    uint64_t last = 0; // the run before, and the one before that; 0 where none is to be added
    uint64_t last_but_one = 0;
    for (int64_t i = 0; i < size;) {
        uint32_t group = character_value(text[i++]);
        groups |= group;
        uint64_t run = last_but_one;
        int shift = 0;
        while (group & MORE_BIT) {
            if (i == size || shift == MAX_SHIFT) return explain_string(text, size, runs, err);
            run += (uint64_t)(group & GROUP_MASK) << shift;
            shift += GROUP_BITS;
            group = character_value(text[i++]);
            groups |= group;
        }
        run += (uint64_t)last_group_value(group) << shift;
        runs[count] = (uint32_t)run;
        all_runs |= run;
        sum += run;
        last_but_one = last;
        last = count > 0 ? run : 0;
        count++;
    }
    if (groups > CHARACTER_MASK || all_runs > UINT32_MAX)
        return explain_string(text, size, runs, err);
    if (sum != (uint64_t)height * (uint64_t)width) return wrong_sum(sum, height, width, err);
    *rle = (struct rle){height, width, count, runs};
    return STATUS_OK;
}

void rle_write_string(const struct rle *rle, struct output *out) {
    enum { CHUNK = 512, LONGEST = 7 };
    char chunk[CHUNK];
    int64_t used = 0;
    for (int64_t i = 0; i < rle->num_runs; i++) {
        if (used > CHUNK - LONGEST) {
            output_write(out, chunk, used);
            used = 0;
        }
        int64_t number = rle->runs[i];
        if (i >= FIRST_DELTA) number -= rle->runs[i - 2];
        // The last group is the one whose sign bit says all that remains.
        while (number < -SIGN_BIT || number >= SIGN_BIT) {
            chunk[used++] = (char)(FIRST_CHARACTER + MORE_BIT + (number & GROUP_MASK));
            number >>= GROUP_BITS;
        }
        chunk[used++] = (char)(FIRST_CHARACTER + (number & GROUP_MASK));
    }
    output_write(out, chunk, used);
}

enum status rle_from_counts(struct rle *rle, const int64_t *counts, int64_t num_counts,
                            int32_t height, int32_t width, struct arena *arena, struct error *err) {
    TRY(rle_check_size(height, width, err));
    uint32_t *runs = NULL;
    TRY(rle_alloc_runs(&runs, num_counts, arena, err));
    uint64_t sum = 0;
    for (int64_t i = 0; i < num_counts; i++) {
        if (counts[i] < 0 || counts[i] > UINT32_MAX)
            return error_set(err, STATUS_DATA, "run %lld of the mask is %lld, expected 0 to %u",
                             (long long)i, (long long)counts[i], UINT32_MAX);
        runs[i] = (uint32_t)counts[i];
        sum += runs[i];
    }
    if (sum != (uint64_t)height * (uint64_t)width) return wrong_sum(sum, height, width, err);
    *rle = (struct rle){height, width, num_counts, runs};
    return STATUS_OK;
}

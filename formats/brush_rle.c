#include "formats/brush_rle.h"

#include <string.h>

enum {
    SAMPLES = 4, // of a pixel
    NUM_SIZES = 4,
    SAMPLE_BITS = 8,
    COUNT_BITS = 32,
};

static const int LENGTH_BITS[NUM_SIZES] = {3, 4, 8, 16};

// ---- Writing ----

struct bit_writer {
    struct output *out;
    uint64_t bits;
    int count; // bits that wait, below 8
};

static void put(struct bit_writer *w, uint32_t value, int count) {
    w->bits = w->bits << count | value;
    w->count += count;
    while (w->count >= 8) {
        w->count -= 8;
        const uint8_t byte = (uint8_t)(w->bits >> w->count);
        output_write(w->out, &byte, 1);
    }
}

// So many equal samples, in as few runs as lengths allow.
static void put_run(struct bit_writer *w, int64_t length, uint8_t value) {
    while (length > 0) {
        int size = 0;
        while (size < NUM_SIZES - 1 && length > INT64_C(1) << LENGTH_BITS[size])
            size++;
        int64_t longest = INT64_C(1) << LENGTH_BITS[size];
        int64_t part = length < longest ? length : longest;
        put(w, 1, 1);
        put(w, (uint32_t)size, 2);
        put(w, (uint32_t)(part - 1), LENGTH_BITS[size]);
        put(w, value, SAMPLE_BITS);
        length -= part;
    }
}

enum status brush_rle_write(struct output *out, const struct rle *mask, struct arena *scratch,
                            struct error *err) {
    int64_t num_pixels = (int64_t)mask->height * mask->width;
    if (num_pixels > UINT32_MAX / SAMPLES)
        return error_set(err, STATUS_UNSUPPORTED,
                         "an image of %d x %d pixels is too large for Label Studio's brush",
                         (int)mask->width, (int)mask->height);
    struct arena_mark mark = arena_mark(scratch);
    uint8_t *pixels = arena_alloc(scratch, num_pixels, 1);
    if (!pixels) return error_memory(err, "a mask", num_pixels);
    rle_decode(mask, pixels);
    struct bit_writer w = {.out = out};
    put(&w, (uint32_t)(num_pixels * SAMPLES), COUNT_BITS);
    put(&w, SAMPLE_BITS - 1, 5);
    for (int i = 0; i < NUM_SIZES; i++)
        put(&w, (uint32_t)LENGTH_BITS[i] - 1, 4);
    for (int64_t begin = 0, end = 0; begin < num_pixels; begin = end) {
        const uint8_t *other = memchr(pixels + begin, !pixels[begin], (size_t)(num_pixels - begin));
        end = other ? other - pixels : num_pixels;
        put_run(&w, (end - begin) * SAMPLES, pixels[begin] ? 255 : 0);
    }
    if (w.count > 0) put(&w, 0, 8 - w.count);
    arena_release(scratch, mark);
    return STATUS_OK;
}

// ---- Reading ----

struct bit_reader {
    const uint8_t *bytes;
    int64_t num_bits;
    int64_t at;
};

// The next bits as a number; zeros behind the end.
static uint32_t get(struct bit_reader *r, int count) {
    uint32_t value = 0;
    for (int i = 0; i < count; i++, r->at++) {
        bool set = r->at < r->num_bits && r->bytes[r->at / 8] >> (7 - r->at % 8) & 1;
        value = value << 1 | set;
    }
    return value;
}

// The samples from begin to end have a value: sets the pixels whose fourth sample is among them.
static void set_samples(uint8_t *pixels, int64_t begin, int64_t end, bool value) {
    int64_t first = begin / SAMPLES;
    int64_t last = end / SAMPLES; // one behind the last pixel that ends here
    if (value && first < last) memset(pixels + first, 1, (size_t)(last - first));
}

static enum status read_runs(struct bit_reader *r, const int *length_bits, int sample_bits,
                             int64_t num_samples, uint8_t *pixels, struct error *err) {
    for (int64_t i = 0; i < num_samples;) {
        bool is_repeated = get(r, 1);
        int64_t end = i + 1 + get(r, length_bits[get(r, 2)]);
        if (end > num_samples || r->at >= r->num_bits)
            return error_set(err, STATUS_DATA,
                             "Label Studio's run lengths hold %s than %lld samples",
                             end > num_samples ? "more" : "fewer", (long long)num_samples);
        if (is_repeated) {
            set_samples(pixels, i, end, get(r, sample_bits) != 0);
            i = end;
        } else {
            for (; i < end; i++)
                set_samples(pixels, i, i + 1, get(r, sample_bits) != 0);
        }
    }
    return STATUS_OK;
}

enum status brush_rle_read(struct rle *mask, const uint8_t *bytes, int64_t size, int32_t height,
                           int32_t width, struct arena *arena, struct error *err) {
    struct bit_reader r = {bytes, 8 * size, 0};
    int64_t num_pixels = (int64_t)height * width;
    int length_bits[NUM_SIZES];
    TRY(rle_check_size(height, width, err));
    int64_t num_samples = get(&r, COUNT_BITS);
    int sample_bits = (int)get(&r, 5) + 1;
    for (int i = 0; i < NUM_SIZES; i++)
        length_bits[i] = (int)get(&r, 4) + 1;
    if (num_samples != num_pixels * SAMPLES)
        return error_set(err, STATUS_DATA,
                         "Label Studio's run lengths are of %lld samples, expected 4 x %d x %d",
                         (long long)num_samples, (int)width, (int)height);
    struct arena scratch; // of its own: the mask is to stay in arena, the pixels are not
    arena_init(&scratch, num_pixels + 64, 0);
    uint8_t *pixels = arena_alloc_zero(&scratch, num_pixels, 1);
    enum status status = pixels ? read_runs(&r, length_bits, sample_bits, num_samples, pixels, err)
                                : error_memory(err, "a mask", num_pixels);
    if (status == STATUS_OK) status = rle_encode(mask, pixels, height, width, arena, err);
    arena_destroy(&scratch);
    return status;
}

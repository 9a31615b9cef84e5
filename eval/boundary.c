// Works on the bits of the mask's box, 64 pixels of a column to a word. Eroding by a square is
// eroding by a vertical line, which only shortens runs, and then by a horizontal one, which is the
// AND of neighbouring columns; doubling makes that as many passes as the line's length has bits.
#include "eval/boundary.h"

#include <math.h>

enum { WORD_BITS = 64 };

// The pixels of a box, column by column from its left; a column is padded to whole words.
struct bit_box {
    int64_t left, top; // in the image
    int64_t width, height;
    int64_t num_words; // of a column
    uint64_t *words;   // [width, num_words]
};

static enum status bit_box_init(struct bit_box *bits, const struct coco_box *box,
                                struct arena *arena, struct error *err) {
    *bits = (struct bit_box){
        (int64_t)box->x, (int64_t)box->y, (int64_t)box->width, (int64_t)box->height, 0, NULL};
    bits->num_words = (bits->height + WORD_BITS - 1) / WORD_BITS;
    int64_t count = bits->width * bits->num_words;
    bits->words = arena_alloc_zero(arena, count, sizeof *bits->words);
    if (!bits->words) return error_memory(err, "the boundary of a mask", count * 8);
    return STATUS_OK;
}

// Sets rows top..bottom-1, counted from the box's top, of one column.
static void set_rows(uint64_t *column, int64_t top, int64_t bottom) {
    while (top < bottom) {
        int64_t word = top / WORD_BITS;
        int64_t stop = (word + 1) * WORD_BITS < bottom ? (word + 1) * WORD_BITS : bottom;
        uint64_t ones = UINT64_MAX >> (WORD_BITS - (stop - top));
        column[word] |= ones << (top - word * WORD_BITS);
        top = stop;
    }
}

// Sets the pixels begin..end-1 of the mask, less those within margin of the upper or lower end of
// their run in a column.
static void set_pixels(struct bit_box *bits, int64_t begin, int64_t end, int64_t image_height,
                       int64_t margin) {
    while (begin < end) {
        int64_t x = begin / image_height;
        int64_t column_begin = x * image_height;
        int64_t stop = column_begin + image_height < end ? column_begin + image_height : end;
        set_rows(bits->words + (x - bits->left) * bits->num_words,
                 begin - column_begin - bits->top + margin,
                 stop - column_begin - bits->top - margin);
        begin = stop;
    }
}

// Draws the mask, its runs in each column shortened by margin at both ends.
static void draw_mask(struct bit_box *bits, const struct rle *mask, int64_t margin) {
    int64_t begin = 0; // of what is not drawn yet
    int64_t end = 0;
    int64_t position = 0;
    for (int64_t i = 1; i < mask->num_runs; i += 2) {
        position += mask->runs[i - 1];
        // Only where background lies between two runs do they end: a count may be 0.
        if (position > end) {
            set_pixels(bits, begin, end, mask->height, margin);
            begin = position;
        }
        position += mask->runs[i];
        end = position;
    }
    set_pixels(bits, begin, end, mask->height, margin);
}

// Ands columns[x] with columns[x + step] for as many x as there are.
static void and_columns(struct bit_box *bits, int64_t num_columns, int64_t step) {
    int64_t distance = step * bits->num_words;
    int64_t count = (num_columns - step) * bits->num_words;
    for (int64_t i = 0; i < count; i++)
        bits->words[i] &= bits->words[i + distance];
}

// Makes column x the AND of columns x..x + length - 1; only the first width - length + 1 columns
// have a meaning afterwards.
static void erode_horizontally(struct bit_box *bits, int64_t length) {
    int64_t reach = 1;
    int64_t num_columns = bits->width;
    for (; 2 * reach <= length; reach *= 2) {
        and_columns(bits, num_columns, reach);
        num_columns -= reach;
    }
    if (length > reach) and_columns(bits, num_columns, length - reach);
}

// Clears in bits what the erosion left; column x of eroded belongs to column x + distance.
static void subtract(struct bit_box *bits, const struct bit_box *eroded, int64_t distance) {
    uint64_t *words = bits->words + distance * bits->num_words;
    int64_t count = (bits->width - 2 * distance) * bits->num_words;
    for (int64_t i = 0; i < count; i++)
        words[i] &= ~eroded->words[i];
}

// The runs of a mask while it is written; change is where the last one ended.
struct run_writer {
    uint32_t *runs;
    int64_t count;
    int64_t change;
};

static void end_run(struct run_writer *writer, int64_t position) {
    if (writer->count > 0 && position == writer->change) {
        // Two changes at one place are none: the run before goes on.
        writer->change -= writer->runs[--writer->count];
        return;
    }
    writer->runs[writer->count++] = (uint32_t)(position - writer->change);
    writer->change = position;
}

static void write_column(struct run_writer *writer, const struct bit_box *bits, int64_t x,
                         int64_t image_height) {
    const uint64_t *column = bits->words + x * bits->num_words;
    int64_t origin = (bits->left + x) * image_height + bits->top;
    uint64_t above = 0; // the pixel before the word
    for (int64_t w = 0; w < bits->num_words; w++) {
        uint64_t changes = column[w] ^ (column[w] << 1 | above);
        above = column[w] >> (WORD_BITS - 1);
        for (; changes; changes &= changes - 1)
            end_run(writer, origin + w * WORD_BITS + __builtin_ctzll(changes));
    }
    if (above) end_run(writer, origin + bits->num_words * WORD_BITS);
}

static int64_t count_changes(const struct bit_box *bits) {
    int64_t count = 0;
    for (int64_t x = 0; x < bits->width; x++) {
        uint64_t above = 0;
        for (int64_t w = 0; w < bits->num_words; w++) {
            uint64_t word = bits->words[x * bits->num_words + w];
            count += __builtin_popcountll(word ^ (word << 1 | above));
            above = word >> (WORD_BITS - 1);
        }
        count += above != 0;
    }
    return count;
}

static enum status encode(struct rle *rle, const struct bit_box *bits, int32_t height,
                          int32_t width, struct arena *arena, struct error *err) {
    int64_t capacity = count_changes(bits) + 1;
    uint32_t *runs = arena_alloc(arena, capacity, sizeof *runs);
    if (!runs) return error_memory(err, "the boundary of a mask", capacity * 4);
    struct run_writer writer = {.runs = runs};
    for (int64_t x = 0; x < bits->width; x++)
        write_column(&writer, bits, x, height);
    int64_t num_pixels = (int64_t)height * width;
    if (writer.count == 0 || writer.change < num_pixels)
        runs[writer.count++] = (uint32_t)(num_pixels - writer.change);
    *rle = (struct rle){height, width, writer.count, runs};
    return STATUS_OK;
}

// parity: Python's round, to the even number if there are two.
static int64_t border_width(const struct rle *mask, double dilation_ratio) {
    double height = mask->height;
    double width = mask->width;
    double distance = rint(dilation_ratio * sqrt(height * height + width * width));
    return distance < 1 ? 1 : (int64_t)distance;
}

// scratch holds the bits, arena the runs.
static enum status find_boundary(struct rle *boundary, const struct rle *mask,
                                 double dilation_ratio, struct arena *scratch, struct arena *arena,
                                 struct error *err) {
    struct coco_box box = rle_box(mask);
    int64_t distance = border_width(mask, dilation_ratio);
    *boundary = *mask;
    // Nothing of a mask this thin survives the erosion.
    if (box.width <= 2.0 * (double)distance || box.height <= 2.0 * (double)distance)
        return STATUS_OK;
    struct bit_box bits;
    struct bit_box eroded;
    TRY(bit_box_init(&bits, &box, scratch, err));
    TRY(bit_box_init(&eroded, &box, scratch, err));
    draw_mask(&bits, mask, 0);
    draw_mask(&eroded, mask, distance);
    erode_horizontally(&eroded, 2 * distance + 1);
    subtract(&bits, &eroded, distance);
    return encode(boundary, &bits, mask->height, mask->width, arena, err);
}

enum { SCRATCH_BLOCK_BYTES = 1 << 17 };

enum status boundary_of_mask(struct rle *boundary, const struct rle *mask, double dilation_ratio,
                             struct arena *arena, struct error *err) {
    struct arena scratch;
    arena_init(&scratch, SCRATCH_BLOCK_BYTES, arena->limit_bytes);
    enum status status = find_boundary(boundary, mask, dilation_ratio, &scratch, arena, err);
    arena_destroy(&scratch);
    return status;
}

// Finds the boundary of masks[i] unless that was done before; height 0 says that it was not.
static enum status need_boundary(struct rle *boundaries, const struct rle *masks, int64_t i,
                                 double dilation_ratio, struct arena *scratch, struct arena *arena,
                                 struct error *err) {
    if (boundaries[i].height) return STATUS_OK;
    struct arena_mark mark = arena_mark(scratch);
    enum status status =
        find_boundary(&boundaries[i], &masks[i], dilation_ratio, scratch, arena, err);
    arena_release(scratch, mark);
    return status;
}

static enum status lower_ious(double *ious, const struct rle *found, int64_t num_found,
                              const struct rle *truths, const bool *crowds, int64_t num_truths,
                              double dilation_ratio, struct arena *scratch, struct arena *arena,
                              struct error *err) {
    struct rle *found_borders = arena_alloc_zero(arena, num_found, sizeof *found_borders);
    struct rle *truth_borders = arena_alloc_zero(arena, num_truths, sizeof *truth_borders);
    if (!found_borders || !truth_borders)
        return error_memory(err, "boundaries", (num_found + num_truths) * 24);
    for (int64_t f = 0; f < num_found; f++) {
        for (int64_t t = 0; t < num_truths; t++) {
            double *iou = &ious[f * num_truths + t];
            // parity: crowd regions are judged by the masks alone.
            if (crowds[t] || *iou <= 0) continue;
            TRY(need_boundary(found_borders, found, f, dilation_ratio, scratch, arena, err));
            TRY(need_boundary(truth_borders, truths, t, dilation_ratio, scratch, arena, err));
            double border_iou = rle_iou(&found_borders[f], &truth_borders[t], false);
            if (border_iou < *iou) *iou = border_iou;
        }
    }
    return STATUS_OK;
}

enum status boundary_lower_ious(double *ious, const struct rle *found, int64_t num_found,
                                const struct rle *truths, const bool *crowds, int64_t num_truths,
                                double dilation_ratio, struct arena *arena, struct error *err) {
    struct arena scratch;
    arena_init(&scratch, SCRATCH_BLOCK_BYTES, 0);
    enum status status = lower_ious(ious, found, num_found, truths, crowds, num_truths,
                                    dilation_ratio, &scratch, arena, err);
    arena_destroy(&scratch);
    return status;
}

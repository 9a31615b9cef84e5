// Group normalisation on the CPU. An image is cut into parts, whose number follows from its size
// alone; a part is what a thread works on, and small enough for its cache. An image of one part, as
// the maps of RoIs are, is measured and written while it is in the cache; of a larger one, first
// all parts are measured, then all are written.

#include <string.h>

#include "nn/columns.h"
#include "nn/device.h"
#include "nn/fetch.h"
#include "nn/group_norm/group_norm.h"
#include "nn/group_norm/group_norm_math.h"
#include "nn/rows.h"
#include "nn/vectorised.h"

enum {
    PART_FLOATS = 64 * 1024,  // at least, unless that is all of the image
    MAX_PARTS = 64,           // of one image
    BLOCK_FLOATS = 16 * 1024, // that are summed in float before the sums go on in double,
    BLOCK_ROWS = 64,          // or the floats of so many rows
    SHIFT_ROWS = 8,           // whose mean distances are taken from
    LOADS = 64,               // pieces that all parts are dealt into, for threads
    WORK_ARRAYS = 4,          // of c floats, for each load
};

struct cut {
    int64_t n, rows, c, groups;
    int64_t parts; // of each image
};

struct part {
    int64_t image;
    int64_t rows;
    int64_t at; // the first float
};

static struct cut cut_of(const struct tensor *x, int64_t groups) {
    int64_t parts = x->h * x->w * x->c / PART_FLOATS;
    if (parts < 1) parts = 1;
    if (parts > MAX_PARTS) parts = MAX_PARTS;
    return (struct cut){x->n, x->h * x->w, x->c, groups, parts};
}

static struct part part_of(const struct cut *cut, int64_t index) {
    int64_t image = index / cut->parts;
    int64_t part = index % cut->parts;
    int64_t begin = cut->rows * part / cut->parts;
    int64_t end = cut->rows * (part + 1) / cut->parts;
    return (struct part){image, end - begin, (image * cut->rows + begin) * cut->c};
}

// The first part of a load.
static int64_t load_begin(const struct cut *cut, int64_t load) {
    return cut->n * cut->parts * load / LOADS;
}

static bool worth_threads(const struct cut *cut) {
    return cut->n * cut->rows * cut->c > ROWS_WORTH_A_THREAD;
}

// ---- Forward ----

struct forward {
    const struct group_norm_call *call;
    struct cut cut;
    struct moments *moments; // [parts of all images, groups]
};

// shifts[j] = the mean of column j.
VECTORISED static void average(const float *restrict x, int64_t rows, int64_t c,
                               float *restrict shifts) {
    for (int64_t j = 0; j < c; j++)
        shifts[j] = 0;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t j = 0; j < c; j++)
            shifts[j] += x[row * c + j];
    for (int64_t j = 0; j < c; j++)
        shifts[j] /= (float)rows;
}

// offsets[j] and squares[j]: the sums of column j's distances from shifts[j] and of their squares.
VECTORISED static void measure_block(const float *restrict x, int64_t rows, int64_t c,
                                     const float *restrict shifts, float *restrict offsets,
                                     float *restrict squares) {
    for (int64_t j = 0; j < c; j++)
        offsets[j] = squares[j] = 0;
    int64_t row = 0;
    for (; row + 4 <= rows; row += 4) {
        const float *four = x + row * c;
        for (int64_t j = 0; j < c; j++) {
            float d0 = four[j] - shifts[j];
            float d1 = four[j + c] - shifts[j];
            float d2 = four[j + 2 * c] - shifts[j];
            float d3 = four[j + 3 * c] - shifts[j];
            offsets[j] += (d0 + d1) + (d2 + d3);
            squares[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
        }
    }
    for (; row < rows; row++) {
        for (int64_t j = 0; j < c; j++) {
            float distance = x[row * c + j] - shifts[j];
            offsets[j] += distance;
            squares[j] += distance * distance;
        }
    }
}

// Of the size columns of a group, from what measure_block found.
static struct moments group_moments(int64_t rows, int64_t size, const float *shifts,
                                    const float *offsets, const float *squares) {
    double count = (double)rows;
    double share = 1 / count;
    double total = 0;
    for (int64_t j = 0; j < size; j++)
        total += (double)shifts[j] + (double)offsets[j] * share;
    double mean = total / (double)size;
    double sum = 0;
    for (int64_t j = 0; j < size; j++) {
        double offset = (double)offsets[j];
        double distance = (double)shifts[j] + offset * share - mean;
        sum += (double)squares[j] - offset * offset * share + count * distance * distance;
    }
    return (struct moments){count * (double)size, mean, sum};
}

// Distances are taken from the means of the part's first rows. Those are values that the image has,
// so that distances from them are large only where its variance is: nothing cancels.
static void measure(const struct forward *f, int64_t index, float *work) {
    const struct cut *cut = &f->cut;
    const float *x = f->call->call.inputs[0]->data;
    struct part part = part_of(cut, index);
    struct moments *moments = f->moments + index * cut->groups;
    int64_t c = cut->c;
    int64_t size = c / cut->groups;
    int64_t block = BLOCK_FLOATS / c > BLOCK_ROWS ? BLOCK_FLOATS / c : BLOCK_ROWS;
    int64_t num_blocks = part.rows / block > 1 ? part.rows / block : 1;
    float *shifts = work;
    float *offsets = work + c;
    float *squares = work + 2 * c;
    memset(moments, 0, (size_t)cut->groups * sizeof *moments);
    for (int64_t b = 0; b < num_blocks; b++) {
        int64_t row = part.rows * b / num_blocks;
        int64_t rows = part.rows * (b + 1) / num_blocks - row;
        fetch(x + part.at + row * c, rows * c);
        if (b == 0) average(x + part.at, rows < SHIFT_ROWS ? rows : SHIFT_ROWS, c, shifts);
        measure_block(x + part.at + row * c, rows, c, shifts, offsets, squares);
        for (int64_t g = 0; g < cut->groups; g++) {
            int64_t j = g * size;
            moments[g] = moments_merge(
                moments[g], group_moments(rows, size, shifts + j, offsets + j, squares + j));
        }
    }
}

// The statistics of an image all of whose parts are measured.
static void conclude(const struct forward *f, int64_t image) {
    const struct cut *cut = &f->cut;
    const struct moments *moments = f->moments + image * cut->parts * cut->groups;
    float *statistics = f->call->statistics + image * cut->groups * 2;
    for (int64_t g = 0; g < cut->groups; g++) {
        struct moments all = {0};
        for (int64_t p = 0; p < cut->parts; p++)
            all = moments_merge(all, moments[p * cut->groups + g]);
        statistics[2 * g] = (float)all.mean;
        statistics[2 * g + 1] =
            (float)moments_inverse_deviation(all, (double)f->call->norm->epsilon);
    }
}

VECTORISED static void normalise(const float *restrict x, const float *restrict means,
                                 const float *restrict scales, const float *restrict biases,
                                 const float *restrict residual, float floor, int64_t rows,
                                 int64_t c, float *restrict y) {
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t j = 0; j < c; j++) {
            int64_t at = row * c + j;
            float value = (x[at] - means[j]) * scales[j] + biases[j];
            if (residual) value += residual[at];
            y[at] = value < floor ? floor : value; // a NaN stays one
        }
    }
}

static void write_part(const struct forward *f, int64_t index, float *work) {
    const struct cut *cut = &f->cut;
    const struct group_norm_call *call = f->call;
    struct part part = part_of(cut, index);
    const float *statistics = call->statistics + part.image * cut->groups * 2;
    float *means = work;
    float *scales = work + cut->c;
    int64_t size = cut->c / cut->groups;
    for (int64_t j = 0; j < cut->c; j++) {
        means[j] = statistics[j / size * 2];
        scales[j] = call->norm->weight->data[j] * statistics[j / size * 2 + 1];
    }
    normalise(call->call.inputs[0]->data + part.at, means, scales, call->norm->bias->data,
              call->residual ? call->residual->data + part.at : NULL, call->relu ? 0 : -INFINITY,
              part.rows, cut->c, call->call.out->data + part.at);
}

static void run_forward(const struct forward *f, float *work) {
    const struct cut *cut = &f->cut;
    bool whole = cut->parts == 1;
#pragma omp parallel for schedule(static) if (worth_threads(cut))
    for (int64_t load = 0; load < LOADS; load++) {
        float *own = work + load * WORK_ARRAYS * cut->c;
        for (int64_t i = load_begin(cut, load); i < load_begin(cut, load + 1); i++) {
            measure(f, i, own);
            if (!whole) continue;
            conclude(f, i);
            write_part(f, i, own);
        }
    }
    if (whole) return;
    for (int64_t image = 0; image < cut->n; image++)
        conclude(f, image);
#pragma omp parallel for schedule(static)
    for (int64_t load = 0; load < LOADS; load++)
        for (int64_t i = load_begin(cut, load); i < load_begin(cut, load + 1); i++)
            write_part(f, i, work + load * WORK_ARRAYS * cut->c);
}

void cpu_group_norm_forward(struct nn *nn, struct call *base) {
    struct group_norm_call *call = (struct group_norm_call *)base;
    struct forward f = {.call = call, .cut = cut_of(base->inputs[0], call->norm->groups)};
    const struct cut *cut = &f.cut;
    int64_t moments_floats = (int64_t)(sizeof(struct moments) / sizeof(float));
    call->statistics = nn_scratch(nn, cut->n * cut->groups * 2);
    float *moments = nn_scratch(nn, cut->n * cut->parts * cut->groups * moments_floats);
    float *work = nn_scratch(nn, LOADS * WORK_ARRAYS * cut->c);
    if (nn_failed(nn)) return;
    f.moments = (struct moments *)(void *)moments;
    run_forward(&f, work);
    nn_scratch_free(nn, work);
    nn_scratch_free(nn, moments);
    if (nn->mode == NN_INFERENCE) {
        nn_scratch_free(nn, call->statistics);
        call->statistics = NULL;
    }
}

// ---- Backward ----

struct backward {
    const struct group_norm_call *call;
    struct cut cut;
    float *partial; // [parts of all images, 2, c]: the sums of dy and of dy (x - mean)
    float *sums;    // [n, 2, c]: what each image adds to dbias and dweight
    float *grad;    // dx; NULL if nobody asks
    bool add;
};

VECTORISED static void sum_block(const float *restrict x, const float *restrict dy,
                                 const float *restrict means, int64_t rows, int64_t c,
                                 float *restrict sums, float *restrict dots) {
    int64_t row = 0;
    for (; row + 4 <= rows; row += 4) {
        const float *x4 = x + row * c;
        const float *dy4 = dy + row * c;
        for (int64_t j = 0; j < c; j++) {
            float g0 = dy4[j];
            float g1 = dy4[j + c];
            float g2 = dy4[j + 2 * c];
            float g3 = dy4[j + 3 * c];
            sums[j] += (g0 + g1) + (g2 + g3);
            dots[j] += (g0 * (x4[j] - means[j]) + g1 * (x4[j + c] - means[j])) +
                       (g2 * (x4[j + 2 * c] - means[j]) + g3 * (x4[j + 3 * c] - means[j]));
        }
    }
    for (; row < rows; row++) {
        for (int64_t j = 0; j < c; j++) {
            sums[j] += dy[row * c + j];
            dots[j] += dy[row * c + j] * (x[row * c + j] - means[j]);
        }
    }
}

static void sum_part(const struct backward *b, int64_t index, float *work) {
    const struct cut *cut = &b->cut;
    struct part part = part_of(cut, index);
    const float *statistics = b->call->statistics + part.image * cut->groups * 2;
    float *sums = b->partial + index * 2 * cut->c;
    int64_t size = cut->c / cut->groups;
    for (int64_t j = 0; j < cut->c; j++)
        work[j] = statistics[j / size * 2];
    memset(sums, 0, (size_t)(2 * cut->c) * sizeof *sums);
    int64_t block = FETCH_FLOATS / cut->c + 1;
    for (int64_t row = 0; row < part.rows; row += block) {
        int64_t rows = row + block < part.rows ? block : part.rows - row;
        const float *x = b->call->call.inputs[0]->data + part.at + row * cut->c;
        const float *dy = b->call->call.out->grad + part.at + row * cut->c;
        fetch(x, rows * cut->c);
        fetch(dy, rows * cut->c);
        sum_block(x, dy, work, rows, cut->c, sums, sums + cut->c);
    }
}

// The sums of an image from those of its parts.
static void gather(const struct backward *b, int64_t image) {
    const struct cut *cut = &b->cut;
    const float *statistics = b->call->statistics + image * cut->groups * 2;
    const float *partial = b->partial + image * cut->parts * 2 * cut->c;
    float *sums = b->sums + image * 2 * cut->c;
    int64_t size = cut->c / cut->groups;
    for (int64_t j = 0; j < cut->c; j++) {
        double sum = 0;
        double dot = 0;
        for (int64_t p = 0; p < cut->parts; p++) {
            sum += (double)partial[p * 2 * cut->c + j];
            dot += (double)partial[(p * 2 + 1) * cut->c + j];
        }
        sums[j] = (float)sum;
        sums[cut->c + j] = (float)(dot * (double)statistics[j / size * 2 + 1]);
    }
}

// grad = (add ? grad : 0) + dy scales - (levels + (x - means) slopes)
VECTORISED static void pull(const float *restrict x, const float *restrict dy,
                            const float *restrict factors, int64_t rows, int64_t c, bool add,
                            float *restrict grad) {
    const float *means = factors;
    const float *scales = factors + c;
    const float *levels = factors + 2 * c;
    const float *slopes = factors + 3 * c;
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t j = 0; j < c; j++) {
            int64_t at = row * c + j;
            float value = dy[at] * scales[j] - (levels[j] + (x[at] - means[j]) * slopes[j]);
            grad[at] = add ? grad[at] + value : value;
        }
    }
}

static void pull_part(const struct backward *b, int64_t index, float *work) {
    const struct cut *cut = &b->cut;
    struct part part = part_of(cut, index);
    const float *weights = b->call->norm->weight->data;
    const float *statistics = b->call->statistics + part.image * cut->groups * 2;
    const float *sums = b->sums + part.image * 2 * cut->c;
    int64_t c = cut->c;
    int64_t size = c / cut->groups;
    double count = (double)(cut->rows * size);
    for (int64_t g = 0; g < cut->groups; g++) {
        double inverse = (double)statistics[2 * g + 1];
        double total = 0; // sum of dt
        double along = 0; // sum of dt t
        for (int64_t j = g * size; j < (g + 1) * size; j++) {
            total += (double)weights[j] * (double)sums[j];
            along += (double)weights[j] * (double)sums[c + j];
        }
        for (int64_t j = g * size; j < (g + 1) * size; j++) {
            work[j] = statistics[2 * g];
            work[c + j] = weights[j] * statistics[2 * g + 1];
            work[2 * c + j] = (float)(total / count * inverse);
            work[3 * c + j] = (float)(along / count * inverse * inverse);
        }
    }
    pull(b->call->call.inputs[0]->data + part.at, b->call->call.out->grad + part.at, work,
         part.rows, c, b->add, b->grad + part.at);
}

static void run_backward(const struct backward *b, float *work) {
    const struct cut *cut = &b->cut;
    bool whole = cut->parts == 1;
#pragma omp parallel for schedule(static) if (worth_threads(cut))
    for (int64_t load = 0; load < LOADS; load++) {
        float *own = work + load * WORK_ARRAYS * cut->c;
        for (int64_t i = load_begin(cut, load); i < load_begin(cut, load + 1); i++) {
            sum_part(b, i, own);
            if (!whole) continue;
            gather(b, i);
            if (b->grad) pull_part(b, i, own);
        }
    }
    if (whole) return;
    for (int64_t image = 0; image < cut->n; image++)
        gather(b, image);
    if (!b->grad) return;
#pragma omp parallel for schedule(static)
    for (int64_t load = 0; load < LOADS; load++)
        for (int64_t i = load_begin(cut, load); i < load_begin(cut, load + 1); i++)
            pull_part(b, i, work + load * WORK_ARRAYS * cut->c);
}

// Adds what all images say to the gradients of the parameters.
static void accumulate(struct nn *nn, const struct group_norm *norm, const float *sums, int64_t n,
                       float *totals) {
    int64_t c = norm->channels;
    columns_reduce(nn, COLUMNS_SUM, sums, NULL, 1, n, 2 * c, totals);
    if (nn_failed(nn)) return;
    if (norm->bias->grad) rows_add(totals, c, norm->bias->grad);
    if (norm->weight->grad) rows_add(totals + c, c, norm->weight->grad);
}

void cpu_group_norm_backward(struct nn *nn, struct call *base) {
    struct group_norm_call *call = (struct group_norm_call *)base;
    struct tensor *x = base->inputs[0];
    rows_relu_gradient(base->out, call->relu);
    if (base->trains || x->wants_grad) {
        struct backward b = {.call = call, .cut = cut_of(x, call->norm->groups)};
        const struct cut *cut = &b.cut;
        b.partial = nn_scratch(nn, cut->n * cut->parts * 2 * cut->c);
        b.sums = nn_scratch(nn, cut->n * 2 * cut->c);
        float *work = nn_scratch(nn, LOADS * WORK_ARRAYS * cut->c);
        b.grad = nn_grad(nn, x, &b.add);
        if (nn_failed(nn)) return;
        run_backward(&b, work);
        accumulate(nn, call->norm, b.sums, cut->n, work);
        nn_scratch_free(nn, work);
        nn_scratch_free(nn, b.sums);
        nn_scratch_free(nn, b.partial);
    }
    nn_scratch_free(nn, call->statistics);
    call->statistics = NULL;
    rows_residual_gradient(nn, base->out, call->residual);
}

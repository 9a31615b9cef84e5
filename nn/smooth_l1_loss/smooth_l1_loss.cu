#include "nn/cuda/loss.h"

extern "C" {
#include "nn/smooth_l1_loss/smooth_l1_loss.h"
#include "nn/smooth_l1_loss/smooth_l1_math.h"
}

struct problem {
    int64_t rows, num_groups;
    float beta, scale;
    const float *predictions, *targets, *weights;
    const int32_t *groups;
};

static struct problem problem_of(struct operands *o, const struct smooth_l1_loss_call *call) {
    const struct box_targets *targets = &call->targets;
    return problem{call->rows,
                   targets->num_groups,
                   call->beta,
                   call->scale,
                   call->call.inputs[0]->data,
                   operand_in(o, targets->targets, 4 * call->rows),
                   operand_in(o, targets->weights, call->rows),
                   operand_in(o, targets->groups, call->rows)};
}

static __device__ float weight_of(const struct problem &p, int64_t row) {
    return p.weights ? p.weights[row] : 1;
}

// Where the four predictions of a row that count begin.
static __device__ int64_t group_of(const struct problem &p, int64_t row) {
    return (row * p.num_groups + (p.groups ? p.groups[row] : 0)) * 4;
}

static __global__ void __launch_bounds__(LOSS_THREADS) sum_rows(struct problem p, double *parts) {
    int64_t end = loss_piece(p.rows, blockIdx.x + 1);
    double total = 0;
    for (int64_t row = loss_piece(p.rows, blockIdx.x) + threadIdx.x; row < end; row += blockDim.x) {
        float weight = weight_of(p, row);
        if (weight == 0) continue;
        const float *x = p.predictions + group_of(p, row);
        for (int64_t j = 0; j < 4; j++)
            total += (double)weight * (double)smooth_l1(x[j] - p.targets[4 * row + j], p.beta);
    }
    total = block_sum(total);
    if (threadIdx.x == 0) parts[blockIdx.x] = total;
}

void cuda_smooth_l1_loss_forward(struct nn *nn, struct call *base) {
    const struct smooth_l1_loss_call *call = (const struct smooth_l1_loss_call *)base;
    struct operands o = {.nn = nn};
    struct problem problem = problem_of(&o, call);
    double *parts = cuda_loss_parts(nn);
    LAUNCH(nn, sum_rows, LOSS_PARTS, LOSS_THREADS, 0, problem, parts);
    cuda_loss_write(nn, parts, call->scale, base->out);
    nn_scratch_free(nn, parts);
    operands_end(&o);
}

// So many lanes for each row, which go through the predictions that count, or through all.
static __global__ void __launch_bounds__(BLOCK_THREADS)
    row_gradients(struct problem p, bool add, unsigned lanes, float *grad) {
    int64_t row = global_index() / lanes;
    if (row >= p.rows) return;
    float weight = weight_of(p, row);
    if (add && weight == 0) return; // its group may be none
    int64_t at = group_of(p, row);
    int64_t begin = add ? at : 4 * row * p.num_groups;
    int64_t end = add ? at + 4 : begin + 4 * p.num_groups;
    for (int64_t j = begin + threadIdx.x % lanes; j < end; j += lanes) {
        float slope = 0;
        if (weight != 0 && j >= at && j < at + 4)
            slope = p.scale * weight *
                    smooth_l1_slope(p.predictions[j] - p.targets[4 * row + j - at], p.beta);
        grad[j] = add ? grad[j] + slope : slope;
    }
}

void cuda_smooth_l1_loss_backward(struct nn *nn, struct call *base) {
    const struct smooth_l1_loss_call *call = (const struct smooth_l1_loss_call *)base;
    bool add = false;
    float *grad = nn_grad(nn, base->inputs[0], &add);
    if (!grad || call->rows == 0) return;
    struct operands o = {.nn = nn};
    struct problem problem = problem_of(&o, call);
    unsigned lanes = loss_lanes(add ? 4 : 4 * problem.num_groups);
    LAUNCH(nn, row_gradients, blocks_for(call->rows * lanes, BLOCK_THREADS), BLOCK_THREADS, 0,
           problem, add, lanes, grad);
    operands_end(&o);
}

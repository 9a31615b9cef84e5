#include "nn/conv/conv_pack.h"

#include "nn/cuda/columns_kernel.h"
#include "nn/cuda/packs.h"
#include "nn/cuda/tiles.h"
#include "nn/gate/gate_kernel.h"

extern "C" {
#include "nn/conv/conv_cuts.h"
}

struct layout {
    int64_t count, taps, channels; // kernel^2; in / groups
    int64_t outputs, groups;       // outputs of a group
};

static struct layout layout_of(const struct conv *conv) {
    return layout{conv->weight->count, conv->kernel * conv->kernel,
                  conv->in_channels / conv->groups, conv->out_channels / conv->groups,
                  conv->groups};
}

// Of a 3 x 3 convolution the nine weights of a channel lie side by side in the parameter and far
// from each other where they are packed. A line of lanes turns those of one output in shared
// memory, so that all of the device's memory is read and written in the order in which it lies.
static constexpr int ANY_TAPS = 0;
static constexpr int NINE_TAPS = 9;

// ---- Packing ----

static __device__ float gate_of(const struct layout &l, const float *gates, int64_t out,
                                int64_t channel) {
    return gates ? gates[out / l.outputs * l.channels + channel] : 1;
}

template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    pack_any(const float *weights, struct layout l, const float *norm, const float *gates,
             Number *packed) {
    int64_t i = global_index();
    if (i >= l.count) return;
    int64_t channel = i % l.channels;
    int64_t tap = i / l.channels % l.taps;
    int64_t out = i / l.channels / l.taps;
    float factor = (norm ? norm[out] : 1) * gate_of(l, gates, out, channel);
    packed[i] = rounded<Number>(weights[(out * l.channels + channel) * l.taps + tap] * factor);
}

// One tap, channels a multiple of PACKED_AT_ONCE.
enum { PACKED_AT_ONCE = 4 };

template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    pack_one(const pack<float, PACKED_AT_ONCE> *weights, struct layout l, const float *norm,
             const float *gates, pack<Number, PACKED_AT_ONCE> *packed) {
    int64_t i = global_index();
    unsigned first = (unsigned)i * PACKED_AT_ONCE;
    if (first >= l.count) return;
    unsigned out = first / (unsigned)l.channels;
    unsigned channel = first % (unsigned)l.channels;
    pack<float, PACKED_AT_ONCE> values = weights[i];
    pack<Number, PACKED_AT_ONCE> result;
    for (int k = 0; k < PACKED_AT_ONCE; k++)
        result.set(k,
                   values.get(k) * ((norm ? norm[out] : 1) * gate_of(l, gates, out, channel + k)));
    packed[i] = result;
}

// A line of threads for each output.
template <class Number>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    pack_nine(const float *weights, struct layout l, const float *norm, const float *gates,
              Number *packed) {
    __shared__ float tile[BLOCK_THREADS * NINE_TAPS];
    int64_t lanes = blockDim.x;
    float *own = tile + threadIdx.y * lanes * NINE_TAPS;
    int64_t out = (int64_t)blockIdx.y * blockDim.y + threadIdx.y;
    int64_t first = blockIdx.x * lanes;
    int64_t channel = first + threadIdx.x;
    bool is_output = out < l.outputs * l.groups;
    for (int k = 0; k < NINE_TAPS; k++) {
        int64_t at = threadIdx.x + k * lanes;
        if (is_output && first * NINE_TAPS + at < l.channels * NINE_TAPS)
            own[at] = weights[(out * l.channels + first) * NINE_TAPS + at];
    }
    __syncwarp();
    if (!is_output || channel >= l.channels) return;
    float factor = (norm ? norm[out] : 1) * gate_of(l, gates, out, channel);
    for (int k = 0; k < NINE_TAPS; k++)
        packed[(out * NINE_TAPS + k) * l.channels + channel] =
            rounded<Number>(own[threadIdx.x * NINE_TAPS + k] * factor);
}

template <class Number>
static void run_pack(struct nn *nn, const struct layout &l, numbers weights, const float *norm,
                     const float *gates, struct numbers packed) {
    typedef pack<float, PACKED_AT_ONCE> From;
    typedef pack<Number, PACKED_AT_ONCE> To;
    const float *from = weights.as<float>();
    if (l.taps == NINE_TAPS) {
        unsigned lanes = (unsigned)tile_columns(l.channels);
        dim3 block(lanes, BLOCK_THREADS / lanes);
        dim3 grid(blocks_for(l.channels, lanes), blocks_for(l.outputs * l.groups, block.y));
        LAUNCH(nn, (pack_nine<Number>), grid, block, 0, from, l, norm, gates, packed.as<Number>());
    } else if (l.taps == 1 && l.channels % PACKED_AT_ONCE == 0 && begins_pack(from) &&
               begins_pack(packed.data)) {
        CHECK(l.count <= INT32_MAX);
        LAUNCH(nn, (pack_one<Number>), blocks_for(l.count / PACKED_AT_ONCE, BLOCK_THREADS),
               BLOCK_THREADS, 0, (const From *)weights.as<From>(), l, norm, gates, packed.as<To>());
    } else {
        LAUNCH(nn, (pack_any<Number>), blocks_for(l.count, BLOCK_THREADS), BLOCK_THREADS, 0, from,
               l, norm, gates, packed.as<Number>());
    }
}

void cuda_conv_pack(struct nn *nn, const struct conv *conv, const float *norm, const float *gates,
                    struct numbers packed) {
    struct operands o = {.nn = nn};
    const float *weights = operand_values(&o, conv->weight);
    with_type(packed.type, [&](auto number) {
        using Number = decltype(number);
        run_pack<Number>(nn, layout_of(conv), weights, norm, gates, packed);
    });
    operands_end(&o);
}

// ---- Gradients ----

// grad [out, in / groups, taps], NULL if it is not wanted, += packed [out, taps, in / groups] times
// norm and gates.
struct unpacking {
    struct layout l;
    const float *packed, *weights;
    const float *norm, *gates;
    float *grad;
};

// What comes after: opened[in], made of parts [pieces, in], and from there on.
struct gate_end {
    struct gate_view gate;
    const float *embeddings;
    struct gate_targets targets;
    float *parts, *opened, *pull;
    bool add_pull;
    unsigned *ticket;
};

enum { UNPACKED_AT_ONCE = 4 };

// A thread's outputs and taps of its channel; returns the sum of norm W packed.
template <bool GATED>
static __device__ float unpack_rows(const struct unpacking &u, int64_t group, int64_t channel,
                                    float gate) {
    const struct layout &l = u.l;
    int64_t step = (int64_t)gridDim.y * blockDim.y;
    int64_t rows = l.outputs * l.taps;
    float dot = 0;
    for (int64_t row = (int64_t)blockIdx.y * blockDim.y + threadIdx.y; row < rows;
         row += UNPACKED_AT_ONCE * step) {
        float d[UNPACKED_AT_ONCE], w[UNPACKED_AT_ONCE], old[UNPACKED_AT_ONCE];
        float scale[UNPACKED_AT_ONCE];
        int64_t at[UNPACKED_AT_ONCE];
        for (int i = 0; i < UNPACKED_AT_ONCE; i++) {
            int64_t own = group * rows + row + i * step;
            bool is_row = row + i * step < rows;
            int64_t out = l.taps == 1 ? own : own / l.taps;
            int64_t tap = l.taps == 1 ? 0 : own % l.taps;
            at[i] = is_row ? (out * l.channels + channel) * l.taps + tap : -1;
            d[i] = is_row ? u.packed[own * l.channels + channel] : 0;
            w[i] = GATED && is_row ? u.weights[at[i]] : 0;
            old[i] = is_row && u.grad ? u.grad[at[i]] : 0;
            scale[i] = is_row && u.norm ? u.norm[out] : 1;
        }
        for (int i = 0; i < UNPACKED_AT_ONCE; i++) {
            dot += w[i] * scale[i] * d[i];
            if (at[i] >= 0 && u.grad) u.grad[at[i]] = old[i] + d[i] * (scale[i] * gate);
        }
    }
    return dot;
}

// The same of nine taps: the lanes of a line turn the weights of an output.
template <bool GATED>
static __device__ float unpack_nine(const struct unpacking &u, int64_t group, int64_t channel,
                                    float gate) {
    __shared__ float tile[BLOCK_THREADS * NINE_TAPS];
    const struct layout &l = u.l;
    int64_t lanes = blockDim.x;
    float *own = tile + threadIdx.y * lanes * NINE_TAPS;
    int64_t chunk = blockIdx.x * lanes;
    int64_t end = (l.channels - chunk) * NINE_TAPS;
    float dot = 0;
    for (int64_t first = (int64_t)blockIdx.y * blockDim.y; first < l.outputs;
         first += (int64_t)gridDim.y * blockDim.y) {
        bool is_output = first + threadIdx.y < l.outputs;
        int64_t out = group * l.outputs + first + threadIdx.y;
        int64_t base = (out * l.channels + chunk) * NINE_TAPS;
        bool works = is_output && channel < l.channels;
        float scale = is_output && u.norm ? u.norm[out] : 1;
        float d[NINE_TAPS], old[NINE_TAPS];
        for (int k = 0; k < NINE_TAPS; k++) {
            int64_t at = threadIdx.x + k * lanes;
            bool is_weight = is_output && at < end;
            if (GATED && is_weight) own[at] = u.weights[base + at];
            old[k] = u.grad && is_weight ? u.grad[base + at] : 0;
            d[k] = works ? u.packed[(out * NINE_TAPS + k) * l.channels + channel] : 0;
        }
        __syncwarp();
        for (int k = 0; k < NINE_TAPS && works; k++) {
            float *place = own + threadIdx.x * NINE_TAPS + k;
            if (GATED) dot += *place * scale * d[k];
            *place = d[k] * (scale * gate);
        }
        __syncwarp();
        for (int k = 0; k < NINE_TAPS && u.grad; k++) {
            int64_t at = threadIdx.x + k * lanes;
            if (is_output && at < end) u.grad[base + at] = old[k] + own[at];
        }
        __syncwarp(); // others read what this thread writes to next
    }
    return dot;
}

// opened[c] from what each thread found, and the gates' gradients; the last block goes on.
static __device__ void unpack_end(const struct unpacking &u, const struct gate_end &end,
                                  int64_t group, int64_t channel, float dot) {
    __shared__ float found[BLOCK_THREADS];
    int64_t in = u.l.channels * u.l.groups;
    found[thread_number()] = dot;
    __syncthreads();
    if (threadIdx.y == 0 && channel < u.l.channels) {
        double total = 0;
        for (unsigned line = 0; line < blockDim.y; line++)
            total += (double)found[line * blockDim.x + threadIdx.x];
        end.parts[blockIdx.y * in + group * u.l.channels + channel] = (float)total;
    }
    if (!is_last_block(end.ticket, gridDim.x * gridDim.y * gridDim.z)) return;
    if (in % 4 == 0)
        column_join_parts<COLUMNS_SUM, 4>(end.parts, gridDim.y, in, false, end.opened);
    else
        column_join_parts<COLUMNS_SUM, 1>(end.parts, gridDim.y, in, false, end.opened);
    close_gates_of(end.gate, end.embeddings, end.opened, end.targets, end.add_pull, end.pull);
}

template <int TAPS, bool GATED>
static __global__ void __launch_bounds__(BLOCK_THREADS)
    unpack(struct unpacking u, struct gate_end end) {
    int64_t group = blockIdx.z;
    int64_t channel = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    bool is_channel = channel < u.l.channels;
    float gate = GATED && is_channel ? u.gates[group * u.l.channels + channel] : 1;
    float dot = 0;
    if (TAPS == NINE_TAPS)
        dot = unpack_nine<GATED>(u, group, channel, gate);
    else if (is_channel)
        dot = unpack_rows<GATED>(u, group, channel, gate);
    if (GATED) unpack_end(u, end, group, channel, dot);
}

template <bool GATED>
static void run_unpack(struct nn *nn, const struct conv *conv, const struct unpacking &u,
                       const struct gate_end &end) {
    struct conv_cuts cuts = conv_cuts_of(conv);
    dim3 grid((unsigned)cuts.chunks, (unsigned)cuts.pieces, (unsigned)conv->groups);
    dim3 block((unsigned)cuts.lanes, (unsigned)cuts.lines);
    if (u.l.taps == NINE_TAPS)
        LAUNCH(nn, (unpack<NINE_TAPS, GATED>), grid, block, 0, u, end);
    else
        LAUNCH(nn, (unpack<ANY_TAPS, GATED>), grid, block, 0, u, end);
}

void cuda_conv_unpack(struct nn *nn, const struct conv *conv, const float *packed,
                      const float *norm) {
    struct operands o = {.nn = nn};
    struct unpacking u = {
        layout_of(conv), packed, NULL, norm, NULL, operand_gradient(&o, conv->weight)};
    if (u.grad) run_unpack<false>(nn, conv, u, gate_end{});
    operands_end(&o);
}

void cuda_conv_unpack_gated(struct nn *nn, const struct conv *conv, const float *packed,
                            const float *norm, const struct conv_gates *gates) {
    struct operands o = {.nn = nn};
    int64_t in = conv->in_channels;
    float *opened = nn_scratch(nn, (1 + conv_cuts_of(conv).pieces) * in);
    if (nn_failed(nn)) return;
    struct unpacking u = {layout_of(conv),
                          packed,
                          operand_values(&o, conv->weight),
                          norm,
                          gates->gates,
                          operand_gradient(&o, conv->weight)};
    struct gate_end end = {gate_view_of(&o, conv->gate),
                           gates->embeddings,
                           gate_targets_of(&o, conv->gate),
                           opened + in,
                           opened,
                           gates->pull,
                           gates->add_pull,
                           cuda_tickets(nn)};
    run_unpack<true>(nn, conv, u, end);
    operands_end(&o);
    nn_scratch_free(nn, opened);
}

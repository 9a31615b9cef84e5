#include "tests/cuda/faults.h"

#include <cstdlib>

#include <cuda.h>

#include "nn/cuda/block.h"
#include "tests/cuda/emulator/stream.h"
#include "tests/cuda/emulator/stream_calls.h"

namespace {

constexpr int COUNT = 256;

// Memory of the device that the host may read, too.
struct numbers {
    int *data = nullptr;

    explicit numbers(int count) {
        cudaMallocManaged((void **)&data, (size_t)count * sizeof *data);
        for (int i = 0; i < count; i++)
            data[i] = i;
    }
    ~numbers() {
        cudaFree(data);
    }
};

// Each thread's number of a block is put in the place of the opposite one.
__global__ void turn(int *data, bool with_barrier) {
    __shared__ int shared[COUNT];
    shared[threadIdx.x] = data[threadIdx.x];
    if (with_barrier) __syncthreads();
    data[threadIdx.x] = shared[COUNT - 1 - threadIdx.x];
}

bool turned(bool with_barrier) {
    numbers n(COUNT);
    numbers before(COUNT);
    // What shared memory held before must not pass for a result.
    GPU_LAUNCH(turn, 1, COUNT, 0, nullptr, before.data, true);
    for (int i = 0; i < COUNT; i++)
        n.data[i] = 1000 + i;
    GPU_LAUNCH(turn, 1, COUNT, 0, nullptr, n.data, with_barrier);
    for (int i = 0; i < COUNT; i++)
        if (n.data[i] != 1000 + COUNT - 1 - i) return false;
    return true;
}

__global__ void count_votes(int *data) {
    unsigned lane = threadIdx.x % 32;
    unsigned half = lane < 16 ? 0xffffu : 0xffff0000u;
    int sum = (int)lane;
    for (int by = 8; by > 0; by /= 2)
        sum += __shfl_xor_sync(half, sum, by);
    unsigned odd = __ballot_sync(0xffffffffu, lane % 2 == 1);
    int next = __shfl_down_sync(0xffffffffu, (int)lane, 1u);
    data[threadIdx.x] = sum + (odd == 0xaaaaaaaau ? 1000 : 0) + next * 10000;
}

// Each block writes its numbers; one adds all up: the last one to come, or that with the highest
// number.
__global__ void add_up(int *data, int *sum, unsigned *ticket, bool by_ticket) {
    bool is_last = blockIdx.x == gridDim.x - 1;
    data[blockIdx.x] = 1;
    if (by_ticket) is_last = is_last_block(ticket, gridDim.x);
    if (!is_last || threadIdx.x > 0) return;
    *sum = 0;
    for (unsigned i = 0; i < gridDim.x; i++)
        *sum += data[i];
}

__global__ void write_at(int *data, int at) {
    if (threadIdx.x == 3) data[at] = 1;
}

__global__ void read_at(const int *data, int at, int *out) {
    out[threadIdx.x] = data[at];
}

__global__ void write_shared(int *data, int count) {
    GPU_DYNAMIC_SHARED(int, shared);
    shared[threadIdx.x] = count;
    shared[count] = 0;
    data[threadIdx.x] = shared[threadIdx.x];
}

__global__ void shuffle(int *data, unsigned mask, int source) {
    if (threadIdx.x < 8) data[threadIdx.x] = __shfl_sync(mask, data[threadIdx.x], source);
    __syncthreads();
}

__global__ void wait_apart(int *data) {
    if (threadIdx.x % 2) {
        __syncthreads();
        data[threadIdx.x] = 0;
    } else {
        data[threadIdx.x] = 1;
        __syncthreads();
    }
}

__global__ void wait_after_end(int *data) {
    if (threadIdx.x == 5) return;
    data[threadIdx.x] = 0;
    __syncthreads();
}

__global__ void add_one(int *data) {
    data[threadIdx.x]++;
}

__global__ void copy(const int *data, int *out) {
    out[threadIdx.x] = data[threadIdx.x];
}

} // namespace

bool turn_with_barrier(void) {
    return turned(true);
}

bool turn_without_barrier(void) {
    return turned(false);
}

bool ballots_and_shuffles(void) {
    numbers n(64);
    GPU_LAUNCH(count_votes, 1, 64, 0, nullptr, n.data);
    for (int i = 0; i < 64; i++) {
        int lane = i % 32;
        int next = lane == 31 ? 31 : lane + 1;
        if (n.data[i] != (lane < 16 ? 120 : 376) + 1000 + next * 10000) return false;
    }
    return true;
}

// Twice, as the ticket must be as it was.
static bool added_up(bool by_ticket) {
    numbers n(COUNT);
    numbers sum(1);
    numbers ticket(1);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < COUNT; k++)
            n.data[k] = 0;
        GPU_LAUNCH(add_up, COUNT, 32, 0, nullptr, n.data, sum.data, (unsigned *)ticket.data,
                   by_ticket);
        if (sum.data[0] != COUNT || ticket.data[0] != 0) return false;
    }
    return true;
}

bool last_block_adds_up(void) {
    return added_up(true);
}

bool some_block_adds_up(void) {
    return added_up(false);
}

bool write_behind_end(void) {
    numbers n(COUNT);
    GPU_LAUNCH(write_at, 1, 32, 0, nullptr, n.data, COUNT);
    return true;
}

bool read_before_begin(void) {
    numbers n(1024); // whole pages, so that nothing fills up the first
    numbers out(32);
    GPU_LAUNCH(read_at, 1, 32, 0, nullptr, (const int *)n.data, -1, out.data);
    return true;
}

bool shared_behind_end(void) {
    numbers n(COUNT);
    GPU_LAUNCH(write_shared, 1, COUNT, COUNT * sizeof(int), nullptr, n.data, COUNT);
    return true;
}

bool shuffle_with_absent(void) {
    numbers n(32);
    GPU_LAUNCH(shuffle, 1, 32, 0, nullptr, n.data, 0x1ffu, 0);
    return true;
}

bool shuffle_from_stranger(void) {
    numbers n(32);
    GPU_LAUNCH(shuffle, 1, 32, 0, nullptr, n.data, 0xffu, 9);
    return true;
}

bool barrier_in_a_branch(void) {
    numbers n(COUNT);
    GPU_LAUNCH(wait_apart, 1, COUNT, 0, nullptr, n.data);
    return true;
}

bool barrier_after_an_end(void) {
    numbers n(COUNT);
    GPU_LAUNCH(wait_after_end, 1, COUNT, 0, nullptr, n.data);
    return true;
}

bool host_pointer(void) {
    int data[32] = {0};
    GPU_LAUNCH(add_one, 1, 32, 0, nullptr, data);
    return true;
}

bool host_reads_device(void) {
    int *data = nullptr;
    cudaMalloc((void **)&data, 32 * sizeof *data);
    GPU_LAUNCH(add_one, 1, 32, 0, nullptr, data);
    return data[0] == 0;
}

// Launches whose work the emulator puts off.
static void defer() {
    setenv("CUDA_EMULATOR_LAUNCH", "deferred", 1);
}

// Device memory that is mapped in two pieces.
struct mapped {
    static constexpr size_t PIECE = 2 << 20;
    CUdeviceptr begin = 0;

    mapped() {
        const CUmemLocation location = {CU_MEM_LOCATION_TYPE_DEVICE, 0};
        const CUmemAccessDesc access = {location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
        CUmemAllocationProp kind = {};
        kind.type = CU_MEM_ALLOCATION_TYPE_PINNED;
        kind.location = location;
        cuMemAddressReserve(&begin, 4 * PIECE, 0, 0, 0);
        for (int i = 0; i < 2; i++) {
            CUmemGenericAllocationHandle piece = 0;
            cuMemCreate(&piece, PIECE, &kind, 0);
            cuMemMap(at(i), PIECE, 0, piece, 0);
            cuMemRelease(piece);
            cuMemSetAccess(at(i), PIECE, &access, 1);
        }
    }
    ~mapped() {
        for (int i = 0; i < 2; i++)
            cuMemUnmap(at(i), PIECE);
        cuMemAddressFree(begin, 4 * PIECE);
    }
    CUdeviceptr at(int piece) const {
        return begin + (CUdeviceptr)piece * PIECE;
    }
    int *data() const {
        return reinterpret_cast<int *>(begin);
    }
};

// Across the border of the pieces, and all of it is free in the end.
bool use_mapped(void) {
    size_t before = 0;
    size_t after = 0;
    size_t total = 0;
    int one = 41;
    int pair[2] = {0, 0};
    cudaMemGetInfo(&before, &total);
    {
        mapped m;
        int *border = m.data() + mapped::PIECE / sizeof(int);
        cudaMemcpyAsync(border, &one, sizeof one, cudaMemcpyDefault, nullptr);
        GPU_LAUNCH(add_one, 1, 2, 0, nullptr, border - 1);
        cudaMemcpyAsync(pair, border - 1, sizeof pair, cudaMemcpyDefault, nullptr);
        cudaMemGetInfo(&after, &total);
        if (after != before - 2 * mapped::PIECE) return false;
    }
    cudaMemGetInfo(&after, &total);
    return pair[0] == 0 && pair[1] == 42 && after == before;
}

bool host_reads_mapped(void) {
    mapped m;
    GPU_LAUNCH(add_one, 1, 32, 0, nullptr, m.data());
    return m.data()[0] == 0;
}

bool write_behind_mapped(void) {
    mapped m;
    GPU_LAUNCH(write_at, 1, 32, 0, nullptr, m.data(), (int)(2 * mapped::PIECE / sizeof(int)));
    return true;
}

// What a copy brings to pinned memory is there when the program has waited.
bool read_pinned(bool waits) {
    numbers n(COUNT);
    int *data = nullptr;
    cudaMallocHost((void **)&data, sizeof *data);
    data[0] = 1;
    defer();
    cudaMemcpyAsync(data, n.data + 1, sizeof *data, cudaMemcpyDefault, nullptr);
    if (waits) cudaStreamSynchronize(nullptr);
    bool is_there = data[0] == 1;
    cudaFreeHost(data);
    return is_there;
}

bool uninitialised(void) {
    int *data = nullptr;
    cudaMallocManaged((void **)&data, 32 * sizeof *data);
    GPU_LAUNCH(add_one, 1, 32, 0, nullptr, data);
    return data[0] == 1;
}

bool too_many_threads(void) {
    numbers n(2048);
    GPU_LAUNCH(add_one, 1, 2048, 0, nullptr, n.data);
    return true;
}

bool read_after_waiting(void) {
    numbers n(COUNT);
    int64_t before = emulator_count("waits");
    defer();
    GPU_LAUNCH(add_one, 1, COUNT, 0, nullptr, n.data);
    GPU_LAUNCH(add_one, 1, COUNT, 0, nullptr, n.data);
    cudaStreamSynchronize(nullptr);
    cudaStreamSynchronize(nullptr);
    return n.data[1] == 3 && emulator_count("waits") == before + 1;
}

// What a copy takes from the program's memory, and brings there, is there when it returns.
bool copy_before_changing(void) {
    numbers n(COUNT);
    int one = 41;
    int other = 0;
    defer();
    cudaMemcpyAsync(n.data + 1, &one, sizeof one, cudaMemcpyDefault, nullptr);
    one = 0;
    GPU_LAUNCH(add_one, 1, COUNT, 0, nullptr, n.data);
    cudaMemcpyAsync(&other, n.data + 1, sizeof one, cudaMemcpyDefault, nullptr);
    return other == 42;
}

bool read_without_waiting(void) {
    numbers n(COUNT);
    defer();
    GPU_LAUNCH(add_one, 1, COUNT, 0, nullptr, n.data);
    return n.data[1] == 2;
}

bool write_without_waiting(void) {
    numbers n(COUNT);
    numbers other(COUNT);
    defer();
    GPU_LAUNCH(add_one, 1, COUNT, 0, nullptr, n.data);
    other.data[1] = 2;
    return true;
}

bool foreign_stream(void) {
    numbers n(COUNT);
    cudaStream_t stream = nullptr;
    setenv("CUDA_EMULATOR_DEVICES", "2", 1);
    cudaSetDevice(1);
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    cudaSetDevice(0);
    GPU_LAUNCH(add_one, 1, COUNT, 0, stream, n.data);
    return true;
}

namespace {

// Two streams, with an event to be recorded in the one that the other waits for.
struct streams {
    cudaStream_t maker = nullptr;
    cudaStream_t user = nullptr;
    cudaEvent_t event = nullptr;

    streams() {
        cudaStreamCreateWithFlags(&maker, cudaStreamNonBlocking);
        cudaStreamCreateWithFlags(&user, cudaStreamNonBlocking);
        cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    }
    ~streams() {
        cudaEventDestroy(event);
        cudaStreamDestroy(maker);
        cudaStreamDestroy(user);
    }
    void make_wait(cudaStream_t waits, cudaStream_t for_whom) {
        cudaEventRecord(event, for_whom);
        cudaStreamWaitEvent(waits, event);
    }
};

bool used(bool waits_for_maker, bool waits_for_user) {
    numbers n(COUNT);
    numbers out(COUNT);
    streams s;
    defer();
    GPU_LAUNCH(add_one, 1, COUNT, 0, s.maker, n.data);
    if (waits_for_maker) s.make_wait(s.user, s.maker);
    GPU_LAUNCH(copy, 1, COUNT, 0, s.user, (const int *)n.data, out.data);
    if (waits_for_maker) {
        if (waits_for_user) s.make_wait(s.maker, s.user);
        GPU_LAUNCH(add_one, 1, COUNT, 0, s.maker, n.data);
        cudaStreamSynchronize(s.maker);
    }
    cudaStreamSynchronize(s.user);
    cudaStreamSynchronize(s.maker);
    return out.data[1] == 2 && n.data[1] == (waits_for_maker ? 3 : 2);
}

} // namespace

bool used_and_changed_with_events(void) {
    return used(true, true);
}

bool used_without_event(void) {
    return used(false, false);
}

bool changed_without_event(void) {
    return used(true, false);
}

bool asked_until_done(void) {
    numbers n(COUNT);
    streams s;
    defer();
    GPU_LAUNCH(add_one, 1, COUNT, 0, s.maker, n.data);
    s.make_wait(s.user, s.maker);
    GPU_LAUNCH(add_one, 1, COUNT, 0, s.user, n.data);
    cudaEventRecord(s.event, s.user);
    bool noted = cudaEventQuery(s.event) == cudaErrorNotReady &&
                 cudaGetLastError() == cudaErrorNotReady && cudaGetLastError() == cudaSuccess;
    while (cudaEventQuery(s.event) == cudaErrorNotReady)
        cudaGetLastError();
    return noted && n.data[1] == 3;
}

namespace {

bool turn_sign(void *data) {
    int *number = static_cast<int *>(data);
    *number = -*number;
    return true;
}

// Memory is touched while a library, which a stream is given to, has yet to do its work.
bool touch(bool what_it_uses) {
    numbers used(COUNT);
    numbers other(COUNT);
    streams s;
    defer();
    const emulated_stream_calls *calls = *reinterpret_cast<emulated_stream_calls **>(s.user);
    calls->enqueue(s.user, turn_sign, used.data + 1, used.data);
    other.data[1] = 5;
    if (what_it_uses) used.data[1] = 5;
    cudaStreamSynchronize(s.user);
    return other.data[1] == 5 && used.data[1] == -1;
}

} // namespace

bool touch_beside_library(void) {
    return touch(false);
}

bool touch_what_library_uses(void) {
    return touch(true);
}

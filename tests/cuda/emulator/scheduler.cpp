// Runs the threads of one block after another, each on a fiber until it has to wait.
//
// A fiber takes the next thread that has not begun, runs it, takes the next; only where a thread
// waits, at a barrier or for its warp, does another fiber go on: one that begins threads until all
// have begun, then those of threads that need not wait any more, in turn. So kernels without
// barriers are plain loops. A thread that waits for what can never come is a report, with the lines
// where all wait.

#include <csignal>
#include <cstdlib>
#include <unistd.h>
#include <vector>

#include "cuda_runtime.h"
#include "fiber.h"
#include "memory.h"
#include "order.h"
#include "stream.h"

emulated_thread *emulated;
emulated_block emulated_place;

namespace {

constexpr unsigned LANES = 32;
constexpr unsigned GROUPS = 4; // of one warp's lanes that exchange at the same time
constexpr size_t MAX_VALUE_BYTES = 16;
constexpr size_t MAX_SHARED_BYTES = 227 * 1024;
constexpr unsigned MAX_THREADS = 1024;

enum class state { done, ready, at_barrier, in_exchange }; // done: or not begun yet

struct thread {
    emulated_thread seen;
    state now = state::done;
    int line = 0;
    fiber *runs_on = nullptr;
};

// Lanes that exchange values. Two sets of slots, so that one meeting is enough: whoever comes back
// for the next exchange does not disturb who has not read yet.
struct group {
    unsigned mask = 0; // 0: free
    unsigned arrived = 0;
    unsigned left_to_read = 0;
    unsigned generation = 0;
    int line = 0;
    struct meeting {
        unsigned present;
        unsigned char slots[LANES][MAX_VALUE_BYTES];
    } meetings[2];
};

struct warp {
    unsigned alive = 0;
    unsigned in_exchange = 0;
    group groups[GROUPS]; // all free between blocks
};

struct launch {
    const char *kernel;
    dim3 grid, block;
    const std::function<void()> *body;
};

struct block {
    launch what;
    std::vector<thread> threads;
    std::vector<warp> warps;
    std::vector<unsigned> order;
    size_t next = 0; // of order, to begin
    size_t turn = 0; // of order, to go on
    size_t num_done = 0;
    size_t num_at_barrier = 0;
    size_t running = 0; // index of the thread that runs
};

block now;
fiber *program;
fiber *starting; // a new one that is switched to
std::vector<fiber *> free_fibers;

void shuffle(std::vector<unsigned> &order) {
    for (size_t i = order.size(); i > 1; i--)
        std::swap(order[i - 1], order[emulator_random_below(static_cast<unsigned>(i))]);
}

void set_order(std::vector<unsigned> &order, size_t count, sequence sequence) {
    order.resize(count);
    for (size_t i = 0; i < count; i++)
        order[i] = static_cast<unsigned>(sequence == sequence::reverse ? count - 1 - i : i);
    if (sequence == sequence::random) shuffle(order);
}

[[noreturn]] void fail(const char *what) {
    fprintf(stderr, "emulator: %s: %s\n", now.what.kernel, what);
    for (const thread &t : now.threads) {
        if (t.now != state::at_barrier && t.now != state::in_exchange) continue;
        fprintf(stderr, "  block (%u, %u, %u) thread (%u, %u, %u) waits at line %d, %s\n",
                blockIdx.x, blockIdx.y, blockIdx.z, t.seen.index.x, t.seen.index.y, t.seen.index.z,
                t.line, t.now == state::at_barrier ? "at a barrier" : "for its warp");
    }
    abort();
}

// ---- Waiting ----

void run_threads();

// The fiber that is to run while another waits.
fiber *next_fiber() {
    if (now.next < now.threads.size()) {
        if (free_fibers.empty()) free_fibers.push_back(fiber_create(run_threads));
        starting = free_fibers.back();
        free_fibers.pop_back();
        return starting;
    }
    for (size_t i = 0; i < now.order.size(); i++) {
        const thread &t = now.threads[now.order[now.turn]];
        now.turn = now.turn + 1 < now.order.size() ? now.turn + 1 : 0;
        if (t.now != state::ready) continue;
        fiber_expect(now.threads[now.order[now.turn]].runs_on);
        return t.runs_on;
    }
    fail("deadlock");
}

void wait() {
    size_t self = now.running;
    fiber *own = now.threads[self].runs_on;
    fiber *next = next_fiber();
    if (next != own) fiber_switch(own, next);
    now.running = self;
    emulated = &now.threads[self].seen;
}

void release_barrier() {
    if (now.num_done > 0) fail("a barrier after some threads of the block have ended");
    int line = now.threads[0].line;
    for (const thread &t : now.threads)
        if (t.line != line) fail("threads wait at different barriers");
    for (thread &t : now.threads)
        t.now = state::ready;
    now.num_at_barrier = 0;
}

unsigned warp_of(size_t thread) {
    return static_cast<unsigned>(thread / LANES);
}

// All lanes of the group that still live are there: they may read.
void release_if_complete(unsigned warp_index, group &g) {
    warp &w = now.warps[warp_index];
    if (!g.arrived || (g.arrived & w.alive) != (g.mask & w.alive)) return;
    for (unsigned lane = 0; lane < LANES; lane++)
        if (g.arrived >> lane & 1) now.threads[warp_index * LANES + lane].now = state::ready;
    w.in_exchange &= ~g.arrived;
    g.left_to_read = g.meetings[g.generation & 1].present = g.arrived;
    g.arrived = 0;
    g.generation++;
}

group &group_of(warp &w, unsigned mask, int line) {
    group *unused = nullptr;
    for (group &g : w.groups) {
        if (g.mask == mask) {
            if (g.arrived && g.line != line) fail("lanes of a warp exchange at different lines");
            return g;
        }
        if (g.mask && g.arrived && (g.mask & mask)) fail("masks of a warp's exchanges overlap");
        if (!g.arrived && !g.left_to_read && !unused) unused = &g;
    }
    if (!unused) fail("too many groups of lanes at a time");
    unused->mask = mask;
    return *unused;
}

// Deposits value and waits for the other lanes of mask.
const group::meeting &meet(unsigned mask, const void *value, size_t bytes, int line) {
    if (bytes > MAX_VALUE_BYTES) fail("too large a value to exchange");
    size_t self = now.running;
    thread &t = now.threads[self];
    unsigned bit = 1u << t.seen.lane;
    t.line = line;
    if (!(mask & bit)) fail("a lane exchanges that its mask does not name");
    warp &w = now.warps[warp_of(self)];
    group &g = group_of(w, mask, line);
    group::meeting &meeting = g.meetings[g.generation & 1];
    memcpy(meeting.slots[t.seen.lane], value, bytes);
    g.line = line;
    g.arrived |= bit;
    w.in_exchange |= bit;
    t.now = state::in_exchange;
    release_if_complete(warp_of(self), g);
    wait();
    g.left_to_read &= ~bit;
    if (!g.left_to_read && !g.arrived) g.mask = 0;
    return meeting;
}

// ---- Running ----

void end_thread(size_t index) {
    thread &t = now.threads[index];
    t.now = state::done;
    now.num_done++;
    warp &w = now.warps[warp_of(index)];
    w.alive &= ~(1u << t.seen.lane);
    if (w.in_exchange)
        for (group &g : w.groups)
            release_if_complete(warp_of(index), g);
    if (now.num_at_barrier && now.num_at_barrier == now.threads.size() - now.num_done)
        release_barrier();
}

// What every fiber does for ever.
void run_threads() {
    fiber *self = starting;
    for (;;) {
        while (now.next < now.threads.size()) {
            size_t index = now.order[now.next++];
            thread &t = now.threads[index];
            t.runs_on = self;
            t.now = state::ready;
            now.running = index;
            emulated = &t.seen;
            (*now.what.body)();
            end_thread(index);
        }
        fiber *next = now.num_done == now.threads.size() ? program : next_fiber();
        free_fibers.push_back(self);
        fiber_switch(self, next);
    }
}

void set_threads() {
    const dim3 &size = now.what.block;
    size_t count = static_cast<size_t>(size.x) * size.y * size.z;
    now.threads.assign(count, thread{});
    now.warps.resize((count + LANES - 1) / LANES);
    for (size_t i = 0; i < count; i++) {
        unsigned number = static_cast<unsigned>(i);
        uint3 place = {number % size.x, number / size.x % size.y, number / size.x / size.y};
        now.threads[i].seen = {place, number % LANES};
    }
}

void run_block(uint3 index) {
    emulated_place.index = index;
    now.next = now.turn = now.num_done = now.num_at_barrier = 0;
    for (size_t i = 0; i < now.warps.size(); i++) {
        size_t lanes = now.threads.size() - i * LANES;
        now.warps[i].alive = lanes >= LANES ? ~0u : (1u << lanes) - 1;
    }
    fiber_switch(program, next_fiber());
}

void check_configuration(size_t shared_bytes) {
    const dim3 &grid = now.what.grid;
    const dim3 &block = now.what.block;
    size_t threads = static_cast<size_t>(block.x) * block.y * block.z;
    if (threads == 0 || threads > MAX_THREADS || block.z > 64) fail("a block of a wrong size");
    if (grid.x == 0 || grid.x > INT32_MAX || grid.y == 0 || grid.y > 65535 || grid.z == 0 ||
        grid.z > 65535)
        fail("a grid of a wrong size");
    if (shared_bytes > MAX_SHARED_BYTES) fail("too much dynamic shared memory");
}

// ---- Faults ----

void write_text(const char *text) {
    if (write(STDERR_FILENO, text, strlen(text)) < 0) _exit(139);
}

void on_fault(int, siginfo_t *info, void *) {
    char text[256];
    if (emulated)
        snprintf(text, sizeof text,
                 "emulator: %s: block (%u, %u, %u) thread (%u, %u, %u) reads or writes outside of "
                 "all memory at %p\n",
                 now.what.kernel, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y,
                 threadIdx.z, info->si_addr);
    else
        snprintf(text, sizeof text, "emulator: host code touches %s at %p\n",
                 emulator_is_managed_memory(info->si_addr)
                     ? "managed memory without waiting for the device"
                 : emulator_is_device_memory(info->si_addr) ? "device memory"
                                                            : "no memory",
                 info->si_addr);
    write_text(text);
    _exit(139);
}

void catch_faults() {
    static char stack[64 * 1024];
    stack_t place = {};
    sigaltstack(nullptr, &place);
    // Sanitizers have a stack there already, and free what they find when a thread ends.
    if (place.ss_flags & SS_DISABLE) {
        place = {};
        place.ss_sp = stack;
        place.ss_size = sizeof stack;
        sigaltstack(&place, nullptr);
    }
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGBUS, &action, nullptr);
}

uint32_t num_run;

void run(const launch &what, size_t shared_bytes) {
    now.what = what;
    num_run++;
    check_configuration(shared_bytes);
    void *shared = nullptr;
    if (shared_bytes) shared = emulator_allocate_for_block(shared_bytes);
    emulator_open_device_memory(true);
    set_threads();
    emulated_place = {{}, what.block, what.grid, shared};
    sequence sequence = emulator_sequence();
    std::vector<unsigned> order;
    const dim3 &grid = what.grid;
    set_order(order, static_cast<size_t>(grid.x) * grid.y * grid.z, sequence);
    set_order(now.order, now.threads.size(), sequence);
    for (unsigned i : order) {
        if (shared) memset(shared, 0xFF, shared_bytes);
        if (sequence == sequence::random) shuffle(now.order);
        run_block({i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y});
    }
    emulated = nullptr;
    emulator_open_device_memory(false);
    if (shared) cudaFree(shared);
}

} // namespace

uint32_t emulator_running_launch() {
    return num_run;
}

void emulator_launch(cudaStream_t stream, const char *kernel, dim3 grid, dim3 block_size,
                     size_t shared_bytes, const std::function<void()> &body) {
    const emulator_turn turn;
    if (!program) {
        program = fiber_of_program();
        catch_faults();
    }
    emulator_counted.launches++;
    emulator_enqueue(stream, [=] { run({kernel, grid, block_size, &body}, shared_bytes); });
}

void emulator_check_pointer(const char *kernel, int argument, const void *pointer) {
    if (!pointer || emulator_is_device_memory(pointer)) return;
    fprintf(stderr, "emulator: %s: argument %d is a pointer to host memory\n", kernel, argument);
    abort();
}

void emulator_barrier(int line) {
    thread &t = now.threads[now.running];
    t.now = state::at_barrier;
    t.line = line;
    if (++now.num_at_barrier == now.threads.size() - now.num_done) release_barrier();
    wait();
}

void emulator_exchange(unsigned mask, const void *value, void *result, size_t bytes,
                       unsigned source, int line) {
    const group::meeting &meeting = meet(mask, value, bytes, line);
    if (source >= LANES || !(meeting.present >> source & 1))
        fail("a lane reads from one that takes no part in the exchange");
    memcpy(result, meeting.slots[source], bytes);
}

unsigned emulator_ballot(unsigned mask, bool vote, int line) {
    unsigned char own = vote;
    const group::meeting &meeting = meet(mask, &own, sizeof own, line);
    unsigned votes = 0;
    for (unsigned lane = 0; lane < LANES; lane++)
        if (meeting.present >> lane & meeting.slots[lane][0] & 1) votes |= 1u << lane;
    return votes;
}

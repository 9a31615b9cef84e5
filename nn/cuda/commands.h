// What the context's stream is to be given: kernels, copies, products. Each is a command, which is
// kept in a list until the list is long enough or somebody waits, and then handed over with the
// others: in the order in which they came, and where the same list comes again and again, as one
// graph (graphs.h).
//
// A command reads nothing of the program's memory but itself, so that equal bytes mean equal work,
// and that it does not matter when the stream gets it. What does read there (a copy from or to the
// program's own arrays) flushes the list and goes to the stream itself.
#pragma once

#include "nn/cuda/gpu.h"

#include <array>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <type_traits>
#include <utility>

extern "C" {
#include "nn/nn.h"
}

struct commands; // of a context

// What all commands begin with; behind it comes what run needs.
struct command {
    enum status (*run)(const struct command *command, cudaStream_t stream, struct error *err);
    const char *name; // a constant
    int64_t bytes;    // with what is behind it
};

// at_once: no list and no graphs; each command goes to the stream when it comes.
MUST_CHECK enum status commands_open(struct commands **commands, cudaStream_t stream, bool at_once,
                                     struct error *err);
void commands_close(struct commands *commands); // what it still holds never runs; NULL is fine

// A copy of the command goes to the list. What fails is nn's failure.
void commands_add(struct nn *nn, const struct command *command);
// Hands the list over to the stream. After a failure the rest of it is gone.
MUST_CHECK enum status commands_flush(struct commands *commands, struct error *err);

struct commands *cuda_commands(const struct nn *nn);
// The context's stream, to which the list has been handed over.
cudaStream_t cuda_stream(struct nn *nn);

// ---- What commands are made of ----

enum { COMMAND_ALIGNMENT = 16 };
constexpr size_t command_round(size_t bytes, size_t alignment) {
    return (bytes + alignment - 1) / alignment * alignment;
}

constexpr size_t COMMAND_HEAD_BYTES = command_round(sizeof(struct command), COMMAND_ALIGNMENT);

template <class Work>
enum status command_run(const struct command *command, cudaStream_t stream, struct error *err) {
    const char *work = reinterpret_cast<const char *>(command) + COMMAND_HEAD_BYTES;
    return (*reinterpret_cast<const Work *>(work))(stream, err);
}

// work(stream, err) puts something on the stream, where there is no failure yet. It has no padding,
// or what is equal may not look it, and is no graph.
template <class Work> void command_add(struct nn *nn, const char *name, const Work &work) {
    static_assert(std::is_trivially_copyable_v<Work> && alignof(Work) <= COMMAND_ALIGNMENT);
    constexpr size_t BYTES = command_round(COMMAND_HEAD_BYTES + sizeof work, COMMAND_ALIGNMENT);
    alignas(COMMAND_ALIGNMENT) char bytes[BYTES] = {};
    const struct command head = {command_run<Work>, name, BYTES};
    memcpy(bytes, &head, sizeof head);
    memcpy(bytes + COMMAND_HEAD_BYTES, &work, sizeof work);
    commands_add(nn, reinterpret_cast<const struct command *>(bytes));
}

// The same of work that may be refused as long as it has not been done: then, unless it has_run, it
// is tried when the stream has all that came before. False, with err, if it was refused.
template <class Work>
bool command_try(struct nn *nn, const char *name, bool has_run, const Work &work,
                 struct error *err) {
    if (!has_run) {
        cudaStream_t stream = cuda_stream(nn);
        return nn_failed(nn) || work(stream, err) == STATUS_OK;
    }
    command_add(nn, name, work);
    return true;
}

// ---- Kernels ----

// The status of the launch before.
enum status command_launched(const char *name, struct error *err);

// A kernel and its arguments, one behind the other with zeros between them.
template <class... Parameters> struct kernel_launch {
    using offsets_of = std::array<size_t, sizeof...(Parameters) + 1>;

    static constexpr offsets_of find_offsets() {
        offsets_of offsets = {};
        size_t number = 0;
        size_t end = 0;
        ((offsets[number++] = command_round(end, alignof(Parameters)),
          end = command_round(end, alignof(Parameters)) + sizeof(Parameters)),
         ...);
        offsets[number] = command_round(end, COMMAND_ALIGNMENT);
        return offsets;
    }

    static constexpr offsets_of OFFSETS = find_offsets();

    void (*kernel)(Parameters...);
    const char *name;
    dim3 grid, block;
    size_t shared_bytes;
    alignas(COMMAND_ALIGNMENT) char arguments[OFFSETS.back()];

    template <size_t... Number>
    void store(std::index_sequence<Number...>, const Parameters &...values) {
        (memcpy(arguments + OFFSETS[Number], &values, sizeof values), ...);
    }

    template <size_t... Number>
    void launch(std::index_sequence<Number...>, cudaStream_t stream) const {
        GPU_LAUNCH_AS(name, kernel, grid, block, shared_bytes, stream,
                      *reinterpret_cast<const Parameters *>(arguments + OFFSETS[Number])...);
    }

    enum status operator()(cudaStream_t stream, struct error *err) const {
        launch(std::index_sequence_for<Parameters...>(), stream);
        return command_launched(name, err);
    }
};

template <class... Parameters>
void command_launch(struct nn *nn, const char *name, void (*kernel)(Parameters...), dim3 grid,
                    dim3 block, size_t shared_bytes, std::type_identity_t<Parameters>... values) {
    kernel_launch<Parameters...> launch = {kernel, name, grid, block, shared_bytes, {}};
    launch.store(std::index_sequence_for<Parameters...>(), values...);
    command_add(nn, name, launch);
}

#include "nn/cuda/commands.h"

#include <new>
#include <vector>

#include "nn/cuda/devices.h"
#include "nn/cuda/graphs.h"
#include "nn/cuda/kernel.h"

// The device has nothing to do after a wait, so the first list is short; the longer the next ones
// are, the fewer calls.
enum { FIRST_LENGTH = 8, MAX_LENGTH = 128 };

struct commands {
    cudaStream_t stream;
    struct graphs *graphs;
    bool at_once;
    int length; // of the list, when it is handed over
    int count;
    std::vector<char> list; // as a struct command_list
};

enum status commands_open(struct commands **result, cudaStream_t stream, bool at_once,
                          struct error *err) {
    struct graphs *graphs = NULL;
    *result = NULL;
    TRY(graphs_open(&graphs, err));
    *result = new (std::nothrow) commands{stream, graphs, at_once, FIRST_LENGTH, 0, {}};
    if (*result) return STATUS_OK;
    graphs_close(graphs);
    return error_memory(err, "a list of commands", sizeof **result);
}

void commands_close(struct commands *commands) {
    if (!commands) return;
    graphs_close(commands->graphs);
    delete commands;
}

static enum status hand_over(struct commands *commands, struct error *err) {
    const struct command_list list = {commands->list.data(), (int64_t)commands->list.size(),
                                      commands->count};
    enum status status = STATUS_OK;
    if (list.count > 0) status = graphs_run(commands->graphs, &list, commands->stream, err);
    commands->list.clear();
    commands->count = 0;
    return status;
}

enum status commands_flush(struct commands *commands, struct error *err) {
    commands->length = FIRST_LENGTH;
    return hand_over(commands, err);
}

static enum status add(struct commands *commands, const struct command *command,
                       struct error *err) {
    const char *bytes = (const char *)command;
    if (commands->at_once) return command->run(command, commands->stream, err);
    commands->list.insert(commands->list.end(), bytes, bytes + command->bytes);
    if (++commands->count < commands->length) return STATUS_OK;
    if (commands->length < MAX_LENGTH) commands->length *= 2;
    return hand_over(commands, err);
}

void commands_add(struct nn *nn, const struct command *command) {
    struct error err;
    if (!nn_failed(nn) && add(cuda_commands(nn), command, &err) != STATUS_OK)
        nn_fail(nn, err.code, "%s", err.message);
}

enum status command_launched(const char *name, struct error *err) {
    cudaError_t code = cudaGetLastError();
    return code == cudaSuccess ? STATUS_OK : cuda_failure(err, name, code);
}

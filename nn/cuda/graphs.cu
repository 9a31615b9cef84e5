#include "nn/cuda/graphs.h"

#include <new>
#include <string.h>
#include <vector>

#include "nn/cuda/devices.h"

// A list is captured when it comes for the third time: that costs as much as ten launches of it
// save, and most that come twice come no more. One whose graph had to go is worth it later only, or
// more lists than there are places would drive each other out at every turn.
enum {
    MAX_GRAPHS = 256,
    NUM_SIGHTS = 1024,
    SIGHT_WAYS = 8,
    SIGHTS_BEFORE = 2,
    LATER_BY = 4, // times
    MIN_COMMANDS = 4,
    REFUSED = -1
};

// How often a list was seen that is no graph.
struct sight {
    uint64_t hash;
    int64_t count;  // since it was captured; or REFUSED: it cannot be
    int64_t wanted; // before it is captured
    int64_t last;
};

struct graph {
    uint64_t hash;
    std::vector<char> commands;
    cudaGraphExec_t exec; // NULL: a free place
    int64_t last_use;
};

struct graphs {
    struct graph kept[MAX_GRAPHS];
    struct sight sights[NUM_SIGHTS]; // each at one of the places behind that of its hash
    int64_t uses;                    // of graphs, and lists seen
};

enum status graphs_open(struct graphs **graphs, struct error *err) {
    *graphs = new (std::nothrow) struct graphs();
    return *graphs ? STATUS_OK : error_memory(err, "graphs", sizeof **graphs);
}

void graphs_close(struct graphs *graphs) {
    for (int i = 0; graphs && i < MAX_GRAPHS; i++)
        if (graphs->kept[i].exec) cudaGraphExecDestroy(graphs->kept[i].exec);
    delete graphs;
}

// ---- Running ----

static enum status run_each(const struct command_list *list, cudaStream_t stream,
                            struct error *err) {
    const char *at = list->first;
    for (int i = 0; i < list->count; i++) {
        const struct command *command = (const struct command *)at;
        TRY(command->run(command, stream, err));
        at += command->bytes;
    }
    return STATUS_OK;
}

// NULL if that does not work, for whatever reason: the reason shows, if it matters, when the
// commands run. Relaxed, as libraries may load what they run now.
static cudaGraphExec_t capture(const struct command_list *list, cudaStream_t stream) {
    struct error refused;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t exec = NULL;
    if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed) == cudaSuccess) {
        enum status status = run_each(list, stream, &refused);
        cudaError_t code = cudaStreamEndCapture(stream, &graph);
        if (status == STATUS_OK && code == cudaSuccess &&
            cudaGraphInstantiate(&exec, graph, 0) != cudaSuccess)
            exec = NULL;
    }
    if (graph) cudaGraphDestroy(graph);
    cudaGetLastError(); // without a graph all goes on
    return exec;
}

// ---- Keeping ----

static uint64_t hash_of(const struct command_list *list) {
    uint64_t hash = 0;
    for (int64_t i = 0; i < list->bytes; i += (int64_t)sizeof hash) {
        uint64_t word;
        memcpy(&word, list->first + i, sizeof word);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 32;
    }
    return hash;
}

static struct graph *find(struct graphs *graphs, uint64_t hash, const struct command_list *list) {
    for (int i = 0; i < MAX_GRAPHS; i++) {
        struct graph *graph = &graphs->kept[i];
        if (graph->exec && graph->hash == hash && (int64_t)graph->commands.size() == list->bytes &&
            memcmp(graph->commands.data(), list->first, (size_t)list->bytes) == 0)
            return graph;
    }
    return NULL;
}

// A free place, or that of the graph that was not used for longest.
static struct graph *make_room(struct graphs *graphs, cudaStream_t stream) {
    struct graph *oldest = &graphs->kept[0];
    for (int i = 1; i < MAX_GRAPHS && oldest->exec; i++)
        if (!graphs->kept[i].exec || graphs->kept[i].last_use < oldest->last_use)
            oldest = &graphs->kept[i];
    if (oldest->exec) {
        cudaStreamSynchronize(stream); // it may be running
        cudaGraphExecDestroy(oldest->exec);
        oldest->exec = NULL;
    }
    return oldest;
}

// Takes the place of the one that was not seen for longest, if it is new.
static struct sight *sight_of(struct graphs *graphs, uint64_t hash) {
    struct sight *sight = &graphs->sights[hash % NUM_SIGHTS];
    for (uint64_t i = 0; i < SIGHT_WAYS; i++) {
        struct sight *other = &graphs->sights[(hash + i) % NUM_SIGHTS];
        if (other->hash == hash || other->last < sight->last) sight = other;
        if (other->hash == hash) break;
    }
    if (sight->hash != hash) *sight = {hash, 0, SIGHTS_BEFORE, 0};
    sight->last = ++graphs->uses;
    return sight;
}

// NULL if there is none yet.
static struct graph *graph_of(struct graphs *graphs, const struct command_list *list,
                              cudaStream_t stream) {
    uint64_t hash = hash_of(list);
    struct graph *graph = find(graphs, hash, list);
    if (graph) return graph;
    struct sight *sight = sight_of(graphs, hash);
    if (sight->count == REFUSED || sight->count++ < sight->wanted) return NULL;
    cudaGraphExec_t exec = capture(list, stream);
    if (!exec) {
        sight->count = REFUSED;
        return NULL;
    }
    sight->count = 0;
    sight->wanted *= LATER_BY;
    graph = make_room(graphs, stream);
    graph->hash = hash;
    graph->commands.assign(list->first, list->first + list->bytes);
    graph->exec = exec;
    return graph;
}

enum status graphs_run(struct graphs *graphs, const struct command_list *list, cudaStream_t stream,
                       struct error *err) {
    struct graph *graph = list->count < MIN_COMMANDS ? NULL : graph_of(graphs, list, stream);
    if (!graph) return run_each(list, stream, err);
    graph->last_use = ++graphs->uses;
    cudaError_t code = cudaGraphLaunch(graph->exec, stream);
    return code == cudaSuccess ? STATUS_OK : cuda_failure(err, "a graph cannot be launched", code);
}

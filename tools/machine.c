#include "tools/machine.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/workers.h"

// The value behind "key" and a colon in a file of such lines; false if there is none.
static bool find_line(const char *path, const char *key, char *value, size_t size) {
    char line[4096];
    bool found = false;
    FILE *file = fopen(path, "r");
    if (!file) return false;
    while (!found && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        found = colon && strncmp(line, key, strlen(key)) == 0;
        if (!found) continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(value, size, "%.*s", (int)strcspn(colon, "\n"), colon);
    }
    fclose(file);
    return found;
}

static bool read_first_line(const char *path, char *line, size_t size) {
    FILE *file = fopen(path, "r");
    if (!file) return false;
    bool found = fgets(line, (int)size, file) != NULL;
    fclose(file);
    return found;
}

static int64_t memory_line(const char *key) {
    char value[64];
    if (!find_line("/proc/meminfo", key, value, sizeof value)) return 0;
    return strtoll(value, NULL, 10) * 1024;
}

// The word in brackets of "always [madvise] never".
static void find_huge_pages(struct machine *machine) {
    char line[128];
    if (!read_first_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof line)) return;
    const char *open = strchr(line, '[');
    if (open)
        snprintf(machine->huge_pages, sizeof machine->huge_pages, "%.*s",
                 (int)strcspn(open + 1, "]"), open + 1);
}

static void find_features(struct machine *machine) {
#if defined(__x86_64__) || defined(__i386__)
    const struct {
        const char *name;
        int present;
    } features[] = {
        {"sse4.2", __builtin_cpu_supports("sse4.2")},
        {"avx", __builtin_cpu_supports("avx")},
        {"avx2", __builtin_cpu_supports("avx2")},
        {"fma", __builtin_cpu_supports("fma")},
        {"avx512f", __builtin_cpu_supports("avx512f")},
        {"avx512bw", __builtin_cpu_supports("avx512bw")},
        {"avx512vnni", __builtin_cpu_supports("avx512vnni")},
        {"avx512bf16", __builtin_cpu_supports("avx512bf16")},
    };
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        size_t size = strlen(machine->features);
        if (features[i].present)
            snprintf(machine->features + size, sizeof machine->features - size, "%s%s",
                     size ? " " : "", features[i].name);
    }
#else
    (void)machine;
#endif
}

void machine_look(struct machine *machine) {
    char line[64];
    *machine = (struct machine){
        .num_processors = (int)sysconf(_SC_NPROCESSORS_ONLN),
        .num_usable = workers_available(),
        .memory_bytes = memory_line("MemTotal"),
        .available_bytes = memory_line("MemAvailable"),
    };
    (void)find_line("/proc/cpuinfo", "model name", machine->processor, sizeof machine->processor);
    find_features(machine);
    find_huge_pages(machine);
    // "max" where there is no limit.
    if (read_first_line("/sys/fs/cgroup/memory.max", line, sizeof line) &&
        isdigit((unsigned char)line[0]))
        machine->limit_bytes = strtoll(line, NULL, 10);
}

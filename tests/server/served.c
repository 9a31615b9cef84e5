#include "tests/server/served.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/server/load.h"

enum { MAX_OPTIONS = 32, LOG_BYTES = 1 << 14 };
static const double PATIENCE = 120; // seconds

static void run_program(const struct served *served, const char *program,
                        const char *const *options) {
    const char *argv[MAX_OPTIONS + 5] = {program, "serve", "--listen", "127.0.0.1:0"};
    int count = 4;
    for (int i = 0; options[i] && i < MAX_OPTIONS; i++)
        argv[count++] = options[i];
    int log = open(served->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) _exit(126);
    setenv("OMP_WAIT_POLICY", "passive", 1);
    execv(program, (char *const *)argv);
    _exit(127);
}

// The port in the first address that the log names; 0: it names none yet.
static int port_in_log(const char *path) {
    static const char ADDRESS[] = "http://127.0.0.1:";
    char text[LOG_BYTES] = "";
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    const char *at = strstr(text, ADDRESS);
    return at ? (int)strtol(at + strlen(ADDRESS), NULL, 10) : 0;
}

static int connect_to(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    load_need(fd >= 0, "socket");
    if (!connect(fd, (struct sockaddr *)&address, sizeof address)) return fd;
    close(fd);
    return -1;
}

static bool is_ready(const struct served *served) {
    static const char ASK[] =
        "GET /v1/health/ready HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    int status = 0;
    free(served_fetch(served, ASK, (int64_t)strlen(ASK), &status));
    return status == 200;
}

void served_start(struct served *served, const char *program, const char *folder,
                  const char *const *options) {
    snprintf(served->log, sizeof served->log, "%s/serve.log", folder);
    served->port = 0;
    (void)unlink(served->log); // of a server before
    served->pid = fork();
    load_need(served->pid >= 0, "fork");
    if (served->pid == 0) run_program(served, program, options);
    for (double end = clock_seconds() + PATIENCE; clock_seconds() < end; usleep(20000)) {
        if (served->port == 0) served->port = port_in_log(served->log);
        if (served->port > 0 && is_ready(served)) return;
        if (waitpid(served->pid, NULL, WNOHANG) != 0) break;
    }
    fprintf(stderr, "the server did not come up; see %s\n", served->log);
    kill(served->pid, SIGKILL);
    exit(EXIT_FAILURE);
}

int served_stop(struct served *served) {
    int status = 0;
    kill(served->pid, SIGTERM);
    load_need(waitpid(served->pid, &status, 0) == served->pid, "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int64_t served_bytes(const struct served *served) {
    char path[SERVED_PATH_BYTES];
    char line[256];
    long long kilobytes = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)served->pid);
    FILE *file = fopen(path, "r");
    load_need(file, path);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "VmRSS:", 6) == 0) kilobytes = strtoll(line + 6, NULL, 10);
    fclose(file);
    return kilobytes * 1024;
}

int64_t served_files(const struct served *served) {
    char path[SERVED_PATH_BYTES];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)served->pid);
    DIR *folder = opendir(path);
    load_need(folder, path);
    int64_t count = 0;
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

char *served_fetch(const struct served *served, const void *request, int64_t size, int *status) {
    int fd = connect_to(served->port);
    int64_t capacity = 1 << 16;
    int64_t got = 0;
    char *answer = malloc((size_t)capacity);
    load_need(fd >= 0 && answer, "connect");
    const char *bytes = request;
    while (size > 0) {
        ssize_t sent = send(fd, bytes, (size_t)size, MSG_NOSIGNAL);
        if (sent <= 0) break;
        bytes += sent;
        size -= sent;
    }
    // Requests ask for the connection to be closed.
    for (ssize_t more = 1; more > 0; got += more > 0 ? more : 0) {
        if (got + 1 == capacity) answer = realloc(answer, (size_t)(capacity *= 2));
        load_need(answer, "memory for an answer");
        more = recv(fd, answer + got, (size_t)(capacity - got - 1), 0);
    }
    close(fd);
    answer[got] = '\0';
    if (status) *status = got > 12 ? (int)strtol(answer + 9, NULL, 10) : 0;
    char *body = strstr(answer, "\r\n\r\n");
    int64_t head = body ? body + 4 - answer : got;
    memmove(answer, answer + head, (size_t)(got - head + 1));
    return answer;
}

#include "tests/server/slow_clients.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/server/load.h"

enum { GONE = -1, FIRST_ADDRESS = INADDR_LOOPBACK + 1, SMALL_BUFFER = 2048, SMALL_SEGMENT = 536 };

struct slow_client {
    int socket;
    enum slow_kind kind;
    int64_t sent;
    double opened;
};

struct slow_clients {
    struct slow_plan plan;
    struct slow_report report;
    struct slow_client *clients;
    pthread_t thread;
    atomic_bool stops;
};

static const char HEADER[] = "POST /v1/detect HTTP/1.1\r\nHost: slow\r\nX-Patience: ";
static const char BODY[] = "POST /v1/detect HTTP/1.1\r\nHost: slow\r\nContent-Type: image/jpeg\r\n"
                           "Content-Length: 100000\r\n\r\n";

static int connect_from(uint32_t source, int port, enum slow_kind kind) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    load_need(fd >= 0, "socket");
    int small = SMALL_BUFFER;
    int segment = SMALL_SEGMENT;
    int on = 1;
    if (kind == SLOW_READ) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        // Small segments keep the server's buffer small, too, so that it has to wait.
        setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    }
    setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    load_need(!bind(fd, (struct sockaddr *)&from, sizeof from), "bind");
    if (!connect(fd, (struct sockaddr *)&to, sizeof to)) return fd;
    close(fd);
    return GONE;
}

// What a client has to send at once: all but that which it is slow with.
static void open_client(struct slow_clients *all, int index) {
    const struct slow_plan *plan = &all->plan;
    struct slow_client *client = &all->clients[index];
    client->kind = (enum slow_kind)(index % NUM_SLOW_KINDS);
    client->opened = clock_seconds();
    client->socket = connect_from(FIRST_ADDRESS + (uint32_t)(index % plan->num_addresses),
                                  plan->port, client->kind);
    if (client->socket == GONE) return;
    all->report.opened++;
    const void *bytes = HEADER;
    int64_t size = (int64_t)strlen(HEADER);
    if (client->kind == SLOW_BODY) {
        bytes = BODY;
        size = (int64_t)strlen(BODY);
    } else if (client->kind == SLOW_READ) {
        bytes = plan->request;
        size = plan->request_size;
    }
    ssize_t sent = send(client->socket, bytes, (size_t)size, MSG_NOSIGNAL);
    (void)sent; // where the server is gone already, the next step sees it
}

static void close_client(struct slow_clients *all, struct slow_client *client) {
    double held = clock_seconds() - client->opened;
    if (client->kind != SLOW_READ) {
        all->report.closed++;
        if (held > all->report.longest) all->report.longest = held;
    }
    close(client->socket);
    client->socket = GONE;
}

// Whether the server has ended the connection; what it said is thrown away.
static bool has_ended(const struct slow_client *client) {
    char bytes[1024];
    for (;;) {
        ssize_t size = recv(client->socket, bytes, sizeof bytes, MSG_DONTWAIT);
        if (size <= 0) return size == 0 || errno != EAGAIN;
    }
}

static void step(struct slow_clients *all, struct slow_client *client, bool is_second) {
    char byte = 'a';
    if (client->socket == GONE) return;
    if (client->kind == SLOW_READ) {
        if (is_second && recv(client->socket, &byte, 1, MSG_DONTWAIT) == 0)
            close_client(all, client);
        return;
    }
    bool fails = is_second && send(client->socket, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0;
    if (fails || has_ended(client)) close_client(all, client);
}

static void *run(void *argument) {
    enum { STEPS = 10 }; // per second
    struct slow_clients *all = argument;
    for (int i = 0; i < all->plan.count; i++)
        open_client(all, i);
    for (int tick = 0; !atomic_load(&all->stops); tick++) {
        usleep(1000000 / STEPS);
        for (int i = 0; i < all->plan.count; i++)
            step(all, &all->clients[i], tick % STEPS == 0);
    }
    return NULL;
}

struct slow_clients *slow_start(const struct slow_plan *plan) {
    struct slow_clients *all = calloc(1, sizeof *all);
    load_need(all, "memory for slow clients");
    all->plan = *plan;
    all->clients = calloc((size_t)plan->count, sizeof *all->clients);
    load_need(all->clients, "memory for slow clients");
    load_need(!pthread_create(&all->thread, NULL, run, all), "a thread");
    return all;
}

void slow_stop(struct slow_clients *all, struct slow_report *report) {
    atomic_store(&all->stops, true);
    load_need(!pthread_join(all->thread, NULL), "a thread's end");
    for (int i = 0; i < all->plan.count; i++)
        if (all->clients[i].socket != GONE) close(all->clients[i].socket);
    *report = all->report;
    free(all->clients);
    free(all);
}

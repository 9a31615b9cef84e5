#include "tests/server/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { NOT_CONNECTED = -1, CHUNK = 1 << 16, MAX_EVENTS = 256, HEAD_BYTES = 4096 };
static const double PATIENCE = 60; // seconds for the answers after the last request

struct client {
    int socket;                         // NOT_CONNECTED
    const struct load_request *request; // on its way; NULL: none
    int64_t number;                     // of the request
    int64_t sent;
    double start;
    char *answer; // what has come, NUL-terminated
    int64_t size, capacity;
};

struct load {
    struct load_plan plan;
    struct load_report report;
    pthread_t thread;
    int epoll;
    struct client *clients;
    int *idle; // numbers of clients, the latest last
    int num_idle;
    double begin, end; // end: when the last request may be sent
    atomic_bool is_over;
    int64_t capacity, refused_capacity;
};

void load_need(bool condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void keep_time(double **times, int64_t *capacity, int64_t count, double time) {
    if (count == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 1024;
        *times = realloc(*times, (size_t)*capacity * sizeof **times);
        load_need(*times, "memory for times");
    }
    (*times)[count] = time;
}

// ---- One connection ----

static void watch(struct load *load, struct client *client, int operation) {
    struct epoll_event event = {.data.ptr = client, .events = EPOLLIN | EPOLLRDHUP};
    if (client->request && client->sent < client->request->size) event.events |= EPOLLOUT;
    load_need(!epoll_ctl(load->epoll, operation, client->socket, &event), "epoll_ctl");
}

static void disconnect(struct client *client) {
    if (client->socket == NOT_CONNECTED) return;
    // So that thousands of short connections do not use up the ports.
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(client->socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(client->socket);
    client->socket = NOT_CONNECTED;
}

static bool connect_client(struct load *load, struct client *client) {
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)load->plan.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    client->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    load_need(client->socket >= 0, "socket");
    setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->socket, (struct sockaddr *)&address, sizeof address) &&
        errno != EINPROGRESS) {
        disconnect(client);
        return false;
    }
    watch(load, client, EPOLL_CTL_ADD);
    return true;
}

static void finish(struct load *load, struct client *client) {
    client->request = NULL;
    client->size = 0;
    load->idle[load->num_idle++] = (int)(client - load->clients);
}

static void fail(struct load *load, struct client *client) {
    disconnect(client);
    if (!client->request) return;
    load->report.broken++;
    finish(load, client);
}

static void send_more(struct load *load, struct client *client) {
    const struct load_request *request = client->request;
    while (client->sent < request->size) {
        ssize_t size = send(client->socket, request->bytes + client->sent,
                            (size_t)(request->size - client->sent), MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN) return;
        // An early answer may be there to read; if none is, reading will tell.
        if (size < 0)
            client->sent = request->size;
        else
            client->sent += size;
    }
    watch(load, client, EPOLL_CTL_MOD);
    int64_t every = load->plan.drop_every;
    if (!every || client->number % every != every - 1) return;
    load->report.dropped++;
    disconnect(client);
    finish(load, client);
}

// ---- Answers ----

// The value of a header, a number; -1 if it is not there.
static int64_t header_number(const char *head, const char *name) {
    for (const char *line = strstr(head, "\r\n"); line && strncmp(line, "\r\n\r\n", 4) != 0;
         line = strstr(line + 2, "\r\n")) {
        size_t size = strlen(name);
        if (strncasecmp(line + 2, name, size) == 0 && line[2 + size] == ':')
            return strtoll(line + 2 + size + 1, NULL, 10);
    }
    return -1;
}

static bool is_expected(const struct load_request *request, const char *body) {
    if (!request->expected || strstr(body, request->expected)) return true;
    return request->or_expected && strstr(body, request->or_expected);
}

static void judge(struct load *load, const struct client *client, const char *body) {
    struct load_report *report = &load->report;
    int status = (int)strtol(client->answer + strlen("HTTP/1.1 "), NULL, 10);
    int wanted = client->request->status ? client->request->status : 200;
    double time = clock_seconds() - client->start;
    if (status == wanted) {
        keep_time(&report->times, &load->capacity, report->answered++, time);
        if (!is_expected(client->request, body)) report->wrong++;
    } else if (status == 503 && header_number(client->answer, "Retry-After") > 0) {
        keep_time(&report->refused_times, &load->refused_capacity, report->refused++, time);
    } else {
        report->unwanted++;
        report->last_unwanted = status;
    }
}

// True once the whole answer was there and is dealt with.
static bool take_answer(struct load *load, struct client *client) {
    const char *end = strstr(client->answer, "\r\n\r\n");
    if (!end) return false;
    int64_t length = header_number(client->answer, "Content-Length");
    const char *body = end + 4;
    if (length < 0 || client->size - (body - client->answer) < length) return false;
    judge(load, client, body);
    bool closes = strcasestr(client->answer, "\r\nConnection: close") != NULL;
    // What has not been sent yet cannot be taken back.
    if (closes || client->sent < client->request->size) disconnect(client);
    finish(load, client);
    return true;
}

static void receive(struct load *load, struct client *client) {
    for (;;) {
        if (client->capacity - client->size < CHUNK + 1) {
            client->capacity = 2 * client->capacity + CHUNK + 1;
            client->answer = realloc(client->answer, (size_t)client->capacity);
            load_need(client->answer, "memory for an answer");
        }
        ssize_t size = recv(client->socket, client->answer + client->size, CHUNK, 0);
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) {
            fail(load, client);
            return;
        }
        client->size += size;
        client->answer[client->size] = '\0';
        if (client->request && take_answer(load, client)) return;
    }
}

// ---- The loop ----

static void ask(struct load *load, double start) {
    struct client *client = &load->clients[load->idle[--load->num_idle]];
    client->number = load->report.sent++;
    client->request = &load->plan.requests[client->number % load->plan.num_requests];
    client->sent = 0;
    client->size = 0;
    client->start = start;
    if (client->socket == NOT_CONNECTED) {
        if (!connect_client(load, client)) fail(load, client);
    } else {
        send_more(load, client);
        if (client->request && client->sent < client->request->size)
            watch(load, client, EPOLL_CTL_MOD);
    }
}

// Sends what is due; returns the seconds until the next is, or less than 0 if all were sent.
static double send_due(struct load *load) {
    const struct load_plan *plan = &load->plan;
    for (;;) {
        double now = clock_seconds();
        double due = plan->rate > 0 ? load->begin + (double)load->report.sent / plan->rate : now;
        bool all_sent =
            atomic_load(&load->is_over) || (plan->count && load->report.sent >= plan->count);
        if (all_sent || (plan->seconds > 0 && fmax(now, due) >= load->end)) return -1;
        if (due > now) return due - now;
        if (load->num_idle == 0) return 1;
        ask(load, due);
    }
}

static void handle(struct load *load, const struct epoll_event *event) {
    struct client *client = event->data.ptr;
    if (client->socket == NOT_CONNECTED) return;
    if (event->events & EPOLLOUT && client->request) send_more(load, client);
    if (client->socket != NOT_CONNECTED && event->events & ~(uint32_t)EPOLLOUT)
        receive(load, client);
}

static int compare_times(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void *run(void *argument) {
    struct load *load = argument;
    struct epoll_event events[MAX_EVENTS];
    double left = 0;
    double last = 0; // when all had been sent
    while (left >= 0 || load->num_idle < load->plan.num_connections) {
        if (left >= 0) left = send_due(load);
        if (left < 0 && last == 0) last = clock_seconds();
        if (last > 0 && clock_seconds() > last + PATIENCE) break;
        if (left < 0 && load->num_idle == load->plan.num_connections) break;
        // Rounded up: what arrives within a millisecond is sent together.
        double wait = left >= 0 ? ceil(left * 1000) : 1000;
        int count = epoll_wait(load->epoll, events, MAX_EVENTS, (int)wait);
        load_need(count >= 0 || errno == EINTR, "epoll_wait");
        for (int i = 0; i < count; i++)
            handle(load, &events[i]);
    }
    struct load_report *report = &load->report;
    report->seconds = clock_seconds() - load->begin;
    report->broken += load->plan.num_connections - load->num_idle;
    if (report->times)
        qsort(report->times, (size_t)report->answered, sizeof(double), compare_times);
    if (report->refused_times)
        qsort(report->refused_times, (size_t)report->refused, sizeof(double), compare_times);
    return NULL;
}

static void prepare(struct load *load, const struct load_plan *plan) {
    *load = (struct load){.plan = *plan};
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load_need(load->epoll >= 0, "epoll_create1");
    load->clients = calloc((size_t)plan->num_connections, sizeof *load->clients);
    load->idle = calloc((size_t)plan->num_connections, sizeof *load->idle);
    load_need(load->clients && load->idle, "memory for clients");
    for (int i = 0; i < plan->num_connections; i++) {
        load->clients[i].socket = NOT_CONNECTED;
        load->idle[load->num_idle++] = i;
    }
    load->begin = clock_seconds();
    load->end = load->begin + plan->seconds;
}

static void finish_load(struct load *load, struct load_report *report) {
    for (int i = 0; i < load->plan.num_connections; i++) {
        disconnect(&load->clients[i]);
        free(load->clients[i].answer);
    }
    free(load->clients);
    free(load->idle);
    close(load->epoll);
    *report = load->report;
}

void load_run(const struct load_plan *plan, struct load_report *report) {
    struct load load;
    prepare(&load, plan);
    run(&load);
    finish_load(&load, report);
}

struct load *load_start(const struct load_plan *plan) {
    struct load *load = malloc(sizeof *load);
    load_need(load, "memory for a client");
    prepare(load, plan);
    load_need(!pthread_create(&load->thread, NULL, run, load), "a thread");
    return load;
}

void load_end(struct load *load) {
    atomic_store(&load->is_over, true);
}

void load_join(struct load *load, struct load_report *report) {
    load_need(!pthread_join(load->thread, NULL), "a thread's end");
    finish_load(load, report);
    free(load);
}

void load_report_free(struct load_report *report) {
    free(report->times);
    free(report->refused_times);
    *report = (struct load_report){0};
}

double load_quantile(const double *times, int64_t count, double share) {
    if (count == 0) return 0;
    int64_t index = (int64_t)ceil(share * (double)count) - 1;
    return times[index < 0 ? 0 : index];
}

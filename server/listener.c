#include "server/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Parts of "HOST:PORT"; brackets round an IPv6 address are taken off.
static enum status split(const char *text, char *host, size_t host_bytes, char *port,
                         size_t port_bytes, struct error *err) {
    const char *colon = strrchr(text, ':');
    size_t size = colon ? (size_t)(colon - text) : 0;
    if (!colon || size == 0 || size >= host_bytes || strlen(colon + 1) >= port_bytes || !colon[1])
        return error_set(err, STATUS_USAGE, "%s: expected ADDRESS:PORT, as in 127.0.0.1:8080",
                         text);
    bool bracketed = *text == '[' && colon[-1] == ']';
    snprintf(host, host_bytes, "%.*s", (int)(bracketed ? size - 2 : size),
             bracketed ? text + 1 : text);
    snprintf(port, port_bytes, "%s", colon + 1);
    if (strcmp(host, "localhost") == 0) snprintf(host, host_bytes, "127.0.0.1");
    return STATUS_OK;
}

static bool is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;
        return ntohl(four->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;
    return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

static bool bind_and_listen(int descriptor, const struct addrinfo *info) {
    enum { WAITING = 1024 };
    const int on = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6)
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    return bind(descriptor, info->ai_addr, info->ai_addrlen) == 0 &&
           listen(descriptor, WAITING) == 0;
}

// The address with the port that the system chose, if it was to choose.
static void write_address(struct listener *listener) {
    enum { PORT_BYTES = 8 };
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    char host[INET6_ADDRSTRLEN] = "";
    char port[PORT_BYTES] = "";
    if (getsockname(listener->descriptor, (struct sockaddr *)&bound, &size) != 0) return;
    getnameinfo((struct sockaddr *)&bound, size, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    bool six = bound.ss_family == AF_INET6;
    snprintf(listener->address, sizeof listener->address, six ? "[%s]:%s" : "%s:%s", host, port);
}

enum status listener_open(struct listener *listener, const char *text, struct error *err) {
    char host[64];
    char port[8];
    struct addrinfo *info = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    *listener = (struct listener){.descriptor = -1};
    TRY(split(text, host, sizeof host, port, sizeof port, err));
    if (getaddrinfo(host, port, &hints, &info) != 0)
        return error_set(err, STATUS_USAGE,
                         "%s: expected an address of this machine and a port, in digits", text);
    listener->is_local = is_loopback(info->ai_addr);
    listener->descriptor = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool listens = listener->descriptor >= 0 && bind_and_listen(listener->descriptor, info);
    int code = errno;
    freeaddrinfo(info);
    if (listens) {
        write_address(listener);
        return STATUS_OK;
    }
    listener_close(listener);
    return error_set(err, STATUS_USAGE, "%s: cannot listen: %s", text, strerror(code));
}

void listener_close(struct listener *listener) {
    if (listener->descriptor >= 0) close(listener->descriptor);
    listener->descriptor = -1;
}

#include "tests/server/check_service.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/random.h"
#include "data/image.h"
#include "tests/harness.h"

static struct service_settings settings;
static struct arena settings_arena;
static struct log quiet = {LOG_ERROR, -1};

static void set(struct options *options, const char *name, const char *value) {
    const struct option_origin origin = {OPTION_FROM_COMMAND_LINE, NULL};
    struct error err = {0};
    EXPECT_OK(options_set_text(options, name, value, origin, &err), &err);
}

static void fill_settings(const char *const *options) {
    struct options table;
    struct error err = {0};
    char name[64];
    if (quiet.descriptor < 0) quiet.descriptor = open("/dev/null", O_WRONLY | O_CLOEXEC);
    arena_destroy(&settings_arena);
    arena_init(&settings_arena, 1 << 14, 0);
    EXPECT_OK(options_init(&table, SERVICE_OPTIONS, &settings, &settings_arena, &err), &err);
    set(&table, "listen", "127.0.0.1:0");
    set(&table, "stub-ms", "1");
    set(&table, "drain-delay", "0");
    // It would be for good, and for the test as well.
    set(&table, "sandbox", "false");
    for (; *options; options++) {
        const char *equals = strchr(*options, '=');
        snprintf(name, sizeof name, "%.*s", (int)(equals - *options), *options);
        set(&table, name, equals + 1);
    }
}

struct service *check_service_start(const char *const *options) {
    struct service *service = NULL;
    struct error err = {0};
    fill_settings(options);
    EXPECT_OK(service_create(&service, &settings, 1, &quiet, &err), &err);
    REQUIRE(service);
    return service;
}

const char *check_service_refusal(const char *const *options) {
    static struct error err;
    struct service *service = NULL;
    err = (struct error){0};
    fill_settings(options);
    enum status status = service_create(&service, &settings, 1, &quiet, &err);
    EXPECT(status != STATUS_OK);
    if (status == STATUS_OK) check_service_stop(service);
    return err.message;
}

void check_service_stop(struct service *service) {
    EXPECT_INT(service_drain(service, NULL, NULL), 0);
    service_destroy(service);
}

static int port_of(const char *address) {
    return (int)strtol(strrchr(address, ':') + 1, NULL, 10);
}

int check_service_port(const struct service *service) {
    return port_of(service_address(service));
}

int check_service_admin_port(const struct service *service) {
    return port_of(service_admin_address(service));
}

// ---- Connections ----

int check_connect(int port) {
    const struct timeval patience = {20, 0};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(descriptor >= 0);
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0) return descriptor;
    close(descriptor);
    return -1;
}

// A server that has refused may have closed: then the rest is not sent.
void check_send(int descriptor, const void *bytes, int64_t size) {
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = send(descriptor, at, (size_t)size, MSG_NOSIGNAL);
        if (sent <= 0) return;
        at += sent;
        size -= sent;
    }
}

// Bytes of the answer from its head on; 0 while the head is not whole.
static int64_t whole_size(const char *text) {
    const char *end = strstr(text, "\r\n\r\n");
    if (!end) return 0;
    const char *length = strcasestr(text, "\r\nContent-Length:");
    return end + 4 - text +
           (length && length < end ? strtoll(length + strlen("\r\nContent-Length:"), NULL, 10) : 0);
}

void check_read(int descriptor, struct check_answer *answer) {
    int64_t got = 0;
    *answer = (struct check_answer){.body = ""};
    while (got + 1 < (int64_t)sizeof answer->text) {
        int64_t whole = whole_size(answer->text);
        // "100 Continue" is no answer yet.
        if (whole > 0 && got >= whole && strncmp(answer->text + 9, "100", 3) == 0) {
            memmove(answer->text, answer->text + whole, (size_t)(got - whole + 1));
            got -= whole;
            continue;
        }
        if (whole > 0 && got >= whole) break;
        ssize_t more =
            recv(descriptor, answer->text + got, sizeof answer->text - 1 - (size_t)got, 0);
        answer->is_closed = more <= 0;
        if (more <= 0) break;
        got += more;
        answer->text[got] = '\0';
    }
    if (got > 12) answer->status = (int)strtol(answer->text + 9, NULL, 10);
    const char *body = strstr(answer->text, "\r\n\r\n");
    if (body) answer->body = body + 4;
}

void check_exchange(int port, const void *bytes, int64_t size, struct check_answer *answer) {
    int descriptor = check_connect(port);
    REQUIRE(descriptor >= 0);
    check_send(descriptor, bytes, size);
    check_read(descriptor, answer);
    close(descriptor);
}

int check_get(int port, const char *path) {
    static struct check_answer answer;
    char request[512];
    int size =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    check_exchange(port, request, size, &answer);
    return answer.status;
}

struct check_picture check_picture(int32_t width, int32_t height, uint64_t seed) {
    enum { CHANNELS = 3, QUALITY = 90 };
    struct random random = random_stream(seed, 0);
    struct arena arena;
    struct output out;
    struct error err = {0};
    arena_init(&arena, 1 << 16, 0);
    struct image image = {width, height, arena_alloc(&arena, height, (size_t)width * CHANNELS)};
    REQUIRE(image.pixels);
    for (int64_t i = 0; i < (int64_t)width * height * CHANNELS; i++)
        image.pixels[i] = (uint8_t)random_below(&random, 256);
    output_open_memory(&out);
    EXPECT_OK(image_write_jpeg(&image, QUALITY, &out, &err), &err);
    arena_destroy(&arena);
    return (struct check_picture){(uint8_t *)out.data, out.size};
}

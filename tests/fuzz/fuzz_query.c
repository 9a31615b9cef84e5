// What comes in an address and in headers, and base64: the first byte chooses. Bytes that base64
// wrote are read back; a query's pairs and a header's choice stay within the text.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "formats/base64.h"
#include "server/label_config.h"
#include "server/media_type.h"
#include "server/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_query(const char *text, struct arena *arena) {
    struct query query;
    struct fault fault;
    const char *name = NULL;
    const char *value = NULL;
    size_t total = 0;
    query_init(&query, text, arena, &fault);
    while (query_next(&query, &name, &value))
        total += strlen(name) + strlen(value);
    CHECK(total <= strlen(text));
    CHECK(fault.code == FAULT_NONE || fault.code == FAULT_BAD_OPTION);
}

static void read_headers(const char *text) {
    static const char *const OFFERS[] = {"application/json", "image/png", "image/jpeg", NULL};
    char value[71];
    int chosen = media_type_choose(text, OFFERS);
    CHECK(chosen >= -1 && chosen < 3);
    if (media_type_parameter(value, sizeof value, text, "boundary"))
        CHECK(strlen(value) > 0 && strlen(value) < sizeof value);
    (void)media_type_is(text, "image/png");
    struct label_config config;
    label_config_read(&config, text);
    CHECK(strlen(config.from_name) < LABEL_NAME_BYTES &&
          strlen(config.data_key) < LABEL_NAME_BYTES);
}

// Reads text as base64, and what is written of bytes as the same bytes.
static void read_base64(const uint8_t *data, size_t size, struct arena *arena) {
    uint8_t *bytes = NULL;
    int64_t num_bytes = 0;
    struct output out;
    struct error err;
    if (base64_decode(&bytes, &num_bytes, (const char *)data, (int64_t)size, arena, &err) ==
        STATUS_OK)
        CHECK(num_bytes >= 0 && num_bytes <= (int64_t)size / 4 * 3);
    output_open_memory(&out);
    base64_write(&out, data, (int64_t)size);
    CHECK(base64_decode(&bytes, &num_bytes, out.data, out.size, arena, &err) == STATUS_OK);
    CHECK(num_bytes == (int64_t)size && (size == 0 || memcmp(bytes, data, size) == 0));
    output_discard(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    if (size < 1) return 0;
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    arena_init(&arena, 1 << 14, 0);
    if (data[0] % 3 == 0)
        read_query(text, &arena);
    else if (data[0] % 3 == 1)
        read_headers(text);
    else
        read_base64(data + 1, size - 1, &arena);
    arena_destroy(&arena);
    free(text);
    return 0;
}

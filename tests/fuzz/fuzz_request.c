// Requests of every dialect with any body: the first byte chooses the address and how the body is
// called, the rest is the body. Whatever comes, it is read to the end or refused with a sentence,
// and a request that is accepted is answered.
#include <string.h>

#include "base/check.h"
#include "server/dialect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct model_facts MODEL = {
    .name = "m",
    .version = "1",
    .sha256 = "00",
    .num_classes = 2,
    .names = (const char *const[]){"person", "dog"},
    .category_ids = (const int64_t[]){1, 18},
    .score = 0.05,
    .nms = 0.5,
    .mask_threshold = 0.5,
    .max_dets = 100,
};

static const struct request_limits LIMITS = {
    .max_json_bytes = 1 << 14,
    .max_json_values = 256,
    .max_json_depth = 16,
    .max_parts = 16,
    .max_pictures = 8,
    .max_timeout_ms = 120000,
    .max_body_bytes = 1 << 16,
};

// An object of 3 x 2 pixels in each picture.
static void answer(const struct dialect *dialect, const struct detect_request *request,
                   struct arena *arena) {
    static const uint32_t RUNS[] = {1, 2, 1, 2};
    uint8_t pixels[3 * 2 * 3] = {0};
    struct detection object = {
        .box = {0, 0, 3, 2}, .score = 0.5F, .label = 2, .mask = {2, 3, 4, RUNS}};
    struct detect_outcome outcomes[MAX_PICTURES];
    struct answer answer;
    struct fault fault = {0};
    CHECK(request->num_pictures >= 1 && request->num_pictures <= MAX_PICTURES);
    for (int64_t i = 0; i < request->num_pictures; i++)
        outcomes[i] = (struct detect_outcome){
            .fault = request->pictures[i].fault,
            .info = {.format = IMAGE_PNG, .width = 3, .height = 2, .exif_orientation = 1},
            .image = {3, 2, pixels},
            .list = {&object, 1},
            .batch = 1,
        };
    CHECK(dialect->write(&answer, request, outcomes, &MODEL, arena, &fault));
    CHECK(answer.status == 200 && answer.body.size > 0);
    output_discard(&answer.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const TYPES[] = {"application/json", "multipart/form-data; boundary=x", NULL,
                                        "image/png"};
    static const char *const ACCEPTS[] = {NULL, "image/png", "image/jpeg"};
    enum { NUM_DIALECTS = 6, NUM_TYPES = 4, NUM_ACCEPTS = 3 };
    if (size < 1) return 0;
    const struct dialect *dialect = DIALECTS[data[0] % NUM_DIALECTS];
    const struct http_request http = {
        .path = dialect->path,
        .content_type = TYPES[data[0] / NUM_DIALECTS % NUM_TYPES],
        .accept = ACCEPTS[data[0] / (NUM_DIALECTS * NUM_TYPES) % NUM_ACCEPTS],
        .body = data + 1,
        .body_size = (int64_t)size - 1,
    };
    struct detect_request request = {.id = "made-up"};
    struct fault fault = {0};
    struct arena arena;
    arena_init(&arena, 1 << 14, INT64_C(1) << 24);
    bool accepted = dialect->read(&request, &http, &MODEL, &LIMITS, &arena, &fault);
    CHECK(accepted == (fault.code == FAULT_NONE));
    CHECK(accepted || fault.message[0] != '\0');
    CHECK(request.id[0] != '\0' && strlen(request.id) < REQUEST_ID_BYTES);
    if (accepted) answer(dialect, &request, &arena);
    arena_destroy(&arena);
    return 0;
}

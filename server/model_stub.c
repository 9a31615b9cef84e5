// A model of known service time, for tests of the service: one detection, a diamond in the middle
// of the picture, whose score follows from the pixels.
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "server/model.h"

#ifdef SERVER_STUB

struct stub_model {
    struct model model; // first
    const struct service_settings *settings;
    pthread_barrier_t meeting; // of all devices
};

// What a file in the folder says, if there is one.
static bool is_told(const struct stub_model *stub, const char *what, int64_t device, bool once) {
    char path[512];
    const char *folder = stub->settings->stub_folder;
    if (!folder) return false;
    snprintf(path, sizeof path, "%s/%s-%lld", folder, what, (long long)device);
    return once ? unlink(path) == 0 : access(path, F_OK) == 0;
}

static struct extent input_of(const struct model *model, int32_t width, int32_t height) {
    enum { MULTIPLE = 32 };
    (void)model;
    return (struct extent){(height + MULTIPLE - 1) / MULTIPLE * MULTIPLE,
                           (width + MULTIPLE - 1) / MULTIPLE * MULTIPLE};
}

static double cost_of(const struct model *model, struct extent input) {
    (void)model;
    (void)input;
    return 1;
}

static bool is_inside(const struct image *image, int64_t x, int64_t y) {
    int64_t across = llabs(2 * x + 1 - image->width) * image->height;
    int64_t down = llabs(2 * y + 1 - image->height) * image->width;
    return across + down <= (int64_t)image->width * image->height / 2;
}

static enum status find(const struct image *image, struct arena *arena, struct detection_list *list,
                        struct error *err) {
    enum { CHANNELS = 3, SCORES = 1000 };
    int64_t pixels = (int64_t)image->width * image->height;
    struct arena_mark mark = arena_mark(arena);
    uint8_t *mask = arena_alloc(arena, pixels, 1);
    list->items = arena_alloc_zero(arena, 1, sizeof *list->items);
    list->count = 1;
    if (!mask || !list->items) {
        arena_release(arena, mark);
        return error_memory(err, "a mask", pixels);
    }
    for (int64_t y = 0; y < image->height; y++)
        for (int64_t x = 0; x < image->width; x++)
            mask[y * image->width + x] = is_inside(image, x, y);
    uint64_t hash = hash_bytes(HASH_START, image->pixels, (size_t)(pixels * CHANNELS));
    struct detection *d = &list->items[0];
    *d = (struct detection){
        .box = {(float)image->width * 0.25f, (float)image->height * 0.25f,
                (float)image->width * 0.75f, (float)image->height * 0.75f},
        .score = 0.5f + (float)(hash % SCORES) / (2 * SCORES),
        .label = 1,
    };
    return rle_encode(&d->mask, mask, image->height, image->width, arena, err);
}

static enum status fail(int64_t device, struct error *err) {
    return error_set(err, STATUS_DEVICE, "device %lld fails, as it was told", (long long)device);
}

static enum status detect(struct model *model, int64_t device, const struct image *images,
                          int64_t count, const struct detection_limits *limits, struct arena *arena,
                          struct detection_list *lists, struct detect_seconds *seconds,
                          struct error *err) {
    struct stub_model *stub = (struct stub_model *)model;
    double start = clock_seconds();
    (void)limits;
    if (is_told(stub, "fail-once", device, true) || is_told(stub, "fail", device, false) ||
        is_told(stub, "lost", device, false))
        return fail(device, err);
    if (is_told(stub, "meet", device, false)) pthread_barrier_wait(&stub->meeting);
    while (is_told(stub, "hang", device, false))
        usleep(1000);
    for (int64_t i = 0; i < count; i++)
        TRY(find(&images[i], arena, &lists[i], err));
    double left = start + 1e-3 * (double)(stub->settings->stub_ms * count) - clock_seconds();
    struct timespec wait = {(time_t)left, (long)((left - floor(left)) * 1e9)};
    while (left > 0 && nanosleep(&wait, &wait) != 0)
        continue;
    *seconds = (struct detect_seconds){.infer = clock_seconds() - start};
    return STATUS_OK;
}

static enum status open_device(struct model *model, int64_t device, struct error *err) {
    return is_told((const struct stub_model *)model, "lost", device, false) ? fail(device, err)
                                                                            : STATUS_OK;
}

static void destroy(struct model *model) {
    pthread_barrier_destroy(&((struct stub_model *)model)->meeting);
    free(model);
}

static const struct model_kind STUB_MODEL = {input_of, cost_of, detect, open_device, destroy};

enum status model_open_stub(struct model **model, const struct service_settings *settings,
                            struct error *err) {
    static const char *const NAMES[] = {"person", "bicycle", "dog"};
    static const int64_t IDS[] = {1, 2, 18};
    *model = NULL;
    struct stub_model *stub = calloc(1, sizeof *stub);
    if (!stub) return error_memory(err, "a model", sizeof *stub);
    stub->settings = settings;
    pthread_barrier_init(&stub->meeting, NULL, (unsigned)settings->devices.count);
    stub->model.kind = &STUB_MODEL;
    stub->model.short_side = stub->model.long_side = 0;
    stub->model.facts = (struct model_facts){
        .name = "stub",
        .version = "1",
        .sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        .num_classes = sizeof NAMES / sizeof *NAMES,
        .names = NAMES,
        .category_ids = IDS,
        .score = 0.05,
        .nms = 0.5,
        .mask_threshold = 0.5,
        .max_dets = 100,
    };
    arena_init(&stub->model.arena, 1 << 10, 0);
    atomic_init(&stub->model.references, 1);
    *model = &stub->model;
    return STATUS_OK;
}

#else
// An empty file is no C.
typedef int no_stub;
#endif

#include "server/model.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/file_view.h"
#include "base/sha256.h"
#include "detector/preprocess.h"

// A model of a file.
struct file_model {
    struct model model; // first
    const struct service_settings *settings;
    int num_threads;
    struct stat identity;        // of the file
    struct detector description; // without weights: it computes nothing
    struct detector detectors[]; // of each device
};

static struct extent input_of(const struct model *model, int32_t width, int32_t height) {
    const struct file_model *file = (const struct file_model *)model;
    struct extent extent = preprocess_extent(&file->description.model.network, width, height);
    return preprocess_padded(&extent, 1);
}

static double cost_of(const struct model *model, struct extent input) {
    (void)model;
    return (double)input.width * input.height;
}

static enum status detect(struct model *model, int64_t device, const struct image *images,
                          int64_t count, const struct detection_limits *limits, struct arena *arena,
                          struct detection_list *lists, struct detect_seconds *seconds,
                          struct error *err) {
    struct detector *detector = &((struct file_model *)model)->detectors[device];
    enum status status = detector_detect(detector, images, count, limits, arena, lists, err);
    *seconds = detector->seconds;
    return status;
}

static void destroy(struct model *model) {
    struct file_model *file = (struct file_model *)model;
    for (int64_t i = 0; i < file->settings->devices.count; i++)
        detector_close(&file->detectors[i]);
    detector_close(&file->description);
    free(file);
}

// ---- The file ----

static enum status identify(struct stat *identity, const char *path, struct error *err) {
    if (stat(path, identity) == 0) return STATUS_OK;
    return error_set(err, STATUS_NO_INPUT, "%s: cannot be read: %s", path, strerror(errno));
}

// All devices compute the same, whenever they began.
static enum status check_identity(const struct file_model *file, struct error *err) {
    const struct stat *was = &file->identity;
    struct stat now;
    TRY(identify(&now, file->settings->weights, err));
    if (now.st_dev == was->st_dev && now.st_ino == was->st_ino && now.st_size == was->st_size &&
        now.st_mtim.tv_sec == was->st_mtim.tv_sec && now.st_mtim.tv_nsec == was->st_mtim.tv_nsec)
        return STATUS_OK;
    return error_set(err, STATUS_DATA,
                     "%s: another file has come in its place since the model was loaded",
                     file->settings->weights);
}

static enum status hash_file(char hex[SHA256_HEX_BYTES], const char *path, struct error *err) {
    enum { PIECE_BYTES = 1 << 22 };
    struct file_view view;
    struct sha256 hash = sha256_start();
    uint8_t digest[SHA256_BYTES];
    TRY(file_view_open(&view, path, 0, err));
    for (int64_t begin = 0; begin < view.size; begin += PIECE_BYTES) {
        int64_t end = begin + PIECE_BYTES < view.size ? begin + PIECE_BYTES : view.size;
        sha256_add(&hash, view.data + begin, end - begin);
        file_view_drop(&view, begin, end);
    }
    file_view_close(&view);
    sha256_finish(&hash, digest);
    sha256_hex(digest, hex);
    return STATUS_OK;
}

// What stands in addresses: of a file's name, what is before its last dot, odd characters replaced.
static char *name_of(const char *path, struct arena *arena) {
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    const char *dot = strrchr(base, '.');
    size_t size = dot && dot > base ? (size_t)(dot - base) : strlen(base);
    char *name = arena_copy_text(arena, base, (int64_t)size);
    static const char ALLOWED[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    for (char *c = name; c && *c; c++)
        if (!strchr(ALLOWED, *c)) *c = '-';
    return name;
}

// ---- Facts ----

static enum status describe(struct file_model *file, const struct service_settings *settings,
                            struct error *err) {
    enum { VERSION_DIGITS = 12 };
    static const double MASK_THRESHOLD = 0.5; // no model says otherwise
    struct model *model = &file->model;
    struct model_facts *facts = &model->facts;
    char hex[SHA256_HEX_BYTES];
    TRY(hash_file(hex, settings->weights, err));
    const struct detector *description = &file->description;
    int64_t count = detector_num_classes(description);
    const char **names = arena_alloc(&model->arena, count, sizeof *names);
    int64_t *ids = arena_alloc(&model->arena, count, sizeof *ids);
    facts->name = name_of(settings->name ? settings->name : settings->weights, &model->arena);
    facts->version = arena_copy_text(&model->arena, hex, VERSION_DIGITS);
    facts->sha256 = arena_copy_text(&model->arena, hex, SHA256_HEX_BYTES - 1);
    if (!names || !ids || !facts->name || !facts->version || !facts->sha256)
        return error_memory(err, "the model's classes", count);
    for (int32_t label = 1; label <= count; label++) {
        names[label - 1] = detector_class_name(description, label);
        ids[label - 1] = detector_category_id(description, label);
    }
    facts->num_classes = count;
    facts->names = names;
    facts->category_ids = ids;
    const struct model_config *config = &description->model.config;
    facts->score = config->box.score;
    facts->nms = config->box.nms;
    facts->mask_threshold = MASK_THRESHOLD;
    facts->max_dets = config->box.detections;
    model->short_side = config->input.short_side;
    model->long_side = config->input.long_side;
    return STATUS_OK;
}

// ---- Opening ----

// Whether it computes at all; memory is taken and weights are packed on the way.
static enum status try_device(struct file_model *file, int64_t device, struct error *err) {
    enum { WIDTH = 320, HEIGHT = 240, CHANNELS = 3 };
    struct arena arena;
    struct detection_list list;
    arena_init(&arena, 1 << 20, 0);
    struct image image = {WIDTH, HEIGHT, arena_alloc_zero(&arena, HEIGHT, WIDTH * CHANNELS)};
    enum status status = image.pixels ? detector_detect(&file->detectors[device], &image, 1, NULL,
                                                        &arena, &list, err)
                                      : error_memory(err, "a picture", WIDTH * HEIGHT * CHANNELS);
    arena_destroy(&arena);
    return status;
}

static enum status open_device(struct model *model, int64_t device, struct error *err) {
    struct file_model *file = (struct file_model *)model;
    const struct service_settings *settings = file->settings;
    struct detector *detector = &file->detectors[device];
    struct nn_options options = {
        .num_threads = file->num_threads, .precision = settings->precision, .tune = settings->tune};
    detector_close(detector);
    TRY(nn_options_set_device(&options, settings->devices.items[device], err));
    TRY(detector_open(detector, settings->weights, &settings->overrides, &options, err));
    enum status status = check_identity(file, err);
    if (status == STATUS_OK) status = try_device(file, device, err);
    if (status != STATUS_OK) detector_close(detector);
    return status;
}

static const struct model_kind FILE_MODEL = {input_of, cost_of, detect, open_device, destroy};

static enum status open_file(struct file_model *file, struct error *err) {
    const struct service_settings *settings = file->settings;
    TRY(identify(&file->identity, settings->weights, err));
    TRY(detector_model_describe(&file->description.model, settings->weights, &settings->overrides,
                                err));
    TRY(describe(file, settings, err));
    return check_identity(file, err);
}

enum status model_open(struct model **result, const struct service_settings *settings,
                       int num_threads, struct error *err) {
    enum { FACTS_BLOCK_BYTES = 1 << 14 };
    *result = NULL;
    size_t bytes =
        sizeof(struct file_model) + (size_t)settings->devices.count * sizeof(struct detector);
    struct file_model *file = calloc(1, bytes);
    if (!file) return error_memory(err, "a model", (long long)bytes);
    file->model.kind = &FILE_MODEL;
    file->settings = settings;
    file->num_threads = num_threads;
    arena_init(&file->model.arena, FACTS_BLOCK_BYTES, 0);
    atomic_init(&file->model.references, 1);
    enum status status = open_file(file, err);
    if (status == STATUS_OK)
        *result = &file->model;
    else
        model_release(&file->model);
    return status;
}

enum status model_open_device(struct model *model, int64_t device, struct error *err) {
    const uint64_t bit = (uint64_t)1 << device;
    enum status status = model->kind->open_device(model, device, err);
    if (status == STATUS_OK)
        atomic_fetch_or(&model->devices, bit);
    else
        atomic_fetch_and(&model->devices, ~bit);
    return status;
}

bool model_has_device(const struct model *model, int64_t device) {
    return atomic_load(&model->devices) >> device & 1;
}

struct model *model_share(struct model *model) {
    atomic_fetch_add(&model->references, 1);
    return model;
}

void model_release(struct model *model) {
    if (!model || atomic_fetch_sub(&model->references, 1) > 1) return;
    arena_destroy(&model->arena);
    model->kind->destroy(model);
}

// ---- The model in use ----

struct model_slot {
    pthread_mutex_t mutex;
    struct model *model;
};

enum status model_slot_create(struct model_slot **slot, struct error *err) {
    *slot = calloc(1, sizeof **slot);
    if (!*slot) return error_memory(err, "a model's place", sizeof **slot);
    pthread_mutex_init(&(*slot)->mutex, NULL);
    return STATUS_OK;
}

void model_slot_destroy(struct model_slot *slot) {
    if (!slot) return;
    model_release(slot->model);
    pthread_mutex_destroy(&slot->mutex);
    free(slot);
}

struct model *model_slot_take(struct model_slot *slot) {
    pthread_mutex_lock(&slot->mutex);
    struct model *model = slot->model ? model_share(slot->model) : NULL;
    pthread_mutex_unlock(&slot->mutex);
    return model;
}

void model_slot_put(struct model_slot *slot, struct model *model) {
    pthread_mutex_lock(&slot->mutex);
    struct model *old = slot->model;
    slot->model = model;
    pthread_mutex_unlock(&slot->mutex);
    model_release(old);
}

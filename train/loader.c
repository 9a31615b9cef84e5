#include "train/loader.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "data/coco_image.h"
#include "train/reused_arena.h"

enum {
    MODEL_BLOCK_BYTES = 1 << 16,
    TRUTHS_BLOCK_BYTES = 1 << 18,
    SCRATCH_BLOCK_BYTES = 1 << 20,
};

enum slot_state { SLOT_FREE, SLOT_LOADING, SLOT_READY, SLOT_LENT };

// A place for a group. Whoever changed its state to SLOT_LOADING alone may touch the rest.
struct slot {
    enum slot_state state;
    struct sampled_image *samples;
    const struct dataset_image **images;
    struct extent *extents;
    struct view *views;
    struct image_truth *truths;
    float *planes;                   // room for the largest group; NULL where pictures stay bytes
    struct pixels_picture *pictures; // the other way round
    struct reused_arena pictures_memory;
    struct reused_arena truths_memory;
    struct group group; // of the above, as lent
    enum status status;
    struct error err;
    int64_t held_bytes; // of pictures_memory and truths_memory, when last used
};

struct worker {
    struct loader *loader;
    struct reused_arena scratch; // images on their way
    int64_t held_bytes;          // of scratch, when last used
    pthread_t thread;
};

struct loader {
    struct loader_options options;
    struct sampler sampler;
    struct arena arena; // all of the following
    int64_t plane_floats;
    struct slot *slots;      // [options.num_groups]
    struct worker *workers;  // [num_workers]
    int num_workers;         // 1 without threads: the caller
    int num_started_threads; // that have to be joined

    pthread_mutex_t mutex; // of the states of slots, the sampler and the following
    pthread_cond_t slot_free;
    pthread_cond_t slot_ready;
    int64_t next_to_load; // counts the groups of this loader: n has the index first + n stride
    int64_t next_to_lend;
    bool stopping;
};

// ---- One group ----

static bool is_stopping(struct loader *loader) {
    pthread_mutex_lock(&loader->mutex);
    bool stopping = loader->stopping;
    pthread_mutex_unlock(&loader->mutex);
    return stopping;
}

static enum status load_image(struct loader *loader, struct slot *slot, int64_t i,
                              struct reused_arena *scratch, struct error *err) {
    const struct loader_options *options = &loader->options;
    const struct dataset_image *image = slot->images[i];
    const struct view *view = &slot->views[i];
    struct extent padded = slot->group.padded;
    struct image pixels;
    enum status status = STATUS_OK;
    reused_arena_empty(scratch);
    TRY(coco_image_load(&pixels, options->dataset->set, image->record, options->image_folder,
                        options->as_bytes ? &slot->pictures_memory.arena : &scratch->arena, err));
    if (view->mirrored) image_flip_horizontal(&pixels);
    if (options->as_bytes)
        slot->pictures[i] =
            (struct pixels_picture){pixels.pixels, pixels.width, pixels.height, view->crop};
    else
        status = preprocess_crop(options->model, &pixels, &view->crop, padded,
                                 slot->planes + i * padded.height * padded.width * 3,
                                 &scratch->arena, err);
    if (status == STATUS_OK)
        status = truths_make(&slot->truths[i], image, view, options->model->rules,
                             &slot->truths_memory.arena, err);
    if (status != STATUS_OK) error_prefix(err, "%s: ", image->record->file_name);
    return status;
}

static enum status load_group(struct loader *loader, struct slot *slot,
                              struct reused_arena *scratch, struct error *err) {
    struct group *group = &slot->group;
    struct extent frames = {0, 0};
    if (slot->pictures) reused_arena_empty(&slot->pictures_memory);
    reused_arena_empty(&slot->truths_memory);
    for (int64_t i = 0; i < group->num_images; i++) {
        const struct dataset_image *image =
            &loader->options.dataset->images[slot->samples[i].image];
        slot->images[i] = image;
        slot->views[i] = view_of(loader->options.model, image->record->width, image->record->height,
                                 &slot->samples[i].augmentation);
        slot->extents[i] = slot->views[i].crop.extent;
        const struct extent both[] = {frames, slot->views[i].frame};
        frames = preprocess_padded(both, 2);
    }
    group->padded = frames;
    CHECK(group->num_images * frames.height * frames.width * 3 <= loader->plane_floats);
    for (int64_t i = 0; i < group->num_images; i++) {
        if (is_stopping(loader))
            return error_set(err, STATUS_CANCELLED, "the loader is being destroyed");
        TRY(load_image(loader, slot, i, scratch, err));
    }
    return STATUS_OK;
}

// ---- Slots ----

// The following are called with the mutex held.

static int64_t index_of(const struct loader *loader, int64_t number) {
    return loader->options.first + number * loader->options.stride;
}

static struct slot *find_free(const struct loader *loader) {
    for (int i = 0; i < loader->options.num_groups; i++)
        if (loader->slots[i].state == SLOT_FREE) return &loader->slots[i];
    return NULL;
}

// The group to be lent next, if it is ready.
static struct slot *find_ready(const struct loader *loader) {
    int64_t index = index_of(loader, loader->next_to_lend);
    for (int i = 0; i < loader->options.num_groups; i++) {
        struct slot *slot = &loader->slots[i];
        if (slot->state == SLOT_READY && slot->group.index == index) return slot;
    }
    return NULL;
}

static bool all_are_lent(const struct loader *loader) {
    for (int i = 0; i < loader->options.num_groups; i++)
        if (loader->slots[i].state != SLOT_LENT) return false;
    return true;
}

static void begin_loading(struct loader *loader, struct slot *slot) {
    int64_t index = index_of(loader, loader->next_to_load++);
    slot->state = SLOT_LOADING;
    slot->group = (struct group){
        .index = index,
        .num_images = sampler_group(&loader->sampler, index, slot->samples),
        .images = slot->images,
        .extents = slot->extents,
        .planes = slot->planes,
        .pictures = slot->pictures,
        .truths = slot->truths,
    };
}

// Gives the mutex away for the time of the work itself.
static void load_next(struct loader *loader, struct worker *worker, struct slot *slot) {
    begin_loading(loader, slot);
    pthread_mutex_unlock(&loader->mutex);
    slot->status = load_group(loader, slot, &worker->scratch, &slot->err);
    pthread_mutex_lock(&loader->mutex);
    slot->state = SLOT_READY;
    slot->held_bytes =
        slot->pictures_memory.arena.reserved_bytes + slot->truths_memory.arena.reserved_bytes;
    worker->held_bytes = worker->scratch.arena.reserved_bytes;
    pthread_cond_broadcast(&loader->slot_ready);
}

static void *thread_main(void *argument) {
    struct worker *worker = argument;
    struct loader *loader = worker->loader;
    pthread_mutex_lock(&loader->mutex);
    while (!loader->stopping) {
        struct slot *slot = find_free(loader);
        if (slot)
            load_next(loader, worker, slot);
        else
            pthread_cond_wait(&loader->slot_free, &loader->mutex);
    }
    pthread_mutex_unlock(&loader->mutex);
    return NULL;
}

enum status loader_next(struct loader *loader, const struct group **group, struct error *err) {
    double begin = clock_seconds();
    struct slot *slot = NULL;
    pthread_mutex_lock(&loader->mutex);
    CHECK(!all_are_lent(loader));
    if (loader->options.num_threads == 0 && !find_ready(loader))
        load_next(loader, &loader->workers[0], find_free(loader));
    while (!(slot = find_ready(loader)))
        pthread_cond_wait(&loader->slot_ready, &loader->mutex);
    if (slot->status == STATUS_OK) {
        slot->state = SLOT_LENT;
        loader->next_to_lend++;
    }
    pthread_mutex_unlock(&loader->mutex);
    if (slot->status != STATUS_OK) return error_set(err, slot->status, "%s", slot->err.message);
    slot->group.seconds_waited = clock_seconds() - begin;
    *group = &slot->group;
    return STATUS_OK;
}

void loader_release(struct loader *loader, const struct group *group) {
    struct slot *slot = loader->slots;
    while (&slot->group != group)
        slot++;
    pthread_mutex_lock(&loader->mutex);
    CHECK(slot->state == SLOT_LENT);
    slot->state = SLOT_FREE;
    pthread_cond_broadcast(&loader->slot_free);
    pthread_mutex_unlock(&loader->mutex);
}

// ---- Life ----

static int64_t area_of(struct extent extent) {
    return (int64_t)extent.height * extent.width;
}

// The padded size of the largest possible group.
static struct extent largest_group(const struct loader_options *options) {
    const struct option_ints *sides = &options->model->config->augment.short_sides;
    struct extent largest[2] = {{0, 0}, {0, 0}}; // landscape, portrait; together without order
    for (int64_t i = 0; i < options->dataset->num_images; i++) {
        const struct coco_image *record = options->dataset->images[i].record;
        struct extent *kind = &largest[options->augments && record->width < record->height];
        struct augmentation augmentation = augmentation_none(options->model->config);
        for (int64_t j = 0; j == 0 || (options->augments && j < sides->count); j++) {
            if (options->augments && sides->count > 0) augmentation.short_side = sides->items[j];
            struct view view =
                view_of(options->model, record->width, record->height, &augmentation);
            const struct extent both[] = {*kind, view.frame};
            *kind = preprocess_padded(both, 2);
        }
    }
    return area_of(largest[0]) >= area_of(largest[1]) ? largest[0] : largest[1];
}

static int64_t floats_of_group(const struct loader_options *options, struct extent padded) {
    return options->model->config->schedule.group * area_of(padded) * 3;
}

struct loader_need loader_need_of(const struct loader_options *options) {
    struct loader_need need = {.padded = largest_group(options)};
    int64_t pixels = 0; // of the largest image
    for (int64_t i = 0; i < options->dataset->num_images; i++) {
        const struct coco_image *record = options->dataset->images[i].record;
        int64_t area = (int64_t)record->width * record->height;
        if (area > pixels) pixels = area;
    }
    // An image as it was read, and resized: as bytes or as floats.
    bool bytes = options->model->rules->resizes_bytes;
    int64_t on_its_way =
        3 * (bytes ? pixels + area_of(need.padded)
                   : pixels + (pixels + area_of(need.padded)) * (int64_t)sizeof(float));
    int64_t num_workers = options->num_threads > 0 ? options->num_threads : 1;
    int64_t group = floats_of_group(options, need.padded) * (int64_t)sizeof(float);
    if (options->as_bytes) {
        on_its_way = 0;
        group = options->model->config->schedule.group * 3 * pixels + SCRATCH_BLOCK_BYTES;
    }
    need.bytes = options->num_groups * (group + TRUTHS_BLOCK_BYTES) +
                 num_workers * (on_its_way + SCRATCH_BLOCK_BYTES);
    return need;
}

static enum status make_slot(struct loader *loader, struct slot *slot, struct error *err) {
    struct arena *arena = &loader->arena;
    int64_t size = loader->options.model->config->schedule.group;
    slot->samples = arena_alloc(arena, size, sizeof *slot->samples);
    slot->images = arena_alloc(arena, size, sizeof(const struct dataset_image *));
    slot->extents = arena_alloc(arena, size, sizeof *slot->extents);
    slot->views = arena_alloc(arena, size, sizeof *slot->views);
    slot->truths = arena_alloc(arena, size, sizeof *slot->truths);
    if (loader->options.as_bytes)
        slot->pictures = arena_alloc(arena, size, sizeof *slot->pictures);
    else
        slot->planes = arena_alloc(arena, loader->plane_floats, sizeof *slot->planes);
    if (!slot->samples || !slot->images || !slot->extents || !slot->views || !slot->truths ||
        (!slot->planes && !slot->pictures))
        return error_memory(err, "images to be loaded",
                            loader->plane_floats * (int64_t)sizeof *slot->planes);
    if (slot->pictures) reused_arena_init(&slot->pictures_memory, SCRATCH_BLOCK_BYTES);
    reused_arena_init(&slot->truths_memory, TRUTHS_BLOCK_BYTES);
    return STATUS_OK;
}

static enum status make_parts(struct loader *loader, struct error *err) {
    const struct loader_options *options = &loader->options;
    struct arena *arena = &loader->arena;
    int num_threads = options->num_threads;
    loader->plane_floats = floats_of_group(options, largest_group(options));
    TRY(sampler_init(&loader->sampler, options->dataset, options->model->config, options->augments,
                     options->seed, arena, err));
    loader->slots = arena_alloc_zero(arena, options->num_groups, sizeof *loader->slots);
    int num_workers = num_threads > 0 ? num_threads : 1;
    loader->workers = arena_alloc_zero(arena, num_workers, sizeof *loader->workers);
    if (!loader->slots || !loader->workers) return error_memory(err, "threads", num_workers);
    loader->num_workers = num_workers;
    for (int i = 0; i < options->num_groups; i++)
        TRY(make_slot(loader, &loader->slots[i], err));
    for (int i = 0; i < num_workers; i++) {
        loader->workers[i].loader = loader;
        reused_arena_init(&loader->workers[i].scratch, SCRATCH_BLOCK_BYTES);
    }
    while (loader->num_started_threads < num_threads) {
        struct worker *worker = &loader->workers[loader->num_started_threads];
        int code = pthread_create(&worker->thread, NULL, thread_main, worker);
        if (code != 0)
            return error_set(err, STATUS_INTERNAL, "cannot start a thread: %s", strerror(code));
        loader->num_started_threads++;
    }
    return STATUS_OK;
}

enum status loader_create(struct loader **result, const struct loader_options *options,
                          struct error *err) {
    CHECK(options->first >= 0 && options->stride >= 1);
    CHECK(options->num_threads >= 0 && options->num_groups >= 1);
    *result = NULL;
    struct loader *loader = calloc(1, sizeof *loader);
    if (!loader) return error_memory(err, "a loader", sizeof *loader);
    loader->options = *options;
    arena_init(&loader->arena, MODEL_BLOCK_BYTES, 0);
    pthread_mutex_init(&loader->mutex, NULL);
    pthread_cond_init(&loader->slot_free, NULL);
    pthread_cond_init(&loader->slot_ready, NULL);
    enum status status = make_parts(loader, err);
    if (status == STATUS_OK)
        *result = loader;
    else
        loader_destroy(loader);
    return status;
}

void loader_destroy(struct loader *loader) {
    if (!loader) return;
    pthread_mutex_lock(&loader->mutex);
    loader->stopping = true;
    pthread_cond_broadcast(&loader->slot_free);
    pthread_mutex_unlock(&loader->mutex);
    for (int i = 0; i < loader->num_started_threads; i++)
        pthread_join(loader->workers[i].thread, NULL);
    for (int i = 0; i < loader->num_workers; i++)
        reused_arena_destroy(&loader->workers[i].scratch);
    for (int i = 0; loader->slots && i < loader->options.num_groups; i++) {
        reused_arena_destroy(&loader->slots[i].pictures_memory);
        reused_arena_destroy(&loader->slots[i].truths_memory);
    }
    pthread_cond_destroy(&loader->slot_ready);
    pthread_cond_destroy(&loader->slot_free);
    pthread_mutex_destroy(&loader->mutex);
    arena_destroy(&loader->arena);
    free(loader);
}

int64_t loader_groups_per_epoch(const struct loader *loader) {
    return loader->sampler.groups_per_epoch;
}

int64_t loader_memory_bytes(struct loader *loader) {
    int64_t bytes = loader->arena.reserved_bytes;
    pthread_mutex_lock(&loader->mutex);
    for (int i = 0; i < loader->num_workers; i++)
        bytes += loader->workers[i].held_bytes;
    for (int i = 0; i < loader->options.num_groups; i++)
        bytes += loader->slots[i].held_bytes;
    pthread_mutex_unlock(&loader->mutex);
    return bytes;
}

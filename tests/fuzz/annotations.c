#include "tests/fuzz/annotations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "formats/ndjson.h"

enum { PATH_BYTES = 256, ARENA_BYTES = 64 << 20 };

static char folder[PATH_BYTES];

static void remove_folder(void) {
    char line[PATH_BYTES + 16];
    snprintf(line, sizeof line, "rm -rf '%s'", folder);
    CHECK(system(line) == 0);
}

const char *input_folder(void) {
    if (folder[0]) return folder;
    snprintf(folder, sizeof folder, "%s/gctmask-fuzz.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    CHECK(mkdtemp(folder));
    atexit(remove_folder);
    return folder;
}

const char *input_file(const char *name, const void *bytes, size_t size) {
    static char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", input_folder(), name);
    FILE *file = fopen(path, "w");
    CHECK(file && fwrite(bytes, 1, size, file) == size);
    CHECK(fclose(file) == 0);
    return path;
}

void input_set_init(struct annotated_set *set) {
    annotated_set_init(set);
    set->arena.limit_bytes = ARENA_BYTES;
}

// ---- What must hold ----

static void check_object(const struct annotated_set *set, const struct annotated_image *image,
                         const struct annotated_object *object) {
    const struct rle *mask = &object->mask;
    uint64_t sum = 0;
    CHECK(object->class_index >= 0 && object->class_index < set->classes.count);
    CHECK(mask->height == image->height && mask->width == image->width);
    for (int64_t i = 0; i < mask->num_runs; i++)
        sum += mask->runs[i]; // those of 0 pixels that a file has are kept
    CHECK(sum == (uint64_t)mask->height * (uint64_t)mask->width);
}

static void check_images(const struct annotated_set *set) {
    for (int64_t i = 0; i < set->num_images; i++) {
        const struct annotated_image *image = &set->images[i];
        CHECK(image->name && image->width > 0 && image->height > 0);
        for (int64_t k = 0; k < image->num_objects; k++)
            check_object(set, image, &image->objects[k]);
    }
}

static bool are_same(const struct rle *a, const struct rle *b) {
    return a->num_runs == b->num_runs &&
           memcmp(a->runs, b->runs, (size_t)a->num_runs * sizeof *a->runs) == 0;
}

static void check_copy(const struct annotated_set *set, const struct annotated_set *copy) {
    CHECK(copy->num_images == set->num_images);
    for (int64_t i = 0; i < set->num_images; i++) {
        const struct annotated_image *image = &set->images[i];
        CHECK(copy->images[i].num_objects == image->num_objects);
        for (int64_t k = 0; k < image->num_objects; k++)
            CHECK(are_same(&copy->images[i].objects[k].mask, &image->objects[k].mask));
    }
}

static void check_round_trip(const struct annotated_set *set) {
    struct output out;
    struct error err;
    struct annotated_set copy;
    output_open_memory(&out);
    for (int64_t i = 0; i < set->num_images; i++)
        CHECK(ndjson_write(&out, &set->images[i], &set->classes, &err) == STATUS_OK);
    CHECK(output_finish(&out, &err) == STATUS_OK);
    const char *path = input_file("copy.ndjson", out.data ? out.data : "", (size_t)out.size);
    output_discard(&out);
    annotated_set_init(&copy);
    CHECK(ndjson_read(&copy, path, &err) == STATUS_OK);
    check_copy(set, &copy);
    annotated_set_destroy(&copy);
}

void input_set_check(struct annotated_set *set, enum status status, const struct error *err) {
    if (status == STATUS_OK) {
        check_images(set);
        check_round_trip(set);
    } else {
        CHECK(status == err->code && err->message[0]);
    }
    annotated_set_destroy(set);
}

// How many training images a second the loader makes ready: decoded, mirrored, resized to 800
// (1333), normalised, with boxes and masks. bench/loader runs it.
//
//     load_images CONVENTIONS ANNOTATIONS FOLDER [--threads N] [--seconds N]
//
// Prints a line of JSON. Classes are those of the annotations. The files are in the system's cache
// after a first epoch.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "train/loader.h"

enum { LIST_BYTES = 1 << 16 };

struct bench {
    const char *conventions, *annotations, *folder;
    int num_threads;
    double seconds;
    struct arena arena;
    struct model_config config;
    struct options options;
    struct mask_rcnn model; // of which the loader reads the configuration and the conventions
    struct coco_set set;
    struct dataset dataset;
    struct loader *loader;
};

static enum status configure(struct bench *bench, struct error *err) {
    char names[LIST_BYTES] = "";
    char ids[LIST_BYTES] = "";
    for (int64_t i = 0; i < bench->set.num_categories; i++) {
        const struct coco_category *category = &bench->set.categories[i];
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? "," : "", category->name);
        used = strlen(ids);
        snprintf(ids + used, sizeof ids - used, "%s%lld", i ? "," : "", (long long)category->id);
    }
    const char *const settings[] = {"classes.names",   names, "classes.ids", ids, "conventions",
                                    bench->conventions};
    TRY(options_init(&bench->options, MODEL_OPTIONS, &bench->config, &bench->arena, err));
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i += 2)
        TRY(options_set_text(&bench->options, settings[i], settings[i + 1],
                             (struct option_origin){0}, err));
    TRY(model_config_check(&bench->config, err));
    bench->model = (struct mask_rcnn){
        .config = &bench->config,
        .rules = conventions_of((enum conventions)bench->config.conventions),
    };
    return STATUS_OK;
}

// Takes groups until the time is up, or num_groups of them; *num_images grows.
static enum status take(struct bench *bench, double until, int64_t num_groups, int64_t *num_images,
                        struct error *err) {
    for (int64_t k = 0; k < num_groups && clock_seconds() < until; k++) {
        const struct group *group;
        TRY(loader_next(bench->loader, &group, err));
        *num_images += group->num_images;
        loader_release(bench->loader, group);
    }
    return STATUS_OK;
}

static enum status run(struct bench *bench, struct error *err) {
    const struct coco_load_options load = {0};
    int64_t num_images = 0;
    TRY(coco_load_annotations(&bench->set, bench->annotations, &load, err));
    TRY(configure(bench, err));
    TRY(dataset_make(&bench->dataset, &bench->set, &bench->config, &bench->arena, err));
    const struct loader_options options = {
        .dataset = &bench->dataset,
        .model = &bench->model,
        .image_folder = bench->folder,
        .augments = true,
        .stride = 1,
        .num_threads = bench->num_threads,
        .num_groups = 2 * bench->num_threads + 1,
    };
    TRY(loader_create(&bench->loader, &options, err));
    TRY(take(bench, 1e300, loader_groups_per_epoch(bench->loader), &num_images, err));
    num_images = 0;
    double begin = clock_seconds();
    TRY(take(bench, begin + bench->seconds, INT64_MAX, &num_images, err));
    printf("{\"engine\":\"gctmask\",\"images_per_second\":%.2f,\"held_mib\":%lld}\n",
           (double)num_images / (clock_seconds() - begin),
           (long long)loader_memory_bytes(bench->loader) >> 20);
    return STATUS_OK;
}

static bool parse(struct bench *bench, int argc, char **argv) {
    if (argc < 4) return false;
    bench->conventions = argv[1];
    bench->annotations = argv[2];
    bench->folder = argv[3];
    bench->num_threads = 2;
    bench->seconds = 10;
    for (int i = 4; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--threads") == 0)
            bench->num_threads = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--seconds") == 0)
            bench->seconds = atof(argv[i + 1]);
        else
            return false;
    }
    return argc % 2 == 0;
}

int main(int argc, char **argv) {
    static struct bench bench;
    struct error err;
    if (!parse(&bench, argc, argv)) {
        fprintf(stderr, "usage: load_images CONVENTIONS ANNOTATIONS FOLDER [--threads N] "
                        "[--seconds N]\n");
        return 64;
    }
    arena_init(&bench.arena, 1 << 20, 0);
    enum status status = run(&bench, &err);
    if (status != STATUS_OK) fprintf(stderr, "load_images: %s\n", err.message);
    loader_destroy(bench.loader);
    coco_destroy(&bench.set);
    arena_destroy(&bench.arena);
    return status == STATUS_OK ? 0 : 1;
}

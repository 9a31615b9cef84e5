#include "data/shapes_set.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "data/coco_write.h"
#include "data/shapes.h"

enum {
    PATH_BYTES = 4096,
    NAME_BYTES = 32,
    WAVE_IMAGES = 32, // drawn side by side, then written in order
    ARENA_BLOCK_BYTES = 1 << 20,
};

struct split {
    const char *name;
    int64_t num_images;
    uint64_t first_scene;
    int64_t first_id;
};

// One image: what the drawing threads make and the writing thread takes.
struct drawing {
    struct arena arena;
    struct coco_annotation *labels;
    int64_t num_labels;
    struct coco_annotation *guesses;
    int64_t num_guesses;
    enum status status;
    struct error err;
};

struct production {
    const char *folder;
    const struct shapes_set_options *options;
    struct split split;
    int64_t begin; // the wave's first image
    struct drawing drawings[WAVE_IMAGES];
    bool wants_results;
    struct coco_writer annotations;
    struct coco_writer results;
    int64_t next_annotation_id;
    struct shapes_set_counts counts;
};

// ---- Names ----

static enum status join(char path[PATH_BYTES], const char *folder, const char *name,
                        struct error *err) {
    if (snprintf(path, PATH_BYTES, "%s/%s", folder, name) >= PATH_BYTES)
        return error_set(err, STATUS_CANNOT_WRITE, "%.64s...: the path is too long", folder);
    return STATUS_OK;
}

static enum status make_folder(const char *path, struct error *err) {
    if (mkdir(path, 0777) == 0 || errno == EEXIST) return STATUS_OK;
    return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot make the folder: %s", path,
                     strerror(errno));
}

static enum status make_folders(const char *folder, struct error *err) {
    char path[PATH_BYTES];
    TRY(make_folder(folder, err));
    TRY(join(path, folder, "images", err));
    TRY(make_folder(path, err));
    TRY(join(path, folder, "annotations", err));
    return make_folder(path, err);
}

static struct coco_image describe_image(const struct production *p, int64_t index,
                                        char name[NAME_BYTES]) {
    snprintf(name, NAME_BYTES, "%s_%06" PRId64 ".jpg", p->split.name, index + 1);
    struct coco_image image = {
        .id = p->split.first_id + index,
        .width = p->options->width,
        .height = p->options->height,
        .file_name = name,
    };
    if (image.width == 0)
        shape_scene_draw_size(p->options->seed, p->split.first_scene + (uint64_t)index,
                              p->options->min_side, p->options->max_side, &image.width,
                              &image.height);
    return image;
}

// ---- Drawing ----

static enum status cannot_write(const char *path, struct error *err) {
    return error_set(err, STATUS_CANNOT_WRITE, "%s: cannot write: %s", path, strerror(errno));
}

// Straight into place, without the care that the annotations get: a set is there when its
// annotation file is, which comes last, and waiting for the disk at each picture takes longer than
// drawing it.
static enum status save_picture(const struct production *p, const struct image *picture,
                                const char *name, struct error *err) {
    char folder[PATH_BYTES];
    char path[PATH_BYTES];
    TRY(join(folder, p->folder, "images", err));
    TRY(join(path, folder, name, err));
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0) return cannot_write(path, err);
    struct output out;
    output_open_descriptor(&out, descriptor);
    enum status status = image_write_jpeg(picture, p->options->jpeg_quality, &out, err);
    if (status == STATUS_OK) {
        status = output_finish(&out, err);
        if (status != STATUS_OK) (void)error_prefix(err, "%s: ", path);
    }
    output_discard(&out);
    if (close(descriptor) != 0 && status == STATUS_OK) status = cannot_write(path, err);
    return status;
}

static enum status draw(const struct production *p, int64_t index, struct drawing *drawing) {
    char name[NAME_BYTES];
    struct coco_image image = describe_image(p, index, name);
    struct arena *arena = &drawing->arena;
    struct error *err = &drawing->err;
    struct shape_scene scene;
    struct image picture;
    TRY(shape_scene_compose(&scene, p->options->style, p->options->seed,
                            p->split.first_scene + (uint64_t)index, image.width, image.height,
                            arena, err));
    TRY(shape_scene_paint(&picture, &scene, arena, err));
    TRY(save_picture(p, &picture, name, err));
    TRY(shape_scene_label(&scene, &drawing->labels, &drawing->num_labels, arena, err));
    if (!p->wants_results) return STATUS_OK;
    return shape_scene_guess(&scene, p->options->results_quality, &drawing->guesses,
                             &drawing->num_guesses, arena, err);
}

static void draw_one(void *context, int64_t index, int worker) {
    (void)worker;
    struct production *p = context;
    struct drawing *drawing = &p->drawings[index];
    drawing->num_labels = 0;
    drawing->num_guesses = 0;
    drawing->status = STATUS_OK;
    if (p->begin + index >= p->split.num_images) return;
    arena_init(&drawing->arena, ARENA_BLOCK_BYTES, 0);
    drawing->status = draw(p, p->begin + index, drawing);
}

// ---- Writing ----

static enum status write_drawing(struct production *p, int64_t index, struct error *err) {
    struct drawing *drawing = &p->drawings[index];
    if (drawing->status != STATUS_OK)
        return error_set(err, drawing->status, "%s", drawing->err.message);
    int64_t image_id = p->split.first_id + p->begin + index;
    for (int64_t i = 0; i < drawing->num_labels; i++) {
        drawing->labels[i].id = p->next_annotation_id++;
        drawing->labels[i].image_id = image_id;
        coco_write_annotation(&p->annotations, &drawing->labels[i]);
    }
    for (int64_t i = 0; i < drawing->num_guesses; i++) {
        drawing->guesses[i].image_id = image_id;
        coco_write_result(&p->results, &drawing->guesses[i]);
    }
    p->counts.num_annotations += drawing->num_labels;
    p->counts.num_results += drawing->num_guesses;
    return STATUS_OK;
}

static enum status write_wave(struct production *p, struct error *err) {
    struct workers *workers = p->options->workers;
    if (workers) workers_run(workers, WAVE_IMAGES, 1, draw_one, p);
    enum status status = STATUS_OK;
    for (int64_t i = 0; i < WAVE_IMAGES; i++) {
        if (!workers) draw_one(p, i, 0);
        if (status == STATUS_OK) status = write_drawing(p, i, err);
        arena_destroy(&p->drawings[i].arena);
    }
    return status;
}

// Sizes do not need drawing, so images are described first and all is written in one pass.
static enum status write_records(struct production *p, struct error *err) {
    for (int64_t i = 0; i < p->split.num_images; i++) {
        char name[NAME_BYTES];
        struct coco_image image = describe_image(p, i, name);
        coco_write_image(&p->annotations, &image);
    }
    for (p->begin = 0; p->begin < p->split.num_images; p->begin += WAVE_IMAGES)
        TRY(write_wave(p, err));
    for (enum shape_kind kind = 0; kind < NUM_SHAPE_CLASSES; kind++) {
        struct coco_category category = shape_category(kind);
        coco_write_category(&p->annotations, &category);
    }
    p->counts.num_images += p->split.num_images;
    TRY(coco_writer_commit(&p->annotations, err));
    return p->wants_results ? coco_writer_commit(&p->results, err) : STATUS_OK;
}

static enum status write_split(struct production *p, struct error *err) {
    char folder[PATH_BYTES];
    char path[PATH_BYTES];
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "instances_%s.json", p->split.name);
    TRY(join(folder, p->folder, "annotations", err));
    TRY(join(path, folder, name, err));
    p->next_annotation_id = 1;
    enum status status =
        coco_writer_open_set(&p->annotations, path, "Shapes, drawn at random", err);
    if (status == STATUS_OK && p->wants_results)
        status = coco_writer_open_results(&p->results, p->options->results_path, err);
    if (status == STATUS_OK) status = write_records(p, err);
    coco_writer_discard(&p->annotations);
    coco_writer_discard(&p->results);
    return status;
}

enum status shapes_write_set(const char *folder, const struct shapes_set_options *options,
                             struct shapes_set_counts *counts, struct error *err) {
    CHECK(options->num_train <= SHAPES_MAX_IMAGES && options->num_val <= SHAPES_MAX_IMAGES);
    // Far apart, so that a larger training set does not change the validation set.
    const struct split splits[] = {
        {"train", options->num_train, 0, 1},
        {"val", options->num_val, UINT64_C(1) << 32, SHAPES_MAX_IMAGES + 1},
    };
    const struct split *with_results = options->num_val > 0 ? &splits[1] : &splits[0];
    TRY(make_folders(folder, err));
    struct production production = {.folder = folder, .options = options};
    for (int i = 0; i < 2; i++) {
        if (splits[i].num_images == 0) continue;
        production.split = splits[i];
        production.wants_results = options->results_path && &splits[i] == with_results;
        TRY(write_split(&production, err));
    }
    if (counts) *counts = production.counts;
    return STATUS_OK;
}

#include "bench/train_scene.h"

#include <math.h>
#include <string.h>

#include "detector/preprocess.h"

enum { CHANNELS = 3 };

static const struct scene *attached;

// Point k of a sequence that fills [0, 1)^4 evenly (Kronecker's, with the powers of the root of
// x^5 = x + 1).
static void point(int64_t k, double values[4]) {
    static const double STEPS[4] = {0.8566748838545029, 0.733891856627126, 0.6287067210378087,
                                    0.5385972572236101};
    for (int i = 0; i < 4; i++) {
        double value = (double)k * STEPS[i];
        values[i] = value - floor(value);
    }
}

// Object k, so far from the image's edges that the proposals round it are within, too.
static void place_object(int64_t k, struct extent extent, double box[4]) {
    double u[4];
    point(k, u);
    box[0] = extent.width * (0.06 + 0.5 * u[0]);
    box[1] = extent.height * (0.06 + 0.5 * u[1]);
    box[2] = box[0] + extent.width * (0.1 + 0.3 * u[2]);
    box[3] = box[1] + extent.height * (0.1 + 0.3 * u[3]);
}

// Proposal j round object k: each side is moved by up to 15 % of the object's.
static void place_proposal(int64_t k, int64_t j, struct extent extent, float proposal[4]) {
    double box[4];
    double u[4];
    place_object(k, extent, box);
    point(k * SCENE_PROPOSALS + j, u);
    double sides[2] = {box[2] - box[0], box[3] - box[1]};
    for (int i = 0; i < 4; i++)
        proposal[i] = (float)(box[i] + 0.3 * sides[i % 2] * (u[i] - 0.5));
}

// ---- The scene ----

static enum status make_truth(struct image_truth *truth, int64_t image, struct extent extent,
                              struct arena *arena, struct error *err) {
    float *boxes = arena_alloc(arena, SCENE_OBJECTS, 4 * sizeof *boxes);
    int32_t *labels = arena_alloc(arena, SCENE_OBJECTS, sizeof *labels);
    struct object_mask *masks = arena_alloc_zero(arena, SCENE_OBJECTS, sizeof *masks);
    if (!boxes || !labels || !masks) return error_memory(err, "a scene", 0);
    for (int64_t i = 0; i < SCENE_OBJECTS; i++) {
        int64_t k = image * SCENE_OBJECTS + i;
        double box[4];
        place_object(k, extent, box);
        for (int j = 0; j < 4; j++)
            boxes[4 * i + j] = (float)box[j];
        labels[i] = (int32_t)(1 + k % SCENE_CLASSES);
        const struct coco_box filled = {box[0], box[1], box[2] - box[0], box[3] - box[1]};
        TRY(box_to_rle(&masks[i].rle, &filled, extent.height, extent.width, arena, err));
    }
    *truth = (struct image_truth){SCENE_OBJECTS, boxes, labels, masks};
    return STATUS_OK;
}

enum status scene_make(struct scene *scene, int64_t num_images, struct extent extent,
                       struct arena *arena, struct error *err) {
    *scene = (struct scene){
        .num_images = num_images,
        .extents = arena_alloc(arena, num_images, sizeof *scene->extents),
        .truths = arena_alloc(arena, num_images, sizeof *scene->truths),
    };
    if (!scene->extents || !scene->truths) return error_memory(err, "a scene", 0);
    for (int64_t i = 0; i < num_images; i++) {
        scene->extents[i] = extent;
        TRY(make_truth(&scene->truths[i], i, extent, arena, err));
    }
    scene->padded = preprocess_padded(scene->extents, num_images);
    return STATUS_OK;
}

// Noise in [-1, 1), the value of each element a function of its place in [n, h, w, c] of the
// images.
void scene_fill_input(const struct scene *scene, float *input) {
    struct extent extent = scene->extents[0];
    int64_t row_floats = CHANNELS * (int64_t)extent.width;
    int64_t padded_floats = CHANNELS * (int64_t)scene->padded.width;
    memset(input, 0,
           (size_t)(scene->num_images * scene->padded.height * padded_floats) * sizeof *input);
    uint32_t at = 0;
    for (int64_t n = 0; n < scene->num_images; n++)
        for (int64_t y = 0; y < extent.height; y++)
            for (int64_t i = 0; i < row_floats; i++, at++)
                input[(n * scene->padded.height + y) * padded_floats + i] =
                    (float)(at * 2654435761u >> 8) * 0x1p-23f - 1;
}

// ---- Proposals ----

static void put(struct box_list *list, int64_t image, const float box[4], float score) {
    int64_t at = image * list->each + list->counts[image]++;
    memcpy(list->boxes + 4 * at, box, 4 * sizeof *box);
    list->scores[at] = score;
    list->images[at] = (int32_t)image;
}

enum { FLOATS_PER_PROPOSAL = 6 };

// The same places in either memory.
static struct box_list lay_out(int64_t num_images, int64_t each, float *memory) {
    int64_t capacity = num_images * each;
    return (struct box_list){
        .capacity = capacity,
        .count = capacity,
        .each = each,
        .boxes = memory,
        .scores = memory + 4 * capacity,
        .images = (int32_t *)(void *)(memory + 5 * capacity),
        .counts = (int32_t *)(void *)(memory + FLOATS_PER_PROPOSAL * capacity),
    };
}

// Into a list with more places for each image.
static void add_proposals(struct nn *nn, const struct scene *scene, struct box_list *list) {
    int64_t added = SCENE_OBJECTS * SCENE_PROPOSALS;
    int64_t num_images = scene->num_images;
    int64_t each = list->each + added;
    int64_t num_floats = (FLOATS_PER_PROPOSAL * each + 1) * num_images;
    struct tensor *memory = nn_tensor(nn, 1, 1, 1, num_floats);
    float *place = nn_place(nn, memory);
    const struct box_list found = box_list_read(nn, list);
    nn_wait(nn);
    if (nn_failed(nn)) return;
    memset(place, 0, (size_t)num_floats * sizeof *place);
    struct box_list all = lay_out(num_images, each, place);
    for (int64_t image = 0; image < num_images; image++) {
        for (int64_t i = 0; i < found.counts[image]; i++) {
            int64_t from = image * found.each + i;
            put(&all, image, found.boxes + 4 * from, found.scores[from]);
        }
        for (int64_t i = 0; i < added; i++) {
            float box[4];
            place_proposal(image * SCENE_OBJECTS + i / SCENE_PROPOSALS, i % SCENE_PROPOSALS,
                           scene->extents[image], box);
            put(&all, image, box, 0);
        }
    }
    nn_put(nn, memory, place);
    *list = lay_out(num_images, each, memory->data);
}

void scene_attach(const struct scene *scene) {
    attached = scene;
}

// The linker calls these two rpn_propose.
void __real_rpn_propose(struct nn *nn, const struct rpn *rpn, const struct rpn_maps *maps,
                        int64_t height, int64_t width, const struct extent *extents,
                        struct box_list *list);
void __wrap_rpn_propose(struct nn *nn, const struct rpn *rpn, const struct rpn_maps *maps,
                        int64_t height, int64_t width, const struct extent *extents,
                        struct box_list *list);

void __wrap_rpn_propose(struct nn *nn, const struct rpn *rpn, const struct rpn_maps *maps,
                        int64_t height, int64_t width, const struct extent *extents,
                        struct box_list *list) {
    __real_rpn_propose(nn, rpn, maps, height, width, extents, list);
    if (attached && !nn_failed(nn)) add_proposals(nn, attached, list);
}

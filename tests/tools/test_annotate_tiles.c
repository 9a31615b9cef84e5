// gctmask annotate --tile against a naive reference: the same tiles as pictures of their own, what
// is found in them put together pixel by pixel.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/coco.h"
#include "data/image.h"
#include "tests/harness.h"
#include "tests/program.h"
#include "tests/tools/check_annotate.h"

enum {
    WIDTH = 200,
    HEIGHT = 150,
    TILE = 100,
    NUM_TILES = 6,
    MAX_FOUND = 512,
    PIXELS = WIDTH * HEIGHT
};

// Steps of 60: the last tile of a row or column ends with the picture.
static const int PLACES[NUM_TILES][2] = {{0, 0}, {60, 0}, {100, 0}, {0, 50}, {60, 50}, {100, 50}};

struct found {
    uint8_t mask[PIXELS];
    int tile;
    int group;
    int64_t category;
    double score;
    double box[4]; // x1, y1, x2, y2
};

static struct found found[MAX_FOUND];
static int num_found;

static const char *scratch_path(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

static void save_tiles(void) {
    const struct image_limits limits = image_limits_default();
    struct arena arena;
    struct image image;
    struct error err;
    arena_init(&arena, 1 << 20, 0);
    EXPECT_INT(run_program("cd $SCRATCH; gctmask make-shapes big --images 0 --val-images 1 --size "
                           "200x150 --quiet && mkdir -p tiles"),
               0);
    EXPECT_OK(image_load(&image, NULL, scratch_path("big/images/val_000001.jpg"), &limits, true,
                         &arena, &err),
              &err);
    REQUIRE(image.width == WIDTH && image.height == HEIGHT);
    for (int t = 0; t < NUM_TILES; t++) {
        static uint8_t pixels[TILE * TILE * 3];
        struct output out;
        char name[64];
        for (int y = 0; y < TILE; y++)
            memcpy(pixels + 3 * y * TILE,
                   image.pixels + 3 * ((PLACES[t][1] + y) * WIDTH + PLACES[t][0]), 3 * TILE);
        snprintf(name, sizeof name, "tiles/%d.png", t);
        EXPECT_OK(output_open_file(&out, scratch_path(name), &err), &err);
        EXPECT_OK(image_write_png(pixels, TILE, TILE, SAMPLES_RGB8, 1, &out, &err), &err);
        EXPECT_OK(output_commit(&out, &err), &err);
    }
    arena_destroy(&arena);
}

static void load(struct coco_set *results, const char *name) {
    const struct coco_load_options options = {0};
    struct error err;
    EXPECT_OK(coco_load_results(results, scratch_path(name), &options, &err), &err);
}

static void decode(uint8_t *mask, const struct coco_annotation *a, int width, int height) {
    struct arena arena;
    struct rle rle;
    struct error err;
    arena_init(&arena, 1 << 14, 0);
    EXPECT_OK(coco_segment_to_rle(&rle, &a->segment, height, width, &arena, &err), &err);
    REQUIRE(rle.width == width && rle.height == height);
    rle_decode(&rle, mask);
    arena_destroy(&arena);
}

// What each tile's picture holds, in the frame of the whole.
static void find_in_tiles(void) {
    struct coco_set results;
    EXPECT_INT(run_program("cd $SCRATCH; gctmask annotate tiles --out found " MODEL
                           "--set box.detections=80 --quiet"),
               0);
    load(&results, "found/results.json");
    num_found = 0;
    for (int64_t i = 0; i < results.num_annotations; i++) {
        static uint8_t mask[TILE * TILE];
        const struct coco_annotation *a = &results.annotations[i];
        REQUIRE(num_found < MAX_FOUND);
        struct found *f = &found[num_found];
        int tile = (int)a->image_id - 1;
        double x = PLACES[tile][0];
        double y = PLACES[tile][1];
        *f = (struct found){.tile = tile, .category = a->category_id, .score = a->score};
        f->group = num_found++;
        f->box[0] = a->box.x + x;
        f->box[1] = a->box.y + y;
        f->box[2] = f->box[0] + a->box.width;
        f->box[3] = f->box[1] + a->box.height;
        decode(mask, a, TILE, TILE);
        for (int k = 0; k < TILE * TILE; k++)
            f->mask[((int)y + k / TILE) * WIDTH + (int)x + k % TILE] = mask[k];
    }
    coco_destroy(&results);
}

static bool is_in_tile(int pixel, int tile) {
    int x = pixel % WIDTH - PLACES[tile][0];
    int y = pixel / WIDTH - PLACES[tile][1];
    return x >= 0 && x < TILE && y >= 0 && y < TILE;
}

static bool is_same(const struct found *a, const struct found *b) {
    int shared = 0;
    int whole = 0;
    if (a->category != b->category || a->tile == b->tile) return false;
    for (int p = 0; p < PIXELS; p++) {
        if (!is_in_tile(p, a->tile) || !is_in_tile(p, b->tile)) continue;
        shared += a->mask[p] && b->mask[p];
        whole += a->mask[p] || b->mask[p];
    }
    return whole > 0 && 2 * shared >= whole;
}

// Joins groups until nothing changes; each group becomes its first member.
static int merge(void) {
    int num_merged = 0;
    for (int i = 0; i < num_found; i++)
        for (int k = 0; k < i; k++) {
            if (!is_same(&found[i], &found[k]) || found[i].group == found[k].group) continue;
            int from = found[i].group;
            for (int j = 0; j < num_found; j++)
                if (found[j].group == from) found[j].group = found[k].group;
            num_merged++;
        }
    for (int i = num_found - 1; i >= 0; i--) {
        int first = 0;
        while (found[first].group != found[i].group)
            first++;
        if (first == i) continue;
        struct found *to = &found[first];
        for (int p = 0; p < PIXELS; p++)
            to->mask[p] |= found[i].mask[p];
        for (int k = 0; k < 4; k++)
            to->box[k] =
                k < 2 ? fmin(to->box[k], found[i].box[k]) : fmax(to->box[k], found[i].box[k]);
        to->score = fmax(to->score, found[i].score);
        found[i] = found[--num_found];
    }
    return num_merged;
}

static void expect_found(const struct coco_annotation *a) {
    static uint8_t mask[PIXELS];
    decode(mask, a, WIDTH, HEIGHT);
    for (int i = 0; i < num_found; i++) {
        const struct found *f = &found[i];
        if (f->category != a->category_id || f->score != a->score) continue;
        if (memcmp(f->mask, mask, PIXELS) != 0) continue;
        EXPECT_NEAR(a->box.x, f->box[0], 1e-4);
        EXPECT_NEAR(a->box.y + a->box.height, f->box[3], 1e-4);
        found[i] = found[--num_found];
        return;
    }
    printf("result %lld is none of those expected\n", (long long)a->id);
    EXPECT(false);
}

static void merged_exactly(void) {
    struct coco_set results;
    annotate_begin();
    save_tiles();
    find_in_tiles();
    int before = num_found;
    int num_merged = merge();
    if (num_merged <= 5) printf("%d merged\n", num_merged);
    EXPECT(num_merged > 5); // or the test shows nothing
    EXPECT_INT(
        run_program("cd $SCRATCH; rm -r found; gctmask annotate big/images --out found " MODEL
                    "--set box.detections=80 --tile 100 --overlap 0.4 --quiet"),
        0);
    load(&results, "found/results.json");
    EXPECT_INT(results.num_annotations, before - num_merged);
    EXPECT_INT(results.num_annotations, num_found);
    for (int64_t i = 0; i < results.num_annotations; i++) {
        expect_found(&results.annotations[i]);
        if (i > 0) EXPECT(results.annotations[i - 1].score >= results.annotations[i].score);
    }
    coco_destroy(&results);
}

// A picture that fits a tile is looked at whole.
static void small_pictures(void) {
    annotate_begin();
    EXPECT_INT(run_program("cd $SCRATCH; " ANNOTATE "in/images --quiet; mv found whole; " ANNOTATE
                           "in/images --quiet --tile 90; "
                           "cmp whole/results.json found/results.json"),
               0);
    EXPECT_INT(run_program("cd $SCRATCH; " ANNOTATE "in/images --quiet --tile 60; "
                           "cmp whole/results.json found/results.json"),
               1);
}

// 48 million pixels are more than a picture may have that is looked at whole.
static void large_picture(void) {
    enum { LARGE_WIDTH = 8000, LARGE_HEIGHT = 6000 };
    struct output out;
    struct error err;
    annotate_begin();
    uint8_t *pixels = calloc((size_t)LARGE_WIDTH * LARGE_HEIGHT, 1);
    REQUIRE(pixels);
    for (int64_t i = 0; i < (int64_t)LARGE_WIDTH * LARGE_HEIGHT; i++)
        pixels[i] = (uint8_t)(i / 500 % 200);
    EXPECT_INT(run_program("mkdir -p $SCRATCH/large"), 0);
    EXPECT_OK(output_open_file(&out, scratch_path("large/a.png"), &err), &err);
    EXPECT_OK(image_write_png(pixels, LARGE_WIDTH, LARGE_HEIGHT, SAMPLES_GREY8, 1, &out, &err),
              &err);
    EXPECT_OK(output_commit(&out, &err), &err);
    free(pixels);
    EXPECT_INT(run_program("cd $SCRATCH; " ANNOTATE "large --tile 4000 --quiet && "
                           "grep -o '\"width\":8000,\"height\":6000' found/instances.json"),
               0);
    EXPECT_INT(run_program("cd $SCRATCH; " ANNOTATE "large; rm -r large"), 0);
    EXPECT_CONTAINS(program_errors, "[image_too_many_pixels], skipped");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"merged exactly", merged_exactly},
                         {"small pictures", small_pictures},
                         {"large picture", large_picture},
                         {0},
                     });
}

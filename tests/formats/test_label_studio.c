// Label Studio's tasks, their run lengths decoded by its own rules
// (label_studio_converter/brush.py, decode_rle) and by ours.
#include "formats/label_studio.h"

#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "formats/brush_rle.h"
#include "tests/formats/check_set.h"
#include "tests/harness.h"

static const char *const PREFIX = "/data/local-files/?d=";

static void write_all(const struct annotated_set *set, const char *name) {
    struct output out;
    struct json_writer w;
    struct arena scratch;
    struct error err;
    arena_init(&scratch, 1 << 16, 0);
    open_scratch(&out, name);
    json_writer_init(&w, &out, 0);
    json_write_begin_array(&w);
    for (int64_t i = 0; i < set->num_images; i++)
        EXPECT_OK(label_studio_write(&w, &set->images[i], &set->classes, PREFIX, &scratch, &err),
                  &err);
    json_write_end_array(&w);
    EXPECT_OK(output_commit(&out, &err), &err);
    arena_destroy(&scratch);
}

static const cJSON *item(const cJSON *object, const char *key) {
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!found) printf("no key %s\n", key);
    REQUIRE(found);
    return found;
}

// ---- Their decoder: a string of bits, read from the front ----

struct input_stream {
    const unsigned char *bits; // a byte for each
    size_t count, at;
};

static unsigned long read_bits(struct input_stream *stream, int size) {
    unsigned long value = 0;
    REQUIRE(stream->at + (size_t)size <= stream->count);
    for (int i = 0; i < size; i++)
        value = 2 * value + stream->bits[stream->at++];
    return value;
}

static unsigned char *decode_rle(const unsigned char *bits, size_t num_bits, size_t *num) {
    struct input_stream input = {bits, num_bits, 0};
    int sizes[4];
    *num = read_bits(&input, 32);
    int word_size = (int)read_bits(&input, 5) + 1;
    for (int i = 0; i < 4; i++)
        sizes[i] = (int)read_bits(&input, 4) + 1;
    unsigned char *out = calloc(*num, 1);
    REQUIRE(out && word_size == 8);
    for (size_t i = 0; i < *num;) {
        unsigned long x = read_bits(&input, 1);
        size_t j = i + 1 + read_bits(&input, sizes[read_bits(&input, 2)]);
        REQUIRE(j <= *num);
        if (x) {
            unsigned long value = read_bits(&input, word_size);
            while (i < j)
                out[i++] = (unsigned char)value;
        } else {
            while (i < j)
                out[i++] = (unsigned char)read_bits(&input, word_size);
        }
    }
    return out;
}

// np.reshape(decode_rle(rle), [height, width, 4])[:, :, 3]
static void expect_mask(const cJSON *rle, const struct rle *expected) {
    size_t count = (size_t)cJSON_GetArraySize(rle);
    unsigned char *bits = calloc(count, 8);
    size_t at = 0;
    size_t num = 0;
    REQUIRE(bits);
    for (const cJSON *byte = rle->child; byte; byte = byte->next)
        for (int k = 7; k >= 0; k--)
            bits[at++] = byte->valueint >> k & 1;
    unsigned char *samples = decode_rle(bits, 8 * count, &num);
    unsigned char *bytes = mask_bytes(expected);
    size_t num_pixels = (size_t)expected->width * (size_t)expected->height;
    int64_t num_wrong = 0;
    EXPECT_INT((int64_t)num, (int64_t)(4 * num_pixels));
    for (size_t i = 0; i < num_pixels; i++)
        num_wrong += (samples[4 * i + 3] > 0) != bytes[i];
    EXPECT_INT(num_wrong, 0);
    free(bits);
    free(samples);
    free(bytes);
}

static void tasks_by_their_rules(void) {
    struct annotated_set set;
    size_t size = 0;
    make_set(&set);
    write_all(&set, "tasks.json");
    char *text = read_text(scratch_file("tasks.json"), &size);
    cJSON *tasks = cJSON_Parse(text);
    REQUIRE(tasks);
    const cJSON *task = tasks->child;
    for (int64_t i = 0; i < set.num_images; i++, task = task->next) {
        const struct annotated_image *image = &set.images[i];
        REQUIRE(task);
        const cJSON *region = item(item(task, "predictions")->child, "result")->child;
        for (int64_t k = 0; k < image->num_objects; k++) {
            const struct annotated_object *object = &image->objects[k];
            if (rle_area(&object->mask) == 0) continue;
            REQUIRE(region);
            EXPECT_TEXT(item(region, "type")->valuestring, "brushlabels");
            EXPECT_INT(item(region, "original_width")->valueint, image->width);
            EXPECT_INT(item(region, "original_height")->valueint, image->height);
            const cJSON *value = item(region, "value");
            EXPECT_TEXT(item(value, "format")->valuestring, "rle");
            EXPECT_TEXT(item(value, "brushlabels")->child->valuestring,
                        set.classes.items[object->class_index].name);
            expect_mask(item(value, "rle"), &object->mask);
            region = region->next;
        }
        EXPECT(!region);
    }
    EXPECT_TEXT(item(item(cJSON_GetArrayItem(tasks, 1), "data"), "image")->valuestring,
                "/data/local-files/?d=b/c%20d.png");
    cJSON_Delete(tasks);
    free(text);
    annotated_set_destroy(&set);
}

static void read_back(void) {
    struct annotated_set set;
    struct annotated_set back;
    struct error err;
    make_set(&set);
    write_all(&set, "back.json");
    annotated_set_init(&back);
    EXPECT_OK(label_studio_read(&back, scratch_file("back.json"), &err), &err);
    expect_same_set(&back, &set, MASKS_NOT_EMPTY);
    annotated_set_destroy(&back);
    annotated_set_destroy(&set);
}

// What label_studio_converter.brush.encode_rle makes of a mask of 3 x 2 pixels, 010 110: its run
// lengths by hand, with values that are not repeated, which we never write.
static void their_runs(void) {
    // 24 samples; words of 8 bits; sizes 3, 4, 8, 16; a run of 4 zeros; a run of 4 x 255, then 4
    // zeros, a run of 8 x 255 and single values 0 for the last four.
    static const char BITS[] = "00000000000000000000000000011000"
                               "00111"
                               "0010001101111111"
                               "10001100000000"
                               "10001111111111"
                               "10001100000000"
                               "10011111111111"
                               "00001100000000000000000000000000000000";
    uint8_t bytes[sizeof BITS / 8 + 1] = {0};
    const uint8_t expected[] = {0, 1, 0, 1, 1, 0};
    struct arena arena;
    struct rle mask;
    struct error err;
    uint8_t got[6];
    for (size_t i = 0; BITS[i]; i++)
        if (BITS[i] == '1') bytes[i / 8] |= (uint8_t)(128 >> i % 8);
    arena_init(&arena, 1 << 12, 0);
    EXPECT_OK(brush_rle_read(&mask, bytes, sizeof bytes, 2, 3, &arena, &err), &err);
    rle_decode(&mask, got);
    EXPECT(memcmp(got, expected, 6) == 0);
    EXPECT_STATUS(brush_rle_read(&mask, bytes, 12, 2, 3, &arena, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "fewer than 24 samples");
    EXPECT_STATUS(brush_rle_read(&mask, bytes, sizeof bytes, 3, 3, &arena, &err), STATUS_DATA,
                  &err);
    arena_destroy(&arena);
}

static void read_text_of(const char *text, struct annotated_set *set, enum status expected,
                         const char *message) {
    struct output out;
    struct error err = {0};
    open_scratch(&out, "made.json");
    output_text(&out, text);
    EXPECT_OK(output_commit(&out, &err), &err);
    annotated_set_init(set);
    EXPECT_STATUS(label_studio_read(set, scratch_file("made.json"), &err), expected, &err);
    if (message) EXPECT_CONTAINS(err.message, message);
}

// Annotations of people go before predictions, and other shapes are understood.
static void annotations(void) {
    struct annotated_set set;
    read_text_of("[{\"id\":4,\"predictions\":[{\"result\":[{\"type\":\"x\",\"value\":{\"x\":1}}]}],"
                 "\"annotations\":[{\"result\":["
                 "{\"original_width\":200,\"original_height\":100,\"type\":\"polygonlabels\","
                 "\"value\":{\"points\":[[0,0],[10,0],[10,20],[0,20]],\"polygonlabels\":[\"a\"]}},"
                 "{\"original_width\":200,\"original_height\":100,\"type\":\"rectanglelabels\","
                 "\"value\":{\"x\":50,\"y\":50,\"width\":5,\"height\":10,\"rotation\":0,"
                 "\"rectanglelabels\":[\"b\"]}},"
                 "{\"type\":\"choices\",\"original_width\":200,\"original_height\":100,"
                 "\"value\":{\"choices\":[\"day\"]}}]}],"
                 "\"data\":{\"image\":\"https://host/up/x%2Fy.jpg\"}}]",
                 &set, STATUS_OK, NULL);
    REQUIRE(set.num_images == 1 && set.images[0].num_objects == 2);
    EXPECT_TEXT(set.images[0].name, "up/x/y.jpg");
    EXPECT_INT(rle_area(&set.images[0].objects[0].mask), 20 * 20);
    EXPECT_INT(rle_area(&set.images[0].objects[1].mask), 10 * 10);
    annotated_set_destroy(&set);
    read_text_of("[{\"data\":{}}]", &set, STATUS_DATA, "without data.image");
    annotated_set_destroy(&set);
    read_text_of("[{\"data\":{\"image\":\"a.jpg\"}}]", &set, STATUS_DATA, "a task without regions");
    annotated_set_destroy(&set);
    read_text_of(
        "[{\"data\":{\"image\":\"a.jpg\"},\"predictions\":[{\"result\":[{\"original_width\""
        ":4,\"original_height\":4,\"value\":{\"rle\":[256],\"brushlabels\":[\"a\"]}}]}]}]",
        &set, STATUS_DATA, "256 is not a byte");
    annotated_set_destroy(&set);
}

static void interface(void) {
    struct annotated_set set;
    struct output out;
    struct error err;
    make_set(&set);
    output_open_memory(&out);
    label_studio_write_interface(&out, &set.classes);
    EXPECT_OK(output_finish(&out, &err), &err);
    EXPECT_CONTAINS(out.data, "<BrushLabels name=\"label\" toName=\"image\">");
    EXPECT_CONTAINS(out.data, "<Label value=\"fire &#60;hydrant&#62;\"/>");
    output_discard(&out);
    annotated_set_destroy(&set);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"tasks by their rules", tasks_by_their_rules},
                         {"read back", read_back},
                         {"their runs", their_runs},
                         {"annotations", annotations},
                         {"interface", interface},
                         {0},
                     });
}

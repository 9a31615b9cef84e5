// Why annotation files have a reader of their own: the time and memory that it, cJSON and yajl need
// for one file of train2017's size. bench/load runs each in a process of its own.
//
//     load_coco make FILE       writes such a file: 118,287 images, 860,001 annotations
//     load_coco READER FILE     own1, own2 (threads), cjson (builds its tree and does no more) or
//                               yajl (calls back for every token and keeps nothing)
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#ifdef WITH_YAJL
#include <yajl/yajl_parse.h>
#endif

#include "base/file_view.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "data/coco.h"

enum { NUM_IMAGES = 118287, NUM_ANNOTATIONS = 860001, NUM_CATEGORIES = 80 };

static double round_to_hundredths(double value) {
    return round(value * 100) / 100;
}

static void write_annotation(struct json_writer *w, int64_t index, struct random *random) {
    double x = random_between(random, 0, 500);
    double y = random_between(random, 0, 400);
    int64_t num_points = 8 + random_below(random, 44);
    json_write_begin_object(w);
    json_write_key(w, "segmentation");
    json_write_begin_array(w);
    json_write_begin_array(w);
    for (int64_t i = 0; i < num_points; i++) {
        double angle = 2 * 3.14159265358979 * (double)i / (double)num_points;
        json_write_double(w, round_to_hundredths(x + 60 + 50 * cos(angle)));
        json_write_double(w, round_to_hundredths(y + 40 + 30 * sin(angle)));
    }
    json_write_end_array(w);
    json_write_end_array(w);
    json_write_key_double(w, "area", round_to_hundredths(random_between(random, 100, 5000)));
    json_write_key_int64(w, "iscrowd", 0);
    json_write_key_int64(w, "image_id", index % NUM_IMAGES + 1);
    json_write_key(w, "bbox");
    json_write_begin_array(w);
    json_write_double(w, round_to_hundredths(x + 10));
    json_write_double(w, round_to_hundredths(y + 10));
    json_write_double(w, 100);
    json_write_double(w, 60);
    json_write_end_array(w);
    json_write_key_int64(w, "category_id", random_below(random, NUM_CATEGORIES) + 1);
    json_write_key_int64(w, "id", index + 1);
    json_write_end_object(w);
}

static enum status make_file(const char *path, struct error *err) {
    struct output out;
    struct json_writer w;
    struct random random = random_stream(1, 0);
    TRY(output_open_file(&out, path, err));
    json_writer_init(&w, &out, 0);
    json_write_begin_object(&w);
    json_write_key(&w, "images");
    json_write_begin_array(&w);
    for (int64_t i = 0; i < NUM_IMAGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%012lld.jpg", (long long)i + 1);
        json_write_begin_object(&w);
        json_write_key_int64(&w, "license", 3);
        json_write_key_text(&w, "file_name", name);
        json_write_key_int64(&w, "height", 480);
        json_write_key_int64(&w, "width", 640);
        json_write_key_text(&w, "date_captured", "2013-11-14 11:18:45");
        json_write_key_int64(&w, "id", i + 1);
        json_write_end_object(&w);
    }
    json_write_end_array(&w);
    json_write_key(&w, "annotations");
    json_write_begin_array(&w);
    for (int64_t i = 0; i < NUM_ANNOTATIONS; i++)
        write_annotation(&w, i, &random);
    json_write_end_array(&w);
    json_write_key(&w, "categories");
    json_write_begin_array(&w);
    for (int64_t i = 0; i < NUM_CATEGORIES; i++) {
        json_write_begin_object(&w);
        json_write_key_int64(&w, "id", i + 1);
        json_write_key_text(&w, "name", "thing");
        json_write_end_object(&w);
    }
    json_write_end_array(&w);
    json_write_end_object(&w);
    return output_commit(&out, err);
}

static enum status read_own(const char *path, int threads, int64_t *count, struct error *err) {
    struct workers *workers = NULL;
    struct coco_set set;
    TRY(workers_create(&workers, threads, err));
    struct coco_load_options options = {.workers = workers};
    enum status status = coco_load_annotations(&set, path, &options, err);
    *count = set.num_annotations;
    coco_destroy(&set);
    workers_destroy(workers);
    return status;
}

static enum status read_cjson(const struct file_view *view, int64_t *count, struct error *err) {
    cJSON *root = cJSON_ParseWithLength(view->data, (size_t)view->size);
    if (!root) return error_set(err, STATUS_DATA, "cJSON refuses the file");
    *count = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "annotations"));
    cJSON_Delete(root);
    return STATUS_OK;
}

#ifdef WITH_YAJL
struct yajl_counts {
    int64_t depth;
    int64_t num_objects;
    double sum;
};

static int on_double(void *context, double value) {
    ((struct yajl_counts *)context)->sum += value;
    return 1;
}

static int on_integer(void *context, long long value) {
    ((struct yajl_counts *)context)->sum += (double)value;
    return 1;
}

static int on_string(void *context, const unsigned char *text, size_t size) {
    (void)text;
    ((struct yajl_counts *)context)->sum += (double)size;
    return 1;
}

static int on_open(void *context) {
    ((struct yajl_counts *)context)->num_objects++;
    return 1;
}

static enum status read_yajl(const struct file_view *view, int64_t *count, struct error *err) {
    static const yajl_callbacks callbacks = {.yajl_integer = on_integer,
                                             .yajl_double = on_double,
                                             .yajl_string = on_string,
                                             .yajl_start_map = on_open,
                                             .yajl_map_key = on_string};
    struct yajl_counts counts = {0};
    yajl_handle handle = yajl_alloc(&callbacks, NULL, &counts);
    bool good = yajl_parse(handle, (const unsigned char *)view->data, (size_t)view->size) ==
                    yajl_status_ok &&
                yajl_complete_parse(handle) == yajl_status_ok;
    yajl_free(handle);
    *count = counts.num_objects - 1 - NUM_IMAGES - NUM_CATEGORIES;
    return good ? STATUS_OK : error_set(err, STATUS_DATA, "yajl refuses the file");
}
#else
static enum status read_yajl(const struct file_view *view, int64_t *count, struct error *err) {
    (void)view, (void)count;
    return error_set(err, STATUS_UNSUPPORTED, "built without yajl (package libyajl-dev)");
}
#endif

static enum status run(const char *reader, const char *path, int64_t *count, struct error *err) {
    struct file_view view;
    if (strcmp(reader, "make") == 0) return make_file(path, err);
    if (strcmp(reader, "own1") == 0) return read_own(path, 1, count, err);
    if (strcmp(reader, "own2") == 0) return read_own(path, 2, count, err);
    TRY(file_view_open(&view, path, 0, err));
    enum status status = STATUS_OK;
    if (strcmp(reader, "cjson") == 0)
        status = read_cjson(&view, count, err);
    else if (strcmp(reader, "yajl") == 0)
        status = read_yajl(&view, count, err);
    else
        status = error_set(err, STATUS_USAGE, "no such reader: %s", reader);
    file_view_close(&view);
    return status;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: load_coco make|own1|own2|cjson|yajl FILE\n");
        return 64;
    }
    struct error err;
    struct timespec begin;
    struct timespec end;
    int64_t count = 0;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (run(argv[1], argv[2], &count, &err) != STATUS_OK) {
        fprintf(stderr, "load_coco: %s\n", err.message);
        return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%-6s %8lld annotations %8.3f s %8.0f MiB\n", argv[1], (long long)count,
           (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9,
           (double)usage.ru_maxrss / 1024);
    return 0;
}

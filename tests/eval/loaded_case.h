// A pair of annotations and results for a test, from files or from text.
#pragma once

#include <stdio.h>

#include "base/workers.h"
#include "eval/scenes.h"
#include "tests/harness.h"

struct loaded_case {
    struct coco_set truth;
    struct coco_set results;
    struct workers *workers;
    struct scenes scenes; // as built last
};

static inline void load_case_files(struct loaded_case *loaded, const char *ann,
                                   const char *results) {
    struct error err = {0};
    *loaded = (struct loaded_case){0};
    EXPECT_OK(workers_create(&loaded->workers, 2, &err), &err);
    EXPECT_OK(coco_load_annotations(&loaded->truth, ann, &(struct coco_load_options){0}, &err),
              &err);
    EXPECT_OK(coco_load_results(&loaded->results, results, &(struct coco_load_options){0}, &err),
              &err);
    REQUIRE(err.code == STATUS_OK);
}

// tests/eval/FOLDER/NAME/ann.json and results.json.
static inline void load_case(struct loaded_case *loaded, const char *folder, const char *name) {
    char ann[512];
    char results[512];
    snprintf(ann, sizeof ann, "%s/eval/%s/%s/ann.json", TESTS_DIR, folder, name);
    snprintf(results, sizeof results, "%s/eval/%s/%s/results.json", TESTS_DIR, folder, name);
    load_case_files(loaded, ann, results);
}

// From text; the texts must outlive the case.
static inline void parse_case(struct loaded_case *loaded, const char *ann, const char *results) {
    struct error err = {0};
    struct coco_load_options options = {0};
    *loaded = (struct loaded_case){0};
    EXPECT_OK(workers_create(&loaded->workers, 1, &err), &err);
    EXPECT_OK(coco_parse_annotations(&loaded->truth, ann, (int64_t)strlen(ann), "ann.json",
                                     &options, &err),
              &err);
    EXPECT_OK(coco_parse_results(&loaded->results, results, (int64_t)strlen(results),
                                 "results.json", &options, &err),
              &err);
    REQUIRE(err.code == STATUS_OK);
}

static inline void build_scenes(struct loaded_case *loaded, enum iou_kind iou) {
    struct error err = {0};
    struct metric_settings settings = metric_default_settings(iou);
    scenes_destroy(&loaded->scenes);
    EXPECT_OK(scenes_build(&loaded->scenes, &loaded->truth, &loaded->results, &settings,
                           loaded->workers, &err),
              &err);
    REQUIRE(err.code == STATUS_OK);
}

static inline void unload_case(struct loaded_case *loaded) {
    scenes_destroy(&loaded->scenes);
    coco_destroy(&loaded->truth);
    coco_destroy(&loaded->results);
    workers_destroy(loaded->workers);
}

// Files without anything to evaluate.
#define EMPTY_ANNOTATIONS "{\"images\":[],\"annotations\":[],\"categories\":[]}"
#define EMPTY_RESULTS     "[]"

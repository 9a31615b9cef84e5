// What kinds of mistakes cost how much average precision (Bolya et al., "TIDE: A General Toolbox
// for Identifying Object Detection Errors", ECCV 2020), number for number as the authors' tidecv
// 1.0.1 computes it.
//
// Within each image, results in order of falling score take the free object of their class that
// they overlap most, from IoU TIDE_FOREGROUND on. Every other result gets the first kind of these
// that fits; what it overlaps most is what explains it:
//
//     localisation  an object of its class, at IoU 0.1 to 0.5
//     class         an object of another class, at IoU 0.5 or more
//     duplicate     a found object of its class, at IoU 0.5 or more
//     background    no object at more than IoU 0.1
//     both          anything else: wrong class and badly placed
//
// An object is missed if no result found it and none of the first two kinds could have. Repairing a
// kind gives each unfound object the best of its class or localisation errors as a true positive
// and removes the others, or for missed, removes the objects; what AP gains is the kind's delta.
// The deltas do not add up to what is lost: errors hide one another.
//
// AP here is TIDE's: at IoU 0.5, over the max_dets best results of an image (of all classes), and a
// class without objects but with results counts as 0.
#pragma once

#include "base/json_writer.h"
#include "eval/scenes.h"

#define TIDE_FOREGROUND 0.5
#define TIDE_BACKGROUND SCENE_MIN_IOU

// The first six are the kinds of errors.
enum judgement {
    JUDGED_CLASS,
    JUDGED_LOCALISATION,
    JUDGED_BOTH,
    JUDGED_DUPLICATE,
    JUDGED_BACKGROUND,
    JUDGED_MISSED, // objects only
    NUM_ERROR_KINDS,
    JUDGED_CORRECT = NUM_ERROR_KINDS,
};

struct judged_result {
    enum judgement judgement;
    bool is_ignored; // unmatched, but over a crowd of its class: counts neither way
    int32_t truth;   // position in the scene of what it found or what explains it; -1: none
    double iou;      // with that; 0 if none
};

struct judged_truth {
    bool is_found;
    bool is_missed;     // neither found nor within reach of a class or localisation error
    int32_t result;     // position in the scene of what found it, or -1
    int32_t best_error; // the best class or localisation error on it if not found, or -1
};

struct error_cost {
    int64_t count;
    double delta_ap; // AP gained by repair, 0..1
};

struct breakdown {
    double ap; // -1 if there are neither objects nor results
    struct error_cost errors[NUM_ERROR_KINDS];
    double false_positive_delta; // AP gained if all false positives scored 0
    double false_negative_delta; // AP gained if all objects that were not found did not exist
    int64_t num_correct;
    int64_t num_ignored;
    int64_t num_objects;           // that are no crowds
    struct judged_result *results; // [scenes->num_results]
    struct judged_truth *truths;   // [scenes->num_truths]; crowds are neither found nor missed
    struct arena arena;
};

MUST_CHECK enum status breakdown_compute(struct breakdown *breakdown, const struct scenes *scenes,
                                         struct error *err);
void breakdown_destroy(struct breakdown *breakdown); // a zeroed one is fine

// "class", "localisation", ...
const char *error_kind_name(enum judgement kind);
// One sentence for readers who never heard of TIDE.
const char *error_kind_text(enum judgement kind);

void breakdown_print(const struct breakdown *breakdown, struct output *out);
void breakdown_write_json(const struct breakdown *breakdown, struct json_writer *w); // one object

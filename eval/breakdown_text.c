#include "eval/breakdown.h"

static const struct {
    const char *name;
    const char *text;
} kinds[NUM_ERROR_KINDS] = {
    [JUDGED_CLASS] = {"class", "right place, wrong class"},
    [JUDGED_LOCALISATION] = {"localisation", "right class, badly placed (IoU 0.1 to 0.5)"},
    [JUDGED_BOTH] = {"both", "wrong class and badly placed"},
    [JUDGED_DUPLICATE] = {"duplicate", "one more result on an object that was found"},
    [JUDGED_BACKGROUND] = {"background", "nothing annotated there"},
    [JUDGED_MISSED] = {"missed", "an object with no result near it"},
};

const char *error_kind_name(enum judgement kind) {
    return kind < NUM_ERROR_KINDS ? kinds[kind].name : "correct";
}

const char *error_kind_text(enum judgement kind) {
    return kind < NUM_ERROR_KINDS ? kinds[kind].text : "right class and well placed";
}

void breakdown_print(const struct breakdown *breakdown, struct output *out) {
    output_printf(out, "Errors at IoU %.2f (background below %.2f)\n", TIDE_FOREGROUND,
                  TIDE_BACKGROUND);
    output_printf(out, " %-16s %9s %9s  %s\n", "kind", "count", "AP gained", "what it is");
    for (int kind = 0; kind < NUM_ERROR_KINDS; kind++)
        output_printf(out, " %-16s %9lld %9.2f  %s\n", kinds[kind].name,
                      (long long)breakdown->errors[kind].count,
                      100 * breakdown->errors[kind].delta_ap, kinds[kind].text);
    output_printf(out, " %-16s %9s %9.2f  %s\n", "false positives", "",
                  100 * breakdown->false_positive_delta, "all of them together");
    output_printf(out, " %-16s %9s %9.2f  %s\n", "false negatives", "",
                  100 * breakdown->false_negative_delta, "all of them together");
    output_printf(out, " %lld of %lld objects found", (long long)breakdown->num_correct,
                  (long long)breakdown->num_objects);
    if (breakdown->ap >= 0) output_printf(out, ", AP50 %.2f", 100 * breakdown->ap);
    output_text(out, "\n");
}

void breakdown_write_json(const struct breakdown *breakdown, struct json_writer *w) {
    json_write_begin_object(w);
    json_write_key_double(w, "iou_foreground", TIDE_FOREGROUND);
    json_write_key_double(w, "iou_background", TIDE_BACKGROUND);
    json_write_key_double(w, "AP50", breakdown->ap);
    json_write_key_int64(w, "objects", breakdown->num_objects);
    json_write_key_int64(w, "correct", breakdown->num_correct);
    json_write_key_int64(w, "ignored", breakdown->num_ignored);
    json_write_key(w, "errors");
    json_write_begin_object(w);
    for (int kind = 0; kind < NUM_ERROR_KINDS; kind++) {
        json_write_key(w, kinds[kind].name);
        json_write_begin_object(w);
        json_write_key_int64(w, "count", breakdown->errors[kind].count);
        json_write_key_double(w, "delta_AP50", breakdown->errors[kind].delta_ap);
        json_write_end_object(w);
    }
    json_write_end_object(w);
    json_write_key_double(w, "false_positive_delta_AP50", breakdown->false_positive_delta);
    json_write_key_double(w, "false_negative_delta_AP50", breakdown->false_negative_delta);
    json_write_end_object(w);
}

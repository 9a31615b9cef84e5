#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "eval/page.h"
#include "eval/summary.h"

// ---- The worst images ----

// An image at the report's score threshold.
struct ranked_scene {
    int64_t scene;
    int64_t num_found;
    int64_t num_wrong;
    int64_t num_missed;
};

static bool is_shown(const struct report *report, int64_t result) {
    return report->scenes.results[result].annotation->score >= report->options.min_score &&
           !report->breakdown.results[result].is_ignored;
}

// An object that no result finds, or none that scores enough.
static bool is_missed(const struct report *report, const struct scene *scene, int64_t truth) {
    if (report->scenes.truths[truth].annotation->is_crowd) return false;
    const struct judged_truth *judged = &report->breakdown.truths[truth];
    return !judged->is_found || !is_shown(report, scene->result_begin + judged->result);
}

static struct ranked_scene count_errors(const struct report *report, int64_t s) {
    const struct scene *scene = &report->scenes.scenes[s];
    struct ranked_scene counts = {.scene = s};
    for (int64_t i = 0; i < scene->num_results; i++) {
        int64_t result = scene->result_begin + i;
        if (!is_shown(report, result)) continue;
        bool is_correct = report->breakdown.results[result].judgement == JUDGED_CORRECT;
        counts.num_found += is_correct;
        counts.num_wrong += !is_correct;
    }
    for (int64_t i = 0; i < scene->num_truths; i++)
        counts.num_missed += is_missed(report, scene, scene->truth_begin + i);
    return counts;
}

static int compare_scenes(const void *a, const void *b) {
    const struct ranked_scene *x = a;
    const struct ranked_scene *y = b;
    int64_t x_errors = x->num_wrong + x->num_missed;
    int64_t y_errors = y->num_wrong + y->num_missed;
    if (x_errors != y_errors) return x_errors < y_errors ? 1 : -1;
    return (x->scene > y->scene) - (x->scene < y->scene);
}

static enum status draw_truths(struct page *page, const struct report *report,
                               const struct scene *scene, struct canvas *canvas,
                               struct error *err) {
    const struct scenes *scenes = &report->scenes;
    for (int64_t i = 0; i < scene->num_truths; i++) {
        int64_t position = scene->truth_begin + i;
        const struct scene_truth *truth = &scenes->truths[position];
        bool is_crowd = truth->annotation->is_crowd;
        if (!is_crowd && !is_missed(report, scene, position)) continue;
        char buffer[SCENE_NAME_BYTES];
        struct placed_shape shape;
        TRY(place_shape(&shape, truth->annotation, scene->image, scenes->iou, &page->arena, err));
        TRY(canvas_draw(page, canvas, &shape, is_crowd ? "crowd" : "missed",
                        scene_class_name(scenes, truth->class_index, buffer), -1, err));
    }
    return STATUS_OK;
}

static enum status draw_results(struct page *page, const struct report *report,
                                const struct scene *scene, struct canvas *canvas,
                                struct error *err) {
    const struct scenes *scenes = &report->scenes;
    // The best ones are drawn last, on top.
    for (int64_t i = scene->num_results - 1; i >= 0; i--) {
        int64_t position = scene->result_begin + i;
        if (!is_shown(report, position)) continue;
        const struct scene_result *result = &scenes->results[position];
        bool is_correct = report->breakdown.results[position].judgement == JUDGED_CORRECT;
        char buffer[SCENE_NAME_BYTES];
        struct placed_shape shape;
        TRY(place_shape(&shape, result->annotation, scene->image, scenes->iou, &page->arena, err));
        TRY(canvas_draw(page, canvas, &shape, is_correct ? "found" : "wrong",
                        scene_class_name(scenes, result->class_index, buffer),
                        fmax(result->annotation->score, 0), err));
    }
    return STATUS_OK;
}

static enum status write_card(struct page *page, const struct report *report,
                              const struct ranked_scene *ranked, struct error *err) {
    const struct scene *scene = &report->scenes.scenes[ranked->scene];
    const char *file_name = scene->image->file_name ? scene->image->file_name : "";
    struct canvas canvas = canvas_of(&report->scenes, scene);
    canvas.has_names = true;
    char label[160];
    snprintf(label, sizeof label, "Image %lld: %lld found, %lld false positives, %lld missed",
             (long long)scene->image->id, (long long)ranked->num_found,
             (long long)ranked->num_wrong, (long long)ranked->num_missed);
    struct arena_mark mark = arena_mark(&page->arena);
    output_text(page->out, "<figure class=\"card\">\n");
    TRY(canvas_begin(page, &canvas, label, err));
    TRY(draw_truths(page, report, scene, &canvas, err));
    TRY(draw_results(page, report, scene, &canvas, err));
    canvas_end(page);
    arena_release(&page->arena, mark);
    output_printf(page->out, "<figcaption><b>%lld</b> <bdi>", (long long)scene->image->id);
    markup_text(page->out, file_name);
    output_printf(page->out,
                  "</bdi><span class=\"counts\"><i class=\"found\">%lld found</i> "
                  "<i class=\"wrong\">%lld false</i> <i class=\"missed\">%lld missed</i></span>"
                  "</figcaption></figure>\n",
                  (long long)ranked->num_found, (long long)ranked->num_wrong,
                  (long long)ranked->num_missed);
    return STATUS_OK;
}

// Boxes that hide one kind of outline each, by the style sheet alone.
static void write_switches(struct page *page, const char *kind) {
    static const char *const layers[][2] = {{"found", "found"},
                                            {"wrong", "false positives"},
                                            {"missed", "missed"},
                                            {"crowd", "crowds"},
                                            {"names", "names"}};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        output_printf(page->out,
                      "<input type=\"checkbox\" class=\"layer show-%s\" id=\"%s-%s\" checked>"
                      "<label class=\"layer %s\" for=\"%s-%s\">%s</label>\n",
                      layers[i][0], kind, layers[i][0], layers[i][0], kind, layers[i][0],
                      layers[i][1]);
}

enum status page_write_gallery(struct page *page, const struct report *report, struct error *err) {
    int64_t num_scenes = report->scenes.num_scenes;
    struct ranked_scene *ranked = arena_alloc(&page->arena, num_scenes, sizeof *ranked);
    if (!ranked) return error_memory(err, "the worst images", num_scenes * 32);
    for (int64_t s = 0; s < num_scenes; s++)
        ranked[s] = count_errors(report, s);
    if (num_scenes) qsort(ranked, (size_t)num_scenes, sizeof *ranked, compare_scenes);
    int64_t count = 0;
    while (count < num_scenes && count < page->options->num_worst &&
           ranked[count].num_wrong + ranked[count].num_missed > 0)
        count++;
    if (count == 0) {
        output_text(page->out, "<p class=\"empty\">No image to show.</p>\n");
        return STATUS_OK;
    }
    write_switches(page, iou_kind_name(report->scenes.iou));
    output_text(page->out, "<div class=\"gallery\">\n");
    for (int64_t i = 0; i < count; i++)
        TRY(write_card(page, report, &ranked[i], err));
    output_text(page->out, "</div>\n");
    return STATUS_OK;
}

// ---- Label errors ----

// Shows the surroundings of both boxes.
static void zoom(struct canvas *canvas, const struct coco_box *a, const struct coco_box *b) {
    double left = fmin(a->x, b->x);
    double top = fmin(a->y, b->y);
    double width = fmax(a->x + a->width, b->x + b->width) - left;
    double height = fmax(a->y + a->height, b->y + b->height) - top;
    double side = fmax(fmax(width, height) * 1.6, 48);
    double longer = fmin(fmax(side * 4 / 3, width * 1.2), canvas->width);
    double shorter = fmin(side, canvas->height);
    double x = fmin(fmax(left + width / 2 - longer / 2, 0), canvas->width - longer);
    double y = fmin(fmax(top + height / 2 - shorter / 2, 0), canvas->height - shorter);
    canvas->view = (struct coco_box){x, y, longer, shorter};
}

static enum status write_cut_out(struct page *page, const struct report *report,
                                 const struct label_error *error, struct error *err) {
    const struct scenes *scenes = &report->scenes;
    const struct scene *scene = &scenes->scenes[error->scene];
    const struct scene_result *result = &scenes->results[error->result];
    const struct scene_truth *truth = error->truth < 0 ? NULL : &scenes->truths[error->truth];
    struct canvas canvas = canvas_of(scenes, scene);
    struct placed_shape found;
    struct placed_shape annotated;
    char buffer[SCENE_NAME_BYTES];
    struct arena_mark mark = arena_mark(&page->arena);
    TRY(place_shape(&found, result->annotation, scene->image, scenes->iou, &page->arena, err));
    if (truth)
        TRY(place_shape(&annotated, truth->annotation, scene->image, scenes->iou, &page->arena,
                        err));
    zoom(&canvas, &found.box, truth ? &annotated.box : &found.box);
    char label[96];
    snprintf(label, sizeof label, "Cut-out of image %lld with the doubtful place",
             (long long)scene->image->id);
    output_text(page->out, "<figure class=\"card\">\n");
    TRY(canvas_begin(page, &canvas, label, err));
    if (truth)
        TRY(canvas_draw(page, &canvas, &annotated, "missed",
                        scene_class_name(scenes, truth->class_index, buffer), -1, err));
    TRY(canvas_draw(page, &canvas, &found, "wrong",
                    scene_class_name(scenes, result->class_index, buffer), fmax(error->score, 0),
                    err));
    canvas_end(page);
    arena_release(&page->arena, mark);
    struct output text;
    output_open_memory(&text);
    label_error_describe(error, scenes, &text);
    output_printf(page->out, "<figcaption><b>%s</b> <bdi>", label_error_name(error->kind));
    markup_text(page->out, text.data ? text.data : "");
    output_printf(page->out, "</bdi><span class=\"counts\">image %lld",
                  (long long)scene->image->id);
    output_discard(&text);
    if (truth) output_printf(page->out, ", annotation %lld", (long long)truth->annotation->id);
    output_text(page->out, "</span></figcaption></figure>\n");
    return STATUS_OK;
}

enum status page_write_label_errors(struct page *page, const struct report *report,
                                    struct error *err) {
    enum { MAX_CUT_OUTS = 12, MAX_ROWS = 100 };
    const struct label_errors *errors = &report->label_errors;
    if (errors->count == 0) {
        output_text(page->out, "<p class=\"empty\">None found.</p>\n");
        return STATUS_OK;
    }
    output_text(page->out, "<div class=\"gallery small\">\n");
    for (int64_t i = 0; i < errors->count && i < MAX_CUT_OUTS; i++)
        TRY(write_cut_out(page, report, &errors->errors[i], err));
    output_printf(page->out,
                  "</div>\n<details><summary>List (%lld)</summary><div class=\"scroll\"><table "
                  "class=\"sortable\"><thead><tr><th>kind</th><th class=\"n\">image</th>"
                  "<th class=\"n\">annotation</th><th class=\"n\">score</th><th class=\"n\">IoU"
                  "</th><th>why</th></tr></thead><tbody>\n",
                  (long long)errors->count);
    for (int64_t i = 0; i < errors->count && i < MAX_ROWS; i++) {
        const struct label_error *error = &errors->errors[i];
        const struct scenes *scenes = &report->scenes;
        char annotation[32] = "";
        if (error->truth >= 0)
            snprintf(annotation, sizeof annotation, "%lld",
                     (long long)scenes->truths[error->truth].annotation->id);
        output_printf(page->out,
                      "<tr><td>%s</td><td class=\"n\">%lld</td><td class=\"n\">%s</td>"
                      "<td class=\"n\">%.3f</td><td class=\"n\">%.2f</td><td><bdi>",
                      label_error_name(error->kind),
                      (long long)scenes->scenes[error->scene].image->id, annotation, error->score,
                      error->iou);
        struct output text;
        output_open_memory(&text);
        label_error_describe(error, scenes, &text);
        markup_text(page->out, text.data ? text.data : "");
        output_discard(&text);
        output_text(page->out, "</bdi></td></tr>\n");
    }
    output_text(page->out, "</tbody></table></div></details>\n");
    return STATUS_OK;
}

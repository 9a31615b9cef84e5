// What of an annotation set a model is to learn: against a naive count over real annotations, and
// case by case.
#include "train/dataset.h"

#include <math.h>
#include <stdio.h>

#include "tests/harness.h"
#include "tests/train/check_data.h"

static struct training_data data;
static struct error err;

// ---- Real annotations ----

static bool naively_usable(const struct coco_annotation *a, const struct coco_image *image) {
    double right = fmin(a->box.x + a->box.width, image->width);
    double bottom = fmin(a->box.y + a->box.height, image->height);
    bool small = right - fmax(a->box.x, 0) <= 1 || bottom - fmax(a->box.y, 0) <= 1;
    return !a->is_crowd && !small && a->segment.count > 0;
}

// Every usable annotation is there, in order, under its image; nothing else is.
static void compare_images(void) {
    const struct dataset *dataset = &data.dataset;
    int64_t at = 0;
    for (int64_t i = 0; i < data.set.num_images; i++) {
        const struct coco_image *image = &data.set.images[i];
        int64_t count = 0;
        for (int64_t j = 0; j < data.set.num_annotations; j++) {
            const struct coco_annotation *a = &data.set.annotations[j];
            if (a->image_id != image->id || !naively_usable(a, image)) continue;
            REQUIRE(at < dataset->num_images && dataset->images[at].record == image);
            REQUIRE(count < dataset->images[at].num_objects);
            const struct dataset_object *object = &dataset->images[at].objects[count++];
            EXPECT(object->segment == &a->segment);
            EXPECT_TEXT(data.config.classes.names.items[object->label - 1],
                        coco_find_category(&data.set, a->category_id)->name);
            EXPECT_NEAR((double)object->box[0], a->box.x, 1e-4);
            EXPECT_NEAR((double)object->box[3], fmin(a->box.y + a->box.height, image->height),
                        1e-4);
        }
        if (count == 0) continue;
        EXPECT_INT(dataset->images[at].num_objects, count);
        at++;
    }
    EXPECT_INT(dataset->num_images, at);
}

static void check_real(const char *name, int64_t num_images, int64_t num_objects,
                       int64_t num_crowds) {
    const char *path = shared_path(name);
    if (!path) skip_case("the images of COCO are not beside the checkout");
    training_data_load(&data, path, NULL);
    training_data_make(&data);
    const struct dataset *dataset = &data.dataset;
    compare_images();
    EXPECT_INT(dataset->num_images, num_images);
    EXPECT_INT(dataset->num_images + dataset->images_left_out, data.set.num_images);
    EXPECT_INT(dataset->num_objects, num_objects);
    EXPECT_INT(dataset->objects_left_out[LEFT_OUT_CROWD], num_crowds);
    for (int kind = LEFT_OUT_SMALL; kind < NUM_LEFT_OUT; kind++)
        EXPECT_INT(dataset->objects_left_out[kind], 0);
    for (int32_t label = 1; label <= dataset->classes.num_classes; label++) {
        int64_t count = 0;
        for (int64_t i = 0; i < data.set.num_annotations; i++)
            count += data.set.annotations[i].category_id == dataset->classes.categories[label] &&
                     !data.set.annotations[i].is_crowd;
        EXPECT_INT(dataset->class_counts[label], count);
    }
    training_data_destroy(&data);
}

// The numbers are those of the set's own description.
static void real_annotations(void) {
    check_real("data/coco-mini/annotations/instances_train.json", 59, 596, 7);
    check_real("data/coco-mini/annotations/instances_val.json", 29, 266, 4);
}

// ---- Case by case ----

#define IMAGES                                                                                     \
    "\"images\":[{\"id\":7,\"file_name\":\"a.jpg\",\"width\":100,\"height\":50},"                  \
    "{\"id\":3,\"file_name\":\"b.jpg\",\"width\":40,\"height\":60}]"
#define CATEGORIES "\"categories\":[{\"id\":2,\"name\":\"cat\"},{\"id\":9,\"name\":\"dog\"}]"
#define SET(annotations)                                                                           \
    "{" IMAGES "," CATEGORIES ",\"annotations\":[{\"id\":1,\"image_id\":7,\"category_id\":9,"      \
    "\"iscrowd\":0,\"area\":1,\"bbox\":[10,10,20,20],\"segmentation\":[[10,10,30,10,30,30]]}"      \
    "," annotations "]}"
// Of image 3, which is 40 x 60.
#define OBJECT(category, crowd, box, segment)                                                      \
    "{\"id\":2,\"image_id\":3,\"category_id\":" category ",\"iscrowd\":" crowd                     \
    ",\"area\":1,\"bbox\":" box ",\"segmentation\":" segment "}"

#define POLYGON     "[[1,1,30,1,30,30]]"
#define RLE(counts) "{\"size\":[60,40],\"counts\":" counts "}"

static void left_out(void) {
    static const struct {
        const char *json;
        enum left_out kind; // NUM_LEFT_OUT: usable
    } cases[] = {
        {SET(OBJECT("2", "0", "[1,1,29,29]", POLYGON)), NUM_LEFT_OUT},
        {SET(OBJECT("2", "1", "[1,1,29,29]", POLYGON)), LEFT_OUT_CROWD},
        {SET(OBJECT("2", "0", "[1,1,1,29]", POLYGON)), LEFT_OUT_SMALL},
        {SET(OBJECT("2", "0", "[1,1,29,1]", POLYGON)), LEFT_OUT_SMALL},
        {SET(OBJECT("2", "0", "[1,1,1.01,1.01]", POLYGON)), NUM_LEFT_OUT},
        {SET(OBJECT("2", "0", "[39,1,29,29]", POLYGON)), LEFT_OUT_SMALL}, // one pixel within
        {SET(OBJECT("2", "0", "[1,70,29,29]", POLYGON)), LEFT_OUT_SMALL}, // outside
        {SET(OBJECT("2", "0", "[1,1,-5,29]", POLYGON)), LEFT_OUT_SMALL},
        {SET(OBJECT("2", "0", "[1,1,29,29]", "[]")), LEFT_OUT_WITHOUT_MASK},
        {SET(OBJECT("2", "0", "[1,1,29,29]", "[[1,1,30,30]]")), LEFT_OUT_WITHOUT_MASK},
        {SET(OBJECT("2", "0", "[1,1,29,29]", "[[1,1,30,30],[1,1,30,1,30,30]]")), NUM_LEFT_OUT},
        {SET(OBJECT("2", "0", "[1,1,29,29]", RLE("[2400]"))), LEFT_OUT_WITHOUT_MASK},
        {SET(OBJECT("2", "0", "[1,1,29,29]", RLE("[2399,1]"))), NUM_LEFT_OUT},
        {SET("{\"id\":2,\"image_id\":4,\"category_id\":2,\"iscrowd\":0,\"area\":1,\"bbox\":"
             "[1,1,9,9],\"segmentation\":" POLYGON "}"),
         LEFT_OUT_WITHOUT_IMAGE},
        {SET("{\"id\":2,\"image_id\":3,\"category_id\":2,\"iscrowd\":0,\"area\":1,"
             "\"segmentation\":" POLYGON "}"),
         LEFT_OUT_SMALL}, // no box
        {SET("{\"id\":2,\"image_id\":3,\"category_id\":2,\"iscrowd\":0,\"bbox\":[1,1,9,9]}"),
         LEFT_OUT_WITHOUT_MASK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool usable = cases[i].kind == NUM_LEFT_OUT;
        training_data_parse(&data, cases[i].json, NULL);
        training_data_make(&data);
        EXPECT_INT(data.dataset.num_images, usable ? 2 : 1);
        EXPECT_INT(data.dataset.images_left_out, usable ? 0 : 1);
        EXPECT_INT(data.dataset.num_objects, usable ? 2 : 1);
        EXPECT_INT(data.dataset.class_counts[1], usable);
        EXPECT_INT(data.dataset.class_counts[2], 1);
        for (int kind = 0; kind < NUM_LEFT_OUT; kind++) {
            EXPECT_INT(data.dataset.objects_left_out[kind], kind == (int)cases[i].kind);
            EXPECT(left_out_text((enum left_out)kind)[0] != '\0');
        }
        training_data_destroy(&data);
    }
}

static void clipped(void) {
    training_data_parse(&data, SET(OBJECT("2", "0", "[-3,-4,50,100.5]", POLYGON)), NULL);
    training_data_make(&data);
    const float *box = data.dataset.images[1].objects[0].box;
    EXPECT_NEAR((double)box[0], 0, 0);
    EXPECT_NEAR((double)box[1], 0, 0);
    EXPECT_NEAR((double)box[2], 40, 0);
    EXPECT_NEAR((double)box[3], 60, 0);
    training_data_destroy(&data);
}

static void errors(void) {
    static const struct {
        const char *json;
        const char *message;
    } cases[] = {
        {SET(OBJECT("5", "0", "[1,1,29,29]", POLYGON)),
         "set.json: annotations[1] (id 2): there is no category with id 5"},
        {SET(OBJECT("2", "0", "[1,1,29,29]", "{\"size\":[40,60],\"counts\":[2400]}")),
         "annotations[1] (id 2): the mask has 60 x 40 pixels, but image 3 40 x 60"},
        {SET(OBJECT("2", "0", "[1,1,29,29]", RLE("[2000]"))), "annotations[1] (id 2): "},
        {SET(OBJECT("2", "0", "[1,1,29]", POLYGON)), "bbox is not four numbers"},
        {SET(OBJECT("2", "0", "[1,1,29,29]", "[[1,1,3]]")), "annotations[1]"},
        {"{" IMAGES "," CATEGORIES
         ",\"annotations\":[" OBJECT("2", "1", "[1,1,29,29]", POLYGON) "]}",
         "set.json: no image has an object that can be learnt"},
        {"{\"images\":[{\"id\":7,\"width\":100,\"height\":50}]," CATEGORIES ",\"annotations\":[]}",
         "set.json: images[0] (id 7) has no file name"},
        {"{\"images\":[{\"id\":7,\"file_name\":\"a.jpg\"}]," CATEGORIES ",\"annotations\":[]}",
         "set.json: images[0] (id 7) has no width and height"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        training_data_parse(&data, cases[i].json, NULL);
        EXPECT_STATUS(dataset_make(&data.dataset, &data.set, &data.config, &data.arena, &err),
                      STATUS_DATA, &err);
        EXPECT_CONTAINS(err.message, cases[i].message);
        training_data_destroy(&data);
    }
}

static void classes(void) {
    static const struct {
        const char *names, *ids;
        const char *message; // of the error; NULL: none
        const char *renamed, *missing;
        int32_t dog; // its label
    } cases[] = {
        {"dog,cat", "1,2", NULL, "", "", 1},
        {"bird,dog,cat", "7,8,9", NULL, "", "\"bird\"", 2},
        {"kitten,dog", "2,9", NULL, "\"kitten\" for \"cat\"", "", 2},
        {"cat,fish", "2,3", "objects of classes that the model lacks (classes.names): \"dog\"", "",
         "", 0},
        {"car,bus", "5,6",
         "has none of the model's classes: it has \"cat\", \"dog\", the model \"car\", \"bus\"", "",
         "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        training_data_parse(&data, SET(OBJECT("2", "0", "[1,1,29,29]", POLYGON)),
                            (const char *const[]){"classes.names", cases[i].names, "classes.ids",
                                                  cases[i].ids, NULL});
        enum status status =
            dataset_make(&data.dataset, &data.set, &data.config, &data.arena, &err);
        EXPECT_STATUS(status, cases[i].message ? STATUS_DATA : STATUS_OK, &err);
        if (cases[i].message) {
            EXPECT_CONTAINS(err.message, cases[i].message);
        } else {
            EXPECT_INT(data.dataset.images[0].objects[0].label, cases[i].dog);
            EXPECT_INT(data.dataset.class_counts[cases[i].dog], 1);
            EXPECT_TEXT(data.dataset.classes.renamed.text, cases[i].renamed);
            EXPECT_TEXT(data.dataset.classes.missing.text, cases[i].missing);
        }
        training_data_destroy(&data);
    }
}

// A category that the model lacks does no harm without objects.
static void unused_category(void) {
    training_data_parse(&data, SET(OBJECT("2", "1", "[1,1,29,29]", POLYGON)),
                        (const char *const[]){"classes.names", "dog", "classes.ids", "9", NULL});
    training_data_make(&data);
    EXPECT_INT(data.dataset.num_objects, 1);
    EXPECT_TEXT(data.dataset.classes.unknown.text, "\"cat\"");
    training_data_destroy(&data);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"real annotations", real_annotations},
                         {"left out", left_out},
                         {"clipped", clipped},
                         {"errors", errors},
                         {"classes", classes},
                         {"unused category", unused_category},
                         {0},
                     });
}

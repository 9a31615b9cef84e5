// Prints what a model sees in a picture.
#include <gctmask.h>
#include <stdio.h>

int main(int argc, char **argv) {
    struct gctmask_model *model = NULL;
    struct gctmask_result *result = NULL;
    char message[GCTMASK_MESSAGE_BYTES] = "usage: example MODEL PICTURE";
    enum gctmask_status status = GCTMASK_ARGUMENT;
    if (argc == 3) status = gctmask_open(argv[1], NULL, &model, message, sizeof message);
    if (status == GCTMASK_OK)
        status = gctmask_detect_file(model, argv[2], NULL, &result, message, sizeof message);
    if (status != GCTMASK_OK) fprintf(stderr, "%s\n", message);
    for (int64_t i = 0; i < gctmask_num_detections(result); i++) {
        const struct gctmask_detection *d = gctmask_detection(result, i);
        printf("%-16s %5.3f  (%.0f, %.0f) to (%.0f, %.0f), %lld pixels\n", d->class_name,
               (double)d->score, (double)d->box[0], (double)d->box[1], (double)d->box[2],
               (double)d->box[3], (long long)d->mask_area);
    }
    gctmask_free(result);
    gctmask_close(model);
    return status == GCTMASK_OK ? 0 : 1;
}

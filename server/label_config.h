// What a Label Studio project shows and marks: the few names that predictions must repeat, out of
// its labelling configuration, which is XML.
#pragma once

#include <stdbool.h>

enum label_control { CONTROL_BRUSH, CONTROL_POLYGON, CONTROL_RECTANGLE };
enum { LABEL_NAME_BYTES = 64 };

struct label_config {
    enum label_control control;
    char from_name[LABEL_NAME_BYTES]; // of the control
    char to_name[LABEL_NAME_BYTES];   // of the image that it marks
    char data_key[LABEL_NAME_BYTES];  // in a task's data, where the image stands
};

// Takes the first BrushLabels, else PolygonLabels, else RectangleLabels. What xml (NULL: nothing)
// does not say is "label", "image" and "image".
void label_config_read(struct label_config *config, const char *xml);

// "brushlabels"
const char *label_control_type(enum label_control control);

// Reads pictures that the program wrote: enough of SVG to say where texts and points lie.
#pragma once

#include <stdbool.h>

enum { PLACED_TEXT_BYTES = 96 };

struct placed_text {
    double x, y;
    char text[PLACED_TEXT_BYTES]; // as it stands in the file, still escaped
};

struct path_point {
    char command; // 'M', 'L', 'V' or 'h'; of a 'V', x is that of the point before
    double x, y;
};

// The file of that name in the scratch folder, to be freed; the case ends if it is not there.
char *load_text(const char *name);

// NULL if all tags are closed in order, attributes are quoted once each and every & begins an
// entity, as in XML; else where it goes wrong.
const char *find_malformed(const char *text);

// The texts of exactly this class, in their order, at most max. Returns how many.
int find_texts(const char *svg, const char *class, struct placed_text *texts, int max);

// The points of the path of this class (at the beginning of its classes) with this number, counted
// from 0. Returns how many; -1 if there is no such path.
int find_path(const char *svg, const char *class, int number, struct path_point *points, int max);

// An axis as its numbers describe it: where a value lies by the first and the last number.
struct read_axis {
    double low, high;             // values of two numbers
    double low_place, high_place; // where these stand
    bool logarithmic;             // if told so
};

// The axes of the only panel of a chart.
struct read_axis read_x_axis(const char *svg);
struct read_axis read_y_axis(const char *svg, bool logarithmic);
double place_on(const struct read_axis *axis, double value);

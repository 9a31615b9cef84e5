// Drawing for pages: pictures as inline SVG, whose colours come from the page's style sheet by
// class, and text that is safe between tags and in attributes. For eval/ and for the charts of
// training in tools/.
#pragma once

#include "base/output.h"

// Writes text so that it shows as it is wherever HTML and SVG allow text, quoted attributes
// included. Malformed UTF-8 and control characters become U+FFFD.
void markup_text(struct output *out, const char *text);

// A picture of width x height units, scaled to its place in the page. label says in words what it
// shows; it is escaped.
void svg_begin(struct output *out, double width, double height, const char *label);
void svg_end(struct output *out);

void svg_line(struct output *out, const char *class, double x1, double y1, double x2, double y2);

// tooltip, escaped, shows on hovering; NULL: none.
void svg_rectangle(struct output *out, const char *class, double x, double y, double width,
                   double height, const char *tooltip);
void svg_circle(struct output *out, const char *class, double x, double y, double radius,
                const char *tooltip);

// class also says where x is: "" the left end, "mid" the middle, "end" the right end. Escaped.
void svg_text(struct output *out, const char *class, double x, double y, const char *text);

// The field of a chart: both axes run from 0 to 1, y upwards.
struct chart_field {
    double left, top, width, height; // in units of the picture
};

double chart_x(const struct chart_field *field, double value);
double chart_y(const struct chart_field *field, double value);

// Draws a grid with numbers from 0 to 1 at both axes, and their titles.
void chart_axes(struct output *out, const struct chart_field *field, const char *x_title,
                const char *y_title);

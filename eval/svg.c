#include "eval/svg.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static const char *escaped_character(char c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void markup_text(struct output *out, const char *text) {
    const char *end = text + strlen(text);
    const char *begin = text; // of what is not written yet
    while (text < end) {
        int length = utf8_length(text, end);
        unsigned char byte = (unsigned char)*text;
        bool is_control = (byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7f;
        const char *replacement =
            length == 0 || is_control ? "\xef\xbf\xbd" : escaped_character(*text);
        if (replacement) {
            output_write(out, begin, text - begin);
            output_text(out, replacement);
            begin = text + 1;
        }
        text += length == 0 ? 1 : length;
    }
    output_write(out, begin, end - begin);
}

void svg_begin(struct output *out, double width, double height, const char *label) {
    output_printf(out, "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"", width, height);
    markup_text(out, label);
    output_text(out, "\">\n");
}

void svg_end(struct output *out) {
    output_text(out, "</svg>\n");
}

void svg_line(struct output *out, const char *class, double x1, double y1, double x2, double y2) {
    output_printf(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                  class, x1, y1, x2, y2);
}

// Ends a shape that was left open before its "/>".
static void end_shape(struct output *out, const char *name, const char *tooltip) {
    if (!tooltip) {
        output_text(out, "/>\n");
        return;
    }
    output_text(out, "><title>");
    markup_text(out, tooltip);
    output_printf(out, "</title></%s>\n", name);
}

void svg_rectangle(struct output *out, const char *class, double x, double y, double width,
                   double height, const char *tooltip) {
    output_printf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"",
                  class, x, y, width, height);
    end_shape(out, "rect", tooltip);
}

void svg_circle(struct output *out, const char *class, double x, double y, double radius,
                const char *tooltip) {
    output_printf(out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"", class, x, y,
                  radius);
    end_shape(out, "circle", tooltip);
}

void svg_text(struct output *out, const char *class, double x, double y, const char *text) {
    output_printf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
    markup_text(out, text);
    output_text(out, "</text>\n");
}

double chart_x(const struct chart_field *field, double value) {
    return field->left + value * field->width;
}

double chart_y(const struct chart_field *field, double value) {
    return field->top + (1 - value) * field->height;
}

void chart_axes(struct output *out, const struct chart_field *field, const char *x_title,
                const char *y_title) {
    enum { NUM_STEPS = 5 };
    double bottom = field->top + field->height;
    double right = field->left + field->width;
    for (int i = 0; i <= NUM_STEPS; i++) {
        double value = (double)i / NUM_STEPS;
        double x = chart_x(field, value);
        double y = chart_y(field, value);
        char number[16];
        snprintf(number, sizeof number, "%g", value);
        svg_line(out, "grid", field->left, y, right, y);
        svg_line(out, "grid", x, field->top, x, bottom);
        svg_text(out, "tick mid", x, bottom + 15, number);
        svg_text(out, "tick end", field->left - 7, y + 3.5, number);
    }
    svg_text(out, "axis mid", field->left + field->width / 2, bottom + 33, x_title);
    double middle = field->top + field->height / 2;
    output_printf(out, "<text class=\"axis mid\" transform=\"translate(12 %.1f) rotate(-90)\">",
                  middle);
    markup_text(out, y_title);
    output_text(out, "</text>\n");
}

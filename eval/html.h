// The report as one static page that works without a network: DIR/index.html, which holds its
// style, its script and all charts, and DIR/images/ with the photographs that it shows. Names from
// the input are escaped everywhere.
#pragma once

#include "eval/report.h"

struct html_options {
    const char *image_folder; // where the annotations' file names lead; NULL: outlines are drawn on
                              // an empty canvas
    int64_t num_worst;        // images with the most errors to show
};

// Creates folder if it is missing and writes the page for num_reports reports on the same data,
// each of another IoU kind. Every file appears at once and complete; those there under other names
// stay.
MUST_CHECK enum status html_write(const char *folder, const struct report *reports,
                                  int64_t num_reports, const struct html_options *options,
                                  struct error *err);

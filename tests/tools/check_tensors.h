// What the tests of training compare of two runs.
#pragma once

#include "base/file_view.h"

// A file in the scratch folder.
void open_scratch_file(struct file_view *view, const char *name);

// The largest difference between the numbers of two files of tensors whose headers are the same, as
// a share of the largest number; the files are in the scratch folder.
double compare_tensors(const char *name, const char *other);

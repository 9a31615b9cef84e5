// What `gctmask annotate` and `gctmask convert-annotations` write to their folder besides the files
// of single pictures (tools/annotate_files.h): formats that hold all pictures in one file, YOLO's
// classes, the report of losses and the gallery. Pictures are added in their order; the files
// appear when all are there.
#pragma once

#include "formats/set_file.h"
#include "tools/annotate_files.h"
#include "tools/annotate_gallery.h"
#include "tools/annotate_roundtrip.h"

struct annotate_outputs {
    const struct annotate_output_options *options;
    const struct class_list *classes;
    struct set_file files[NUM_FORMATS];
    struct annotate_roundtrip roundtrip;
    struct annotate_gallery gallery;
};

// A gallery needs overlays: adds them to the options, before anything else is done with these.
void annotate_outputs_complete(struct annotate_output_options *options);

// Makes the folder and begins the files.
MUST_CHECK enum status annotate_outputs_open(struct annotate_outputs *outputs,
                                             const struct annotate_output_options *options,
                                             const struct class_list *classes,
                                             const char *description, struct error *err);

// losses are those of the picture's own files. Its name is borrowed until the end.
MUST_CHECK enum status annotate_outputs_add(struct annotate_outputs *outputs,
                                            const struct annotated_image *image,
                                            const struct annotate_losses *losses,
                                            struct arena *scratch, struct error *err);

MUST_CHECK enum status annotate_outputs_commit(struct annotate_outputs *outputs, struct error *err);
void annotate_outputs_discard(struct annotate_outputs *outputs); // safe after commit

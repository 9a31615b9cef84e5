// What the tests of gctmask annotate share: a small model that finds something in any picture, and
// pictures.
#pragma once

// Makes $SCRATCH/m.safetensors and three pictures of 90 x 70 pixels in $SCRATCH/in/images, once,
// and removes what an earlier case left: $SCRATCH/found, whole, killed and tree.
void annotate_begin(void);

#define MODEL    "--weights $SCRATCH/m.safetensors --score 0.05 "
#define ANNOTATE "gctmask annotate " MODEL "--out $SCRATCH/found "

// Residual networks (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016): a stem
// and four stages of bottleneck blocks. Optionally with groups (ResNeXt; Xie et al., CVPR 2017), a
// gate before every convolution, stem and projections included (GCT; Yang et al., section 4.2), or
// squeeze-excite on each residual branch (Hu et al., CVPR 2018).
//
// Parameters have torchvision's names below "backbone.body."; gates are gct1 (stem), layerL.B.gctK
// and layerL.0.downsample.gct.
#pragma once

#include "nn/gated_conv.h"
#include "nn/squeeze_excite/squeeze_excite.h"

enum { RESNET_STAGES = 4, RESNET_EXPANSION = 4 };
enum { SQUEEZE_EXCITE_REDUCTION = 16 }; // channels of a block over those of its squeeze

enum attention_kind { ATTENTION_NONE, ATTENTION_GCT, ATTENTION_SE };

struct resnet_options {
    int64_t blocks[RESNET_STAGES]; // 3, 4, 6, 3 for ResNet-50
    int64_t width;                 // channels of the stem; 64
    int64_t groups;                // of the 3x3 convolutions; 1
    int64_t group_width;           // channels of one group in the first stage; 64
    bool stride_in_1x1;            // a stage halves in its first 1x1; false: in its 3x3
    struct norm_options norm;
    enum attention_kind attention;
    struct gate_options gate;
    int64_t freeze_at; // stem and stages up to this are not trained: 0 none, 1 the stem, 2 C2 too
};

struct bottleneck {
    struct gated_conv conv1, conv2, conv3;
    struct gated_conv downsample; // if has_downsample
    struct squeeze_excite squeeze_excite;
    bool has_downsample;
    bool has_squeeze_excite;
};

struct resnet {
    struct gated_conv stem;
    int64_t num_blocks[RESNET_STAGES];
    struct bottleneck *blocks[RESNET_STAGES];
    const struct parameter *first[RESNET_STAGES]; // of the stage's parameters
};

MUST_CHECK enum status resnet_build(struct resnet *resnet, const struct resnet_options *options,
                                    struct parameters *parameters, struct error *err);

// Channels of C2..C5.
int64_t resnet_stage_channels(const struct resnet_options *options, int stage);

// image [n, h, w, 3] becomes stages[0..3] = C2..C5, with strides 4, 8, 16, 32.
void resnet_forward(struct nn *nn, struct resnet *resnet, struct tensor *image,
                    struct tensor *stages[RESNET_STAGES]);

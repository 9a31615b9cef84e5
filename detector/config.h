// The configuration of a detector: everything that decides what a model computes and how it is
// trained, as one table of options (base/option.h). The files in configs/ set them; a model file
// holds them resolved.
#pragma once

#include "backbone/fpn.h"
#include "backbone/resnet.h"
#include "base/option.h"
#include "heads/box_head.h"
#include "heads/mask_head.h"
#include "heads/rpn.h"
#include "nn/detections/detections.h"

// The two families whose weights run here. Every difference between them that is not an option of
// its own is a line of conventions_of (detector/conventions.h).
enum conventions { CONVENTIONS_DETECTRON2, CONVENTIONS_TORCHVISION };

enum channel_order { CHANNELS_RGB, CHANNELS_BGR };

struct model_config {
    int conventions; // enum conventions
    struct {
        struct option_texts names; // without background
        struct option_ints ids;    // of COCO's categories; empty: 1, 2, 3, ...
    } classes;
    struct {
        int64_t short_side, long_side; // pixels
        struct option_doubles mean, std;
        double pixel_range; // what white is before mean and std: 1 or 255
        int channel_order;  // enum channel_order, of mean, std and the first convolution
    } input;
    struct {
        int depth;                 // index of DEPTHS
        struct option_ints blocks; // overrides depth
        int64_t width;
        int64_t groups, group_width;
        bool stride_in_1x1;
        int norm; // enum norm_kind
        double norm_epsilon;
        int attention; // enum attention_kind
        int64_t freeze_at;
    } backbone;
    struct {
        int embedding, normalisation, activation, placement;
        double epsilon;
    } gct;
    int64_t norm_groups; // of every group norm
    struct {
        int64_t channels;
        int norm;
    } fpn;
    struct {
        int64_t convs;
        struct option_doubles anchor_sizes, anchor_ratios;
        int64_t pre_nms_test, post_nms_test;
        int64_t pre_nms_train, post_nms_train;
        double nms;
        int64_t sampled;
    } rpn;
    struct {
        int64_t convs, conv_channels, linears, hidden, resolution;
        int norm;
        bool gct;
        double score, nms;
        int64_t detections;
        int64_t sampled;
    } box;
    struct {
        int64_t convs, conv_channels, resolution;
        int norm;
    } mask;
    // How it is trained. A batch of images is computed group by group, by one process or several;
    // the loss is the mean of the groups' losses. So results do not depend on how many processes
    // there are, and the papers' 8 processors of 2 images each are batch 16, group 2.
    struct {
        int64_t batch, group;
        int64_t iterations;
        struct option_ints drops;
        double drop_factor;
        int64_t warmup;
        double warmup_factor;
    } schedule;
    struct {
        double learning_rate, momentum;
        double weight_decay, bias_weight_decay, norm_weight_decay, beta_weight_decay;
        double bias_rate;
        double clip_norm;
    } solver;
    struct {
        double flip;
        struct option_ints short_sides;
        struct option_doubles jitter;
    } augment;
};

extern const struct option MODEL_OPTIONS[];

// What a single option cannot see: lists of the right length, channels that divide into groups.
// Messages name the option. To be called when everything is set.
MUST_CHECK enum status model_config_check(const struct model_config *config, struct error *err);

// Background included.
int64_t model_config_num_classes(const struct model_config *config);

// The parts, as their builders want them.
struct resnet_options model_config_resnet(const struct model_config *config);
struct fpn_options model_config_fpn(const struct model_config *config);
struct rpn_options model_config_rpn(const struct model_config *config);
// gate is filled and borrowed.
struct box_head_options model_config_box_head(const struct model_config *config,
                                              struct gate_options *gate);
struct mask_head_options model_config_mask_head(const struct model_config *config);

#include "tests/detector/formula.h"

#include <math.h>
#include <string.h>

static uint64_t hash_text(uint64_t hash, const char *text) {
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001B3u;
    return hash;
}

// In [-1, 1).
static float uniform(uint64_t hash, int64_t index) {
    uint64_t z = hash + ((uint64_t)index + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return 2 * ((float)(z >> 40) * 0x1p-24f) - 1;
}

struct range {
    double offset, scale;
};

static struct range weight_range(const struct parameter *p) {
    static const struct {
        const char *part;
        double gain;
    } gains[] = {
        {"fpn.inner_blocks", 0.1},        {"fpn.layer_blocks", 0.5},
        {"rpn.head.cls_logits", 0.7},     {"rpn.head.bbox_pred", 0.1},
        {"box_predictor.cls_score", 1.2}, {"box_predictor.bbox_pred", 0.3},
        {"mask_fcn_logits", 0.7},
    };
    if (p->num_dims == 1) {
        if (strstr(p->name, ".bn3.")) return (struct range){0.1, 0.05};
        return (struct range){1, 0.2};
    }
    if (strstr(p->name, "conv5_mask")) return (struct range){0, sqrt(6.0 / (double)p->shape[0])};
    int64_t fan_in = p->count / p->shape[0];
    double he = sqrt(6.0 / (double)fan_in);
    for (size_t i = 0; i < sizeof gains / sizeof gains[0]; i++)
        if (strstr(p->name, gains[i].part)) return (struct range){0, gains[i].gain * he};
    return (struct range){0, he};
}

static struct range range_of(const struct parameter *p) {
    const char *leaf = strrchr(p->name, '.') + 1;
    if (strcmp(leaf, "alpha") == 0) return (struct range){1, 0.3};
    if (strcmp(leaf, "gamma") == 0) return (struct range){0, 0.5};
    if (strcmp(leaf, "beta") == 0) return (struct range){0, 0.2};
    if (strcmp(leaf, "running_mean") == 0) return (struct range){0, 0.1};
    if (strcmp(leaf, "running_var") == 0) return (struct range){1, 0.3};
    if (strcmp(leaf, "bias") == 0) return (struct range){0, 0.05};
    return weight_range(p);
}

void formula_fill(struct parameters *parameters, const char *salt) {
    for (int64_t i = 0; i < parameters->count; i++) {
        struct parameter *p = parameters->items[i];
        struct range range = range_of(p);
        float offset = (float)range.offset;
        float scale = (float)range.scale;
        uint64_t hash = hash_text(hash_text(0xCBF29CE484222325u, salt), p->name);
        for (int64_t j = 0; j < p->count; j++)
            p->data[j] = offset + scale * uniform(hash, j);
    }
    parameters_changed(parameters);
}

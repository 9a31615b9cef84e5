"""torchvision's maskrcnn_resnet50_fpn with the weights of bench/detect (tests/detector/formula.h),
whose inputs and thresholds are those of the published detector. Works with torchvision from 0.14 on.
"""
import math

import numpy as np
import torch
import torchvision


def uniform(name, count):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    with np.errstate(over="ignore"):
        z = np.uint64(h) + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return np.float32(2) * ((z >> np.uint64(40)).astype(np.float32) * np.float32(2.0 ** -24)) - np.float32(1)


def offset_and_scale(name, shape):
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "running_mean":
        return 0.0, 0.1
    if leaf == "running_var":
        return 1.0, 0.3
    if leaf == "weight" and len(shape) == 1:
        return (0.1, 0.05) if ".bn3." in name else (1.0, 0.2)
    if leaf == "bias":
        return 0.0, 0.05
    if "conv5_mask" in name:
        return 0.0, math.sqrt(6.0 / shape[0])
    he = math.sqrt(6.0 / int(np.prod(shape[1:])))
    for part, gain in (("fpn.inner_blocks", 0.1), ("fpn.layer_blocks", 0.5),
                       ("rpn.head.cls_logits", 0.7), ("rpn.head.bbox_pred", 0.1),
                       ("box_predictor.cls_score", 1.2), ("box_predictor.bbox_pred", 0.3),
                       ("mask_fcn_logits", 0.7)):
        if part in name:
            return 0.0, gain * he
    return 0.0, he


def build():
    # The constructor gives random weights batch norm that trains; the published detector's is frozen.
    backbone = torchvision.models.detection.backbone_utils.resnet_fpn_backbone(
        backbone_name="resnet50", weights=None, norm_layer=torchvision.ops.FrozenBatchNorm2d)
    model = torchvision.models.detection.MaskRCNN(backbone, num_classes=91)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            offset, scale = offset_and_scale(name, tuple(tensor.shape))
            values = np.float32(offset) + np.float32(scale) * uniform(name, tensor.numel())
            tensor.copy_(torch.from_numpy(values.astype(np.float32)).reshape(tensor.shape))
    return model.eval()

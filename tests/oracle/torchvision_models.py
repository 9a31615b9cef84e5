#!/usr/bin/env python3
"""Write torchvision's Mask R-CNN models with seeded weights, and what they find in photos.

    torchvision_models.py v1|v2 OUT PHOTO...

Writes OUT.pth (what torch.save makes of the state dict), OUT.legacy.pth (the
same in the container before version 1.6, with the names before 0.13) and
OUT.txt, the detections: for each photo a line "photo PATH COUNT", then COUNT
lines "LABEL SCORE X1 Y1 X2 Y2 NUM_RUNS RUN RUN ...", boxes in pixels, masks as
COCO's run lengths. Images are resized to sides of SIDES at most. For
tests/detector/test_import.c; needs torch and torchvision (0.14 or later).
"""
import math
import sys

import numpy as np
import torch
from PIL import Image
from torchvision.models.detection import maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2
from torchvision.ops import FrozenBatchNorm2d

SIDES = (256, 427)
SETTINGS = dict(weights=None, weights_backbone=None, min_size=SIDES[0], max_size=SIDES[1], box_score_thresh=0.02,
                box_detections_per_img=50, rpn_post_nms_top_n_test=300)
GAINS = (("fpn.inner_blocks", 0.1), ("fpn.layer_blocks", 0.5), ("rpn.head.cls_logits", 0.7),
         ("rpn.head.bbox_pred", 0.1), ("box_predictor.cls_score", 1.2), ("box_predictor.bbox_pred", 0.3),
         ("mask_fcn_logits", 0.7))


def scale_of(name, shape):
    """Values are offset + scale * uniform(-1, 1), of a size that keeps activations in range."""
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "running_mean":
        return 0.0, 0.1
    if leaf == "running_var":
        return 1.0, 0.3
    if leaf == "bias":
        return 0.0, 0.05
    if len(shape) == 1:
        return (0.1, 0.05) if ".bn3." in name else (1.0, 0.2)
    if "conv5_mask" in name:
        return 0.0, math.sqrt(6 / shape[0])
    he = math.sqrt(6 / math.prod(shape[1:]))
    return 0.0, he * next((gain for part, gain in GAINS if part in name), 1.0)


def fill(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                offset, scale = scale_of(name, tuple(tensor.shape))
                tensor.copy_(offset + scale * (2 * torch.rand(tensor.shape, generator=generator) - 1))


def make(version):
    if version == "v2":
        return maskrcnn_resnet50_fpn_v2(**SETTINGS)
    # As published: frozen norms that add nothing to the variance.
    model = maskrcnn_resnet50_fpn(**SETTINGS)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.BatchNorm2d):
                setattr(parent, name, FrozenBatchNorm2d(child.num_features, eps=0.0))
    return model


def old_name(name):
    for old, new in (("rpn.head.conv.", "rpn.head.conv.0.0."),
                     *((f"fpn.{kind}_blocks.{i}.", f"fpn.{kind}_blocks.{i}.0.")
                       for kind in ("inner", "layer") for i in range(4)),
                     *((f"mask_head.mask_fcn{i + 1}.", f"mask_head.{i}.0.") for i in range(4))):
        name = name.replace(new, old)
    return name


def runs_of(mask):
    flat = mask.T.reshape(-1).astype(np.int8)
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return runs if flat[0] == 0 else [0] + runs


def main():
    version, out, photos = sys.argv[1], sys.argv[2], sys.argv[3:]
    model = make(version).eval()
    fill(model, 7 if version == "v1" else 8)
    state = model.state_dict()
    torch.save(state, out + ".pth")
    old = {old_name(k) if version == "v1" else k: v for k, v in state.items()}
    torch.save(old, out + ".legacy.pth", _use_new_zipfile_serialization=False)
    with open(out + ".txt", "w", encoding="ascii") as text, torch.no_grad():
        for photo in photos:
            pixels = np.asarray(Image.open(photo).convert("RGB"))
            found = model([torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255])[0]
            print("photo", photo, len(found["boxes"]), file=text)
            for label, score, box, mask in zip(found["labels"], found["scores"], found["boxes"], found["masks"]):
                runs = runs_of(mask[0].numpy() >= 0.5)
                print(int(label), repr(float(score)), *map(float, box), len(runs), *runs, file=text)


if __name__ == "__main__":
    main()

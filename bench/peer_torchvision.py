#!/usr/bin/env python3
"""Times torchvision's maskrcnn_resnet50_fpn on one photo, with the same weights as bench/detect
(tests/detector/formula.h), and prints one JSON line.

    peer_torchvision.py PHOTO [--threads N] [--rounds N] [--size SHORTxLONG] [--channels-last] [--bf16]
"""
import argparse
import json
import math
import os
import resource
import statistics
import time

parser = argparse.ArgumentParser()
parser.add_argument("photo")
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--size", default="800x1333")
parser.add_argument("--channels-last", action="store_true")
parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)

started = time.perf_counter()
import numpy as np
import torch
import torchvision
from PIL import Image


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


torch.set_num_threads(args.threads)
short, long = map(int, args.size.split("x"))
kwargs = dict(num_classes=91, min_size=short, max_size=long, rpn_pre_nms_top_n_test=1000,
              rpn_post_nms_top_n_test=1000)
if hasattr(torchvision.models, "get_model"):
    kwargs.update(weights=None, weights_backbone=None)
else:
    kwargs.update(pretrained=False, pretrained_backbone=False)
model = torchvision.models.detection.maskrcnn_resnet50_fpn(**kwargs)
# The constructor gives random weights batch norm that trains; the published detector's is frozen.
model.backbone.body = torchvision.models.detection.backbone_utils.resnet_fpn_backbone(
    backbone_name="resnet50", **({"weights": None} if "weights" in kwargs else {"pretrained": False}),
    norm_layer=torchvision.ops.FrozenBatchNorm2d).body
with torch.no_grad():
    for name, tensor in model.state_dict().items():
        offset, scale = offset_and_scale(name, tuple(tensor.shape))
        values = np.float32(offset) + np.float32(scale) * uniform(name, tensor.numel())
        tensor.copy_(torch.from_numpy(values.astype(np.float32)).reshape(tensor.shape))
model.eval()
if args.channels_last:
    model = model.to(memory_format=torch.channels_last)
pixels = np.asarray(Image.open(args.photo).convert("RGB")).copy()
image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
proposals = []
model.rpn.register_forward_hook(lambda module, inputs, outputs: proposals.append(len(outputs[0][0])))


def detect():
    with torch.no_grad():
        if args.bf16:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return model([image])[0]
        return model([image])[0]


found = detect()
first = time.perf_counter() - started
times = []
for _ in range(args.rounds):
    start = time.perf_counter()
    found = detect()
    times.append(time.perf_counter() - start)
print(json.dumps({
    "engine": "torchvision %s%s%s" % (torchvision.__version__.split("+")[0],
                                       " channels_last" if args.channels_last else "",
                                       " bf16" if args.bf16 else ""),
    "torch": torch.__version__, "ms": round(1e3 * statistics.median(times), 2),
    "min_ms": round(1e3 * min(times), 2), "first_ms": round(1e3 * first, 1),
    "rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    "proposals": proposals[-1], "detections": len(found["boxes"]),
    "best": [round(float(s), 5) for s in found["scores"][:3]]}))

#!/usr/bin/env python3
"""Write what PyTorch's SGD does in ten steps: the numbers that tests/train/test_sgd_steps.c follows.

    sgd_steps.py VARIANT [--conventions torchvision|detectron2] [--salt TEXT] [--rate 0.01] [--clip 0]
        [--repeats 6] [--out FILE] [--reference FOLDER]

Takes the model of the parity fixtures (reference.py in the folder of shared data beside the
checkout), fills it by their formula and trains it ten times on one batch: the parity photo, every
second pixel of it each way, with its true boxes and the ellipses in them as masks. Every anchor and
every proposal is sampled, so that nothing is random. torch.optim.SGD gets its parameter groups and
its learning rates from the rules of train/solver.c and train/schedule.c, written down here once more.

Prints, or writes to FILE, JSON in the form of a parity fixture (with the input as its only tensor)
and beside it: "solver" and "schedule", the settings; "steps", for each step its five losses, the
gradient's norm before clipping, and the learning rate, and after ten of them the losses of one more
forward pass; "parameters", for some of them the norm at the end and the norm of the way they went.

Each result is a pair: the value, and its spread, the largest relative difference from it in REPEATS
more runs whose parameters start with every value moved by its last bits and whose sums run over
another number of threads. It is the noise of float32, which every step enlarges; a spread that jumps
to a tenth means that a decision (which proposal wins, which truth it stands for) hangs by a hair: take
another salt or rate.

Takes about 80 s of processor time. Needs Python 3 with numpy, Pillow, torch and torchvision 0.14
(Debian: python3-torchvision python3-pil).
"""
import argparse
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image

SHARED = Path(__file__).resolve().parent.parent.parent.parent / "shared"
NUM_STEPS = 10
# Beside the true boxes, which are regions too, the best proposal: of more, some would sooner or later
# win or lose by less than the noise.
PRE_NMS, POST_NMS = 1000, 1
# The decay is large, so that what it does in ten steps is seen.
SOLVER = {"momentum": 0.9, "weight_decay": 0.1, "bias_weight_decay": 0, "norm_weight_decay": 0,
          "beta_weight_decay": 0, "bias_rate": 2}
SCHEDULE = {"warmup": 4, "warmup_factor": 1 / 3, "drops": [8], "drop_factor": 0.1}
# Parts of names; of each the first parameter, of each kind there.
FOLLOWED = ["backbone.body.gct1", "backbone.body.conv1", "backbone.body.bn1", "layer1.0.conv1", "layer1.0.gct1",
            "layer1.0.se.fc1", "layer3.5.gct3", "layer4.2.conv3", "layer4.2.bn3", "layer4.2.se.fc2",
            "fpn.inner_blocks.0.0", "fpn.layer_blocks.3.0", "rpn.head.cls_logits", "rpn.head.bbox_pred",
            "box_head.0.0", "box_head.0.1", "box_head.3.gct", "box_head.fc6", "box_predictor.cls_score",
            "box_predictor.bbox_pred", "mask_head.0.0", "conv5_mask", "mask_fcn_logits"]


def load_reference(folder):
    spec = importlib.util.spec_from_file_location("reference", folder / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_batch(folder):
    """The photo, halved by leaving pixels out, and its truth in it."""
    pixels = np.asarray(Image.open(folder / "photo.png").convert("RGB"))[::2, ::2].copy()
    truth = json.loads((folder / "photo-boxes.json").read_text())
    truth["boxes"] = [[x / 2 for x in box] for box in truth["boxes"]]
    ys, xs = np.mgrid[0:pixels.shape[0], 0:pixels.shape[1]] + 0.5
    masks = []
    for x1, y1, x2, y2 in truth["boxes"]:
        dx, dy = (xs - (x1 + x2) / 2) / ((x2 - x1) / 2), (ys - (y1 + y2) / 2) / ((y2 - y1) / 2)
        masks.append((dx ** 2 + dy ** 2 <= 1).astype(np.uint8))
    return pixels, truth, masks


def parameter_groups(model):
    """One for each parameter, its learning rate without the schedule's as "factor"."""
    groups = []
    for name, p in model.named_parameters():
        factor, decay = 1, SOLVER["weight_decay"]
        if name.endswith(".bias"):
            factor, decay = SOLVER["bias_rate"], SOLVER["bias_weight_decay"]
        elif name.endswith(".beta"):
            decay = SOLVER["beta_weight_decay"]
        elif name.endswith(".weight") and p.dim() == 1:
            decay = SOLVER["norm_weight_decay"]
        groups.append({"params": [p], "factor": factor, "weight_decay": decay})
    return groups


def learning_rate(base, step):
    rate = base * SCHEDULE["drop_factor"] ** sum(drop <= step for drop in SCHEDULE["drops"])
    if step < SCHEDULE["warmup"]:
        share = step / SCHEDULE["warmup"]
        rate *= SCHEDULE["warmup_factor"] * (1 - share) + share
    return rate


def disturb(model):
    """Moves every value by up to two units in its last place."""
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1 + 2 ** -22 * (2 * torch.rand_like(p) - 1))


def train(model, image, target, base, clip):
    """The results, as nested dictionaries and lists of numbers."""
    optimizer = torch.optim.SGD(parameter_groups(model), lr=base, momentum=SOLVER["momentum"])
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    steps = []
    for step in range(NUM_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(base, step) * group["factor"]
        optimizer.zero_grad()
        losses = model([image], [target])
        sum(losses.values()).backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip if clip > 0 else float("inf"))
        optimizer.step()
        steps.append({"losses": {k: float(v) for k, v in losses.items()}, "gradient_norm": float(norm)})
    with torch.no_grad():
        steps.append({"losses": {k: float(v) for k, v in model([image], [target]).items()}})
    parameters = {}
    for part in FOLLOWED:
        for name, p in model.named_parameters():
            if name.rsplit(".", 1)[0].endswith(part):
                parameters[name] = {"norm": float(p.detach().double().norm()),
                                    "way": float((p.detach() - start[name]).double().norm())}
    return {"steps": steps, "parameters": parameters}


def with_spread(value, others):
    """Every number as a pair of itself and its spread."""
    if isinstance(value, dict):
        return {k: with_spread(v, [other[k] for other in others]) for k, v in value.items()}
    if isinstance(value, list):
        return [with_spread(v, [other[i] for other in others]) for i, v in enumerate(value)]
    return [value, float("%.1e" % max((abs(other / value - 1) for other in others), default=0))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant")
    parser.add_argument("--conventions", choices=("torchvision", "detectron2"), default="torchvision")
    parser.add_argument("--salt", default="")
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--clip", type=float, default=0)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--reference", type=Path, default=SHARED / "parity")
    args = parser.parse_args()
    reference = load_reference(args.reference)

    pixels, truth, masks = make_batch(args.reference)
    height, width = pixels.shape[:2]
    image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    target = {"boxes": torch.tensor(truth["boxes"]), "labels": torch.tensor(truth["labels"]),
              "masks": torch.from_numpy(np.stack(masks))}
    model = reference.build(args.variant, min_size=height, max_size=width, rpn_batch_size_per_image=10 ** 6,
                            box_batch_size_per_image=10 ** 5, rpn_pre_nms_top_n_train=PRE_NMS,
                            rpn_post_nms_top_n_train=POST_NMS)
    if args.conventions == "detectron2":
        reference.adopt_detectron2(model)
    model.train()
    batch, _ = model.transform([image])
    torch.manual_seed(1)
    runs = []
    for i in range(1 + args.repeats):
        reference.fill(model, args.salt)
        if i > 0:
            disturb(model)
        torch.set_num_threads(1 + i % 2)
        runs.append(train(model, image, target, args.rate, args.clip))
    results = with_spread(runs[0], runs[1:])
    for step in range(NUM_STEPS):
        results["steps"][step]["learning_rate"] = learning_rate(args.rate, step)

    out = {"variant": args.variant, "salt": args.salt, "conventions": args.conventions, "torch": torch.__version__,
           "torchvision": torchvision.__version__,
           "input": {"height": height, "width": width, "min_size": height, "max_size": width,
                     "mean": model.transform.image_mean, "std": model.transform.image_std},
           "resized": list(batch.image_sizes[0]),
           # Those of detection are not used, but a fixture has them.
           "settings": {"rpn_pre_nms_train": PRE_NMS, "rpn_post_nms_train": POST_NMS, "rpn_nms": 0.7,
                        "classes": 91, "rpn_pre_nms_test": 1000, "rpn_post_nms_test": 300,
                        "box_score_thresh": 0.02, "box_nms": 0.5, "detections": 50},
           "tensors": {"input": reference.summary(batch.tensors, "input")}, "proposals": [], "detections": [],
           "truth": dict(truth, masks=[reference.rle(mask) for mask in masks]),
           "solver": dict(SOLVER, learning_rate=args.rate, clip_norm=args.clip), "schedule": SCHEDULE}
    lines = ["%s: %s" % (json.dumps(k), json.dumps(v)) for k, v in out.items()]
    lines.append('"steps": [\n  %s\n ]' % ",\n  ".join(json.dumps(step) for step in results["steps"]))
    lines.append('"parameters": {\n  %s\n }' % ",\n  ".join(
        "%s: %s" % (json.dumps(k), json.dumps(v)) for k, v in results["parameters"].items()))
    text = "{\n %s\n}\n" % ",\n ".join(lines)
    if args.out:
        args.out.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Times training steps of torchvision's Mask R-CNN, from images in memory to changed parameters, and
prints one line of JSON. For bench/train, whose bench/train_step does the same: the same weights,
images, objects and added proposals, the stem and C2 frozen, batch norms frozen everywhere.

With --gct REFERENCE the backbone has the gates of that file (parity/reference.py), else it is
torchvision's own.
"""
import argparse
import importlib.util
import json
import os
import resource
import statistics
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--size", default="1333x800", help="of the images, width x height")
parser.add_argument("--images", type=int, default=1)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--channels-last", action="store_true")
parser.add_argument("--gct", metavar="REFERENCE")
args = parser.parse_args()
if args.gct and not os.path.exists(args.gct):
    raise SystemExit(f"error: {args.gct} is not there, and with it the peer's gates")

import torch
import torchvision
from torchvision.models.detection.image_list import ImageList

import peer_model
import peer_train_scene as scene

FROZEN = tuple(f"backbone.body.{part}." for part in ("gct1", "conv1", "bn1", "layer1"))
RATE = 1e-6  # so small that the weights stay as good as the same


class Ready(torch.nn.Module):
    """In place of the model's transform: images that were made ready before."""

    def __init__(self, images, targets):
        super().__init__()
        self.images, self.targets = images, targets

    def forward(self, images, targets):
        return self.images, self.targets

    @staticmethod
    def postprocess(detections, *_):
        return detections


def build():
    if not args.gct:
        return peer_model.build()
    spec = importlib.util.spec_from_file_location("reference", args.gct)
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    # As torchvision's own: the stride in the 3x3.
    reference.VARIANTS["bench"] = (reference.R50, "bn", "l2", False, False, None, None, None, False)
    model = reference.build("bench", classes=scene.CLASSES + 1)
    reference.fill(model, "")
    return model


def prepare():
    """The model with the scene attached, and the lists that count what its heads are given."""
    width, height = map(int, args.size.split("x"))
    numbers = range(args.images)
    model = build().train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(FROZEN))
    batch = scene.inputs(args.images, height, width)
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
        batch = batch.contiguous(memory_format=torch.channels_last)
    added = [scene.proposals(i, height, width) for i in numbers]
    model.rpn.register_forward_hook(
        lambda module, inputs, found: ([torch.cat(pair) for pair in zip(found[0], added)], found[1]))
    regions, objects = [], []
    model.roi_heads.box_head.register_forward_hook(lambda module, inputs, out: regions.append(len(out)))
    model.roi_heads.mask_head.register_forward_hook(lambda module, inputs, out: objects.append(len(out)))
    targets = [scene.target(i, height, width) for i in numbers]
    model.transform = Ready(ImageList(batch, [(height, width)] * args.images), targets)
    return model, list(batch), targets, regions, objects


torch.set_num_threads(args.threads)
torch.manual_seed(0)
model, images, targets, regions, objects = prepare()
solver = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=RATE, momentum=0.9,
                         weight_decay=1e-4)


def train():
    """One step: the losses and the seconds of each phase."""
    cpu_start = time.process_time()
    start = time.perf_counter()
    losses = model(images, targets)
    total = sum(losses.values())
    forward_end = time.perf_counter()
    solver.zero_grad(set_to_none=True)
    total.backward()
    backward_end = time.perf_counter()
    solver.step()
    end = time.perf_counter()
    return losses, {"forward": forward_end - start, "backward": backward_end - forward_end,
                    "solver": end - backward_end, "total": end - start, "cpu": time.process_time() - cpu_start}


losses, first = train()
losses = {name: round(float(loss), 5) for name, loss in losses.items()}
rounds = [train()[1] for _ in range(args.rounds)]
phases = {name: round(1e3 * statistics.median(r[name] for r in rounds), 2) for name in first}
version = torchvision.__version__.split("+")[0].split("a")[0]
print(json.dumps({
    "engine": " ".join(["torchvision", version] + ["with GCT"] * bool(args.gct)
                       + ["channels last"] * args.channels_last),
    "versions": {"torch": torch.__version__, "torchvision": torchvision.__version__},
    "ms": phases.pop("total"), "min_ms": round(1e3 * min(r["total"] for r in rounds), 2),
    "first_ms": round(1e3 * first["total"], 1), "cpu_ms": phases.pop("cpu"),
    "rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    "regions": regions[0], "objects": objects[0],
    "losses": {"objectness": losses["loss_objectness"], "anchor_box": losses["loss_rpn_box_reg"],
               "classes": losses["loss_classifier"], "box": losses["loss_box_reg"], "mask": losses["loss_mask"]},
    "phases": phases}))

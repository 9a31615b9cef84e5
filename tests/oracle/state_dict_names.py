#!/usr/bin/env python3
"""Check the names and shapes of parameters with torchvision's Mask R-CNN models.

    state_dict_names.py [--commit]

tests/detector/state_dict/*.txt say what a model of torchvision has in its
state dict, a line for each array: NAME SIZE SIZE ... The models of
configs/torchvision_*.json must have the same, and tests/detector/
test_config.c checks that. Compares the files with the installed torchvision
(0.14 or later) and exits with status 1 if one differs; --commit writes them.
Weights are not needed.
"""
import sys
from pathlib import Path

from torchvision.models.detection import maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2

FOLDER = Path(__file__).resolve().parent.parent / "detector" / "state_dict"
MODELS = {"torchvision_r50_fpn": maskrcnn_resnet50_fpn, "torchvision_r50_fpn_v2": maskrcnn_resnet50_fpn_v2}


def describe(make):
    model = make(weights=None, weights_backbone=None)
    lines = []
    for name, value in model.state_dict().items():
        # A counter of training steps, which nothing reads.
        if not name.endswith("num_batches_tracked"):
            lines.append(" ".join([name, *map(str, value.shape)]) + "\n")
    return "".join(sorted(lines))


def main():
    differs = False
    for name, make in MODELS.items():
        path = FOLDER / f"{name}.txt"
        text = describe(make)
        if "--commit" in sys.argv[1:]:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        same = path.exists() and path.read_text() == text
        print(f"{name}: {text.count(chr(10))} arrays, {'as in' if same else 'not as in'} {path.name}")
        differs |= not same
    sys.exit(differs)


if __name__ == "__main__":
    main()

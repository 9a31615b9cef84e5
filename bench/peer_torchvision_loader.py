#!/usr/bin/env python3
"""How many training images a second torchvision makes ready, as one line of JSON. For bench/loader,
whose bench/load_images does the same: decoded, mirrored, resized to 800 (1333), normalised, padded
in pairs of like orientation, with boxes and masks.

The data set is that of torchvision's references/detection (coco_utils.py, presets.py), masks drawn
by pycocotools. There, the model resizes and normalises in the training process; here the workers do,
which is faster. They are as many processes as there are threads.
"""
import argparse
import json
import os
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("annotations")
parser.add_argument("folder")
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--seconds", type=float, default=10)
args = parser.parse_args()

import numpy
import torch
import torchvision
from PIL import Image
from pycocotools import coco, mask as coco_mask
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.transforms import functional

GROUP = 2
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def draw(segmentations, height, width):
    """One mask for each object, from its polygons; pixels in any of them."""
    masks = []
    for polygons in segmentations:
        mask = coco_mask.decode(coco_mask.frPyObjects(polygons, height, width))
        masks.append(torch.as_tensor(mask[..., None] if mask.ndim < 3 else mask, dtype=torch.uint8).any(dim=2))
    return torch.stack(masks)


class Images(torch.utils.data.Dataset):
    def __init__(self, set_, folder):
        self.set, self.folder = set_, folder
        self.objects = {}
        for id_ in sorted(set_.imgs):
            usable = [a for a in set_.imgToAnns[id_] if not a.get("iscrowd") and min(a["bbox"][2:]) > 1]
            if usable:
                self.objects[id_] = usable

    def __getitem__(self, id_):
        record, objects = self.set.imgs[id_], self.objects[id_]
        image = Image.open(os.path.join(self.folder, record["file_name"])).convert("RGB")
        width, height = image.size
        boxes = torch.tensor([a["bbox"] for a in objects], dtype=torch.float32)
        boxes[:, 2:] += boxes[:, :2]
        boxes[:, 0::2].clamp_(min=0, max=width)
        boxes[:, 1::2].clamp_(min=0, max=height)
        labels = torch.tensor([a["category_id"] for a in objects])
        masks = draw([a["segmentation"] for a in objects], height, width)
        if torch.rand(1) < 0.5:
            image = functional.hflip(image)
            masks = masks.flip(-1)
            boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
        pixels = functional.convert_image_dtype(functional.pil_to_tensor(image), torch.float)
        return pixels, {"boxes": boxes, "labels": labels, "masks": masks}


class Groups(torch.utils.data.Sampler):
    """Pairs of landscape or of portrait images, epoch after epoch without end."""

    def __init__(self, images):
        imgs = images.set.imgs
        wide = [imgs[i]["width"] >= imgs[i]["height"] for i in images.objects]
        self.parts = [[i for i, is_wide in zip(images.objects, wide) if is_wide == kind] for kind in (True, False)]

    def __iter__(self):
        while True:
            groups = []
            for part in self.parts:
                order = [part[i] for i in torch.randperm(len(part))]
                order += order[:-len(order) % GROUP]
                groups += [order[i:i + GROUP] for i in range(0, len(order), GROUP)]
            yield from (groups[i] for i in torch.randperm(len(groups)))


transform = GeneralizedRCNNTransform(800, 1333, MEAN, STD)


def collate(pairs):
    images, targets = transform([p[0] for p in pairs], [p[1] for p in pairs])
    return images.tensors, images.image_sizes, targets


torch.manual_seed(0)
images = Images(coco.COCO(args.annotations), args.folder)
loader = iter(torch.utils.data.DataLoader(images, batch_sampler=Groups(images), num_workers=args.threads,
                                          collate_fn=collate))
for _ in range(len(images.objects) // GROUP + 1):  # the files come into the system's cache
    next(loader)
count, start = 0, time.perf_counter()
while time.perf_counter() - start < args.seconds:
    count += len(next(loader)[0])
print(json.dumps({"engine": "torchvision", "images_per_second": round(count / (time.perf_counter() - start), 2),
                  "versions": {"torchvision": torchvision.__version__, "numpy": numpy.__version__}}))

#!/usr/bin/env python3
"""Check the sets that gctmask annotate writes with pycocotools.

    annotation_sets.py DIR

DIR is the output of a run with --format coco,coco-results,ndjson,labelme.
pycocotools loads instances.json and results.json; the masks that it decodes,
and their areas and boxes, must be those of annotations.ndjson, whose run
lengths are decoded here from their description, and of labelme's files, read
with Pillow. Exits with status 1 at the first difference. Needs numpy,
pycocotools 2 and Pillow.
"""
import base64
import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO


def decode_counts(counts, height, width):
    """The mask of a string of run lengths: 5 bits a character, differences to the run two before."""
    runs, at = [], 0
    while at < len(counts):
        value, shift, more = 0, 0, True
        while more:
            bits = ord(counts[at]) - 48
            value |= (bits & 31) << shift
            more, shift, at = bits & 32, shift + 5, at + 1
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    assert sum(runs) == height * width, "run lengths that do not fill the image"
    colours = np.arange(len(runs)) % 2
    return np.repeat(colours, runs).reshape(width, height).T.astype(bool)


def labelme_masks(path, height, width):
    for shape in json.loads(path.read_text())["shapes"]:
        (x1, y1), (x2, y2) = shape["points"]
        mask = np.zeros((height, width), bool)
        png = Image.open(io.BytesIO(base64.b64decode(shape["mask"])))
        mask[int(y1):int(y2) + 1, int(x1):int(x2) + 1] = np.asarray(png) > 0
        yield shape["label"], mask


def check_objects(coco, anns, objects, has_area):
    assert len(anns) == len(objects), f"{len(anns)} objects, expected {len(objects)}"
    for ann, (expected, mask) in zip(anns, objects):
        assert (coco.annToMask(ann) == mask).all(), f"another mask: {ann}"
        assert coco.cats[ann["category_id"]]["name"] == expected["class"]
        assert ann["score"] == expected["score"]
        if has_area:
            rle = coco.annToRLE(ann)
            assert ann["area"] == coco_mask.area(rle) == mask.sum() and ann["iscrowd"] == 0
            assert list(coco_mask.toBbox(rle)) == ann["bbox"]
        else:
            assert ann["bbox"] == expected["bbox"]


def check_image(folder, coco, results, line):
    image = json.loads(line)
    height, width = image["height"], image["width"]
    of_image = coco.imgs[image["id"]]
    assert [of_image[k] for k in ("file_name", "height", "width")] == [image["file_name"], height, width]
    objects = [(o, decode_counts(o["segmentation"]["counts"], height, width)) for o in image["objects"]]
    with_pixels = [(o, m) for o, m in objects if m.any()]
    check_objects(coco, coco.imgToAnns[image["id"]], with_pixels, True)
    check_objects(results, results.imgToAnns[image["id"]], objects, False)
    shapes = list(labelme_masks((folder / "labelme" / image["file_name"]).with_suffix(".json"), height, width))
    assert len(shapes) == len(with_pixels)
    for (label, mask), (expected, expected_mask) in zip(shapes, with_pixels):
        assert label == expected["class"] and (mask == expected_mask).all()
    return len(objects)


def main():
    folder = Path(sys.argv[1])
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(folder / "instances.json"))
        results = coco.loadRes(str(folder / "results.json"))
    lines = (folder / "annotations.ndjson").read_text().splitlines()
    assert len(coco.imgs) == len(lines)
    count = sum(check_image(folder, coco, results, line) for line in lines)
    print(f"{len(lines)} images, {count} objects: the same in all")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Write the cases of tests/eval/breakdown and print what tidecv finds in them.

    breakdown_cases.py DIR

DIR/NAME/ann.json and results.json are random small cases; the same seeds always
write the same files. The rows printed are those of tests/eval/test_breakdown.c.
Needs numpy, pycocotools and tidecv 1.0.1 (which wants OpenCV and matplotlib).
"""
import json
import os
import sys

import numpy as np
import pycocotools.mask as mask_api
from tidecv import TIDE, datasets
from tidecv.errors.main_errors import (BackgroundError, BoxError, ClassError, DuplicateError, FalseNegativeError,
                                       FalsePositiveError, MissedError, OtherError)

CATEGORIES = {2: "cat", 3: "dog", 5: "bird", 9: "fish"}  # no object is a fish
CASES = {
    "plain": dict(seed=1, ties=False, crowds=0, images=8, objects=6, extra=3),
    "ties": dict(seed=2, ties=True, crowds=0.1, images=6, objects=6, extra=3),
    "crowds": dict(seed=3, ties=False, crowds=0.4, images=6, objects=6, extra=4),
    "many": dict(seed=4, ties=False, crowds=0.1, images=1, objects=60, extra=80),  # over 100 results
}
ERRORS = [ClassError, BoxError, OtherError, DuplicateError, BackgroundError, MissedError]


def rle_of(points, size):
    rle = mask_api.merge(mask_api.frPyObjects([points.ravel().tolist()], *size))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode()}


def uncompressed(rle):
    pixels = mask_api.decode(rle).ravel(order="F")
    edges = np.flatnonzero(np.diff(pixels)) + 1
    counts = np.diff(np.concatenate([[0], edges, [pixels.size]])).tolist()
    return {"size": rle["size"], "counts": [0] * int(pixels[0]) + counts}


def blob(rng, size):
    corners = int(rng.integers(5, 9))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    centre = rng.uniform([10, 10], [size[1] - 10, size[0] - 10])
    radius = rng.uniform(8, 30) * rng.uniform(0.7, 1, corners)
    return (centre + np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]).round(1)


def box_of(points):
    low, high = points.min(0), points.max(0)
    return [round(float(v), 1) for v in (*low, *(high - low))]


def make_truth(rng, number, image, crowds):
    size = (image["height"], image["width"])
    points = blob(rng, size)
    category, crowd = int(rng.choice([2, 3, 5])), int(rng.random() < crowds)
    rle = rle_of(points, size)
    segmentation = uncompressed(rle) if crowd else [points.ravel().tolist()]
    return points, {"id": number, "image_id": image["id"], "category_id": category, "iscrowd": crowd,
                    "area": float(mask_api.area(rle)), "bbox": box_of(points), "segmentation": segmentation}


def make_case(seed, ties, crowds, images, objects, extra):
    rng = np.random.default_rng(seed)
    image_list = [{"id": i + 1, "height": int(rng.integers(60, 120)), "width": int(rng.integers(60, 120)),
                   "file_name": f"{i + 1}.jpg"} for i in range(images)]
    truths, found = [], []
    for image in image_list:
        here = []
        for _ in range(int(rng.integers(0, objects + 1))):
            points, truth = make_truth(rng, len(truths) + 1, image, crowds)
            truths.append(truth)
            here.append((points, truth["category_id"]))
        for points, category in here:
            for _ in range(int(rng.integers(0, 4))):
                rng.random()
                moved = points + rng.normal(0, rng.choice([0, 1, 3, 8, 15]), 2)
                as_class = category if rng.random() < 0.7 else int(rng.choice([2, 3, 5, 9]))
                found.append((image, moved.round(1), as_class))
        for _ in range(int(rng.integers(0, extra + 1))):
            found.append((image, blob(rng, (image["height"], image["width"])), int(rng.choice([2, 3, 5, 9]))))
    results = []
    for i in rng.permutation(len(found)):
        image, points, category = found[i]
        score = float(rng.choice([0.3, 0.5, 0.7, 0.9])) if ties else round(float(rng.random()), 4)
        results.append({"image_id": image["id"], "category_id": category, "bbox": box_of(points),
                        "segmentation": rle_of(points, (image["height"], image["width"])), "score": score})
    categories = [{"id": i, "name": name} for i, name in CATEGORIES.items()]
    return {"images": image_list, "categories": categories, "annotations": truths}, results


def print_rows(name, truth_path, results_path):
    for mode, kind in ((TIDE.BOX, "IOU_BOX"), (TIDE.MASK, "IOU_MASK")):
        run = TIDE().evaluate(datasets.COCO(truth_path), datasets.COCOResult(results_path), mode=mode)
        deltas, special, counts = run.fix_main_errors(), run.fix_special_errors(), run.count_errors()
        print(f'{{"{name}", {kind}, {run.ap / 100!r}, {{{", ".join(str(counts[e]) for e in ERRORS)}}}, '
              f'{{{", ".join(repr(float(deltas[e]) / 100) for e in ERRORS)}}}, '
              f'{float(special[FalsePositiveError]) / 100!r}, {float(special[FalseNegativeError]) / 100!r}}},')


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, features in CASES.items():
        truth, results = make_case(**features)
        folder = os.path.join(sys.argv[1], name)
        os.makedirs(folder, exist_ok=True)
        paths = os.path.join(folder, "ann.json"), os.path.join(folder, "results.json")
        for path, content in zip(paths, (truth, results)):
            with open(path, "w") as file:
                json.dump(content, file, separators=(",", ":"))
        print_rows(name, *paths)


if __name__ == "__main__":
    main()

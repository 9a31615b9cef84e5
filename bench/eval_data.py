#!/usr/bin/env python3
"""Write the COCO-like ground truths and result files that bench/eval measures.

    eval_data.py DIR

DIR receives ground_truth.json and, for 36k and 500k results, one file with
boxes only, one with masks only (compressed RLE), and one with both, for engines
that refuse a result without a box (there, the mask's own): results_box_36k.json,
results_mask_36k.json and results_both_36k.json. The same seed always writes the
same bytes. Needs numpy and pycocotools.

Every object is a wavy polygon around a centre; a result is such a polygon,
moved and stretched, either at its ground truth or anywhere in an image.
"""
import json
import multiprocessing
import os
import sys

import numpy as np
import pycocotools.mask as mask_api

SEED = 20240917
IMAGES = 5_000
TRUTHS = 36_000
RESULTS = {"36k": 36_000, "500k": 500_000}
CROWD_SHARE = 0.01
GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}  # the ids that COCO skips
CATEGORY_IDS = np.array([i for i in range(1, 91) if i not in GAPS])
IMAGE_SIZES = [(480, 640), (640, 480), (427, 640), (640, 427), (425, 640), (500, 375), (333, 500), (640, 640)]
IMAGE_SHARES = [0.30, 0.12, 0.25, 0.08, 0.12, 0.05, 0.05, 0.03]
# Share of the objects and the square root of their area, in pixels.
SIZE_CLASSES = [(0.42, 5, 32), (0.34, 32, 96), (0.24, 96, 300)]
DRAWN_AREA_SHARE = 0.9  # the wavy outline's area over that of its ellipse's


def outline(seed, centre, side, aspect):
    """A wavy closed outline of 20 to 60 corners, as an array of (x, y)."""
    rng = np.random.default_rng(seed)
    corners = int(rng.integers(20, 61))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radius = 1 + 0.05 * rng.standard_normal(corners)
    for wave in range(2, 6):
        radius += rng.uniform(0, 0.5 / wave) * np.sin(wave * angle + rng.uniform(0, 2 * np.pi))
    radius = np.clip(radius, 0.2, 2) * side / np.sqrt(np.pi * DRAWN_AREA_SHARE)
    xy = np.stack([np.cos(angle) * np.sqrt(aspect), np.sin(angle) / np.sqrt(aspect)], axis=1)
    return centre + radius[:, None] * xy


def clipped(points, height, width):
    return np.clip(points, 0, [width, height])


def rle_of(points, height, width):
    return mask_api.frPyObjects([points.ravel().tolist()], height, width)[0]


def uncompressed(rle):
    """The run lengths of a compressed RLE, starting with the zeros."""
    flat = mask_api.decode(rle).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0] + counts if flat[0] else counts


def truth_json(job):
    """One ground-truth annotation as JSON text."""
    number, image_id, (height, width), category_id, seed, centre, side, aspect, crowd = job
    points = clipped(outline(seed, centre, side, aspect), height, width).round(2)
    rle = rle_of(points, height, width)
    if crowd:  # a group: the object and a shifted copy
        second = rle_of(clipped(points + side / 2, height, width), height, width)
        rle = mask_api.merge([rle, second])
        segmentation = {"counts": uncompressed(rle), "size": [height, width]}
        box = mask_api.toBbox(rle).tolist()
        area = int(mask_api.area(rle))
    else:
        segmentation = [points.ravel().tolist()]
        low, high = points.min(axis=0), points.max(axis=0)
        box = np.concatenate([low, high - low]).round(2).tolist()
        x, y = points.T
        area = round(float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2, 4)
    return json.dumps({"segmentation": segmentation, "area": area, "iscrowd": int(crowd), "image_id": image_id,
                       "bbox": box, "category_id": category_id, "id": number})


def result_json(job):
    """One result as three JSON texts: the box alone, the mask alone, and both."""
    image_id, (height, width), category_id, seed, centre, side, aspect, move, stretch, score = job
    points = (outline(seed, centre, side, aspect) - centre) * stretch + centre + np.multiply(move, side)
    points = clipped(points, height, width)
    low, high = points.min(axis=0), points.max(axis=0)
    # Detectors compute in 32 bits and print the value as a 64-bit number.
    box = np.concatenate([low, high - low]).astype(np.float32).tolist()
    rle = rle_of(points, height, width)
    head = {"image_id": image_id, "category_id": category_id}
    mask = {"segmentation": {"size": rle["size"], "counts": rle["counts"].decode()}}
    mask_box = {"bbox": mask_api.toBbox(rle).astype(int).tolist()}
    return [json.dumps({**head, **shape, "score": score})
            for shape in ({"bbox": box}, mask, {**mask_box, **mask})]


def make_truths(rng):
    """Images and ground-truth jobs, most categories rare and one very common."""
    sizes = [IMAGE_SIZES[i] for i in rng.choice(len(IMAGE_SIZES), IMAGES, p=IMAGE_SHARES)]
    image_ids = np.sort(rng.choice(581_929, IMAGES, replace=False) + 1).tolist()
    weight = rng.exponential(1, IMAGES) + 0.05
    weight[rng.random(IMAGES) < 0.01] = 0  # images without objects
    image = np.sort(rng.choice(IMAGES, TRUTHS, p=weight / weight.sum()))
    shares = 1 / (np.arange(len(CATEGORY_IDS)) + 3.0)
    shares[0] += 0.25 * shares.sum()
    category = rng.choice(CATEGORY_IDS, TRUTHS, p=shares / shares.sum())
    size_class = rng.choice(3, TRUTHS, p=[share for share, _, _ in SIZE_CLASSES])
    low, high = np.array([(low, high) for _, low, high in SIZE_CLASSES])[size_class].T
    side = np.exp(rng.uniform(np.log(low), np.log(high)))
    crowd = (rng.random(TRUTHS) < CROWD_SHARE) & (side > 32)
    crowd |= rng.random(TRUTHS) < CROWD_SHARE * 0.4
    jobs = []
    for k in range(TRUTHS):
        height, width = sizes[image[k]]
        margin = min(side[k] / 2, min(height, width) / 2)
        centre = (rng.uniform(margin, width - margin), rng.uniform(margin, height - margin))
        jobs.append((k + 1, image_ids[image[k]], (height, width), int(category[k]), SEED + k, centre,
                     float(side[k]), float(np.exp(rng.normal(0, 0.4))), bool(crowd[k])))
    return image_ids, sizes, jobs


def make_results(rng, image_ids, sizes, truths, count):
    """Result jobs: `count / IMAGES` per image on average, exactly so for the big set."""
    by_image = {image_id: [] for image_id in image_ids}
    for truth in truths:
        by_image[truth[1]].append(truth)
    per_image = np.full(IMAGES, count // IMAGES)
    per_image[: count - per_image.sum()] += 1
    if count < 20 * IMAGES:  # a thresholded detector reports more where there is more
        present = np.array([len(by_image[i]) for i in image_ids]) + 0.5
        per_image = np.bincount(rng.choice(IMAGES, count, p=present / present.sum()), minlength=IMAGES)
    jobs = []
    for image_id, size, number in zip(image_ids, sizes, per_image.tolist()):
        here = by_image[image_id]
        order = rng.permutation(len(here))
        for k in range(number):
            found = k < len(here) and rng.random() < 0.85
            near = here and (found or rng.random() < 0.3)
            source = here[order[k]] if found else here[rng.integers(len(here))] if near else truths[
                rng.integers(TRUTHS)]
            _, _, _, category_id, seed, centre, side, aspect, _ = source
            spread = 0.06 if found else 0.25
            if not near:
                centre = (rng.uniform(0, size[1]), rng.uniform(0, size[0]))
                seed += int(rng.integers(1 << 30))
            if rng.random() < (0.05 if found else 0.4):
                category_id = int(CATEGORY_IDS[rng.integers(len(CATEGORY_IDS))])
            score = rng.beta(4, 2) if found else rng.beta(1, 8)
            jobs.append((image_id, size, category_id, seed, centre, side, aspect,
                         rng.normal(0, spread, 2).tolist(), np.exp(rng.normal(0, spread, 2)).tolist(),
                         float(np.float32(score))))
    return jobs


def write_list(path, texts, head="[", tail="]"):
    with open(path + ".part", "w") as out:
        out.write(head + ", ".join(texts) + tail)
    os.replace(path + ".part", path)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(SEED)
    image_ids, sizes, truths = make_truths(rng)
    images = [{"id": i, "file_name": f"{i:012d}.jpg", "height": h, "width": w}
              for i, (h, w) in zip(image_ids, sizes)]
    categories = [{"id": int(i), "name": f"category {i}", "supercategory": "thing"} for i in CATEGORY_IDS]
    head = json.dumps({"info": {}, "licenses": [], "images": images, "categories": categories})
    with multiprocessing.Pool() as pool:
        write_list(f"{folder}/ground_truth.json", pool.map(truth_json, truths, 200),
                   head[:-1] + ', "annotations": [', "]}")
        for label, count in RESULTS.items():
            jobs = make_results(rng, image_ids, sizes, truths, count)
            for kind, texts in zip(("box", "mask", "both"), zip(*pool.map(result_json, jobs, 500))):
                write_list(f"{folder}/results_{kind}_{label}.json", texts)


if __name__ == "__main__":
    main(sys.argv[1])

#!/usr/bin/env python3
"""Print tests/detector/mask_target_cases.h: polygons, regions and the masks inside them that
detectron2's rule gives (structures/masks.py, rasterize_polygons_within_box), drawn by pycocotools.

    mask_targets.py >tests/detector/mask_target_cases.h

Needs numpy and pycocotools.
"""
import numpy as np
import pycocotools.mask as mask_api


def target(polygons, box, size):
    """The region's mask: polygons are moved to the region and scaled to size pixels each way."""
    low, high = box[:2], box[2:]
    scale = size / np.maximum((high - low).astype(np.float64), 0.1)  # sides are float32 differences
    placed = [((p.reshape(-1, 2) - low.astype(np.float64)) * scale).ravel().tolist() for p in polygons]
    return mask_api.merge(mask_api.frPyObjects(placed, size, size))["counts"].decode()


def star(rng, centre, reach):
    corners = int(rng.integers(3, 12))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radius = reach * rng.uniform(0.2, 1, (corners, 1))
    return (centre + radius * np.stack([np.cos(angle), np.sin(angle)], 1)).round(2).ravel()


def cases():
    rng = np.random.default_rng(1)
    for i in range(24):
        centre = rng.uniform(100, 700, 2)
        reach = rng.uniform(4, 90)
        parts = [star(rng, centre + rng.normal(0, reach / 2, 2), reach) for _ in range(1 + i % 3)]
        corners = np.concatenate(parts).reshape(-1, 2)
        box = np.concatenate([corners.min(0), corners.max(0)])
        box += rng.normal(0, reach / 6, 4)
        if i == 20:
            box[2] = box[0] + 0.04  # narrower than the least width
        if i == 21:
            box[2:] = box[:2] + 30  # equal sides
        if i == 22:
            box += 400  # elsewhere
        yield parts, box.astype(np.float32), (28, 14, 28, 56)[i % 4]


def numbers(values):
    return ", ".join(repr(float(v)) for v in values)


def main():
    print("// Written by tests/oracle/mask_targets.py: polygons, regions, and masks as COCO's strings.")
    print("static const struct mask_target_case CASES[] = {")
    for parts, box, size in cases():
        print(f"    {{{size},\n     {{{', '.join(repr(float(v)) + 'f' for v in box)}}},\n     {len(parts)},")
        print(f"     {{{', '.join(str(len(p) // 2) for p in parts)}}},")
        print(f"     {{{numbers(np.concatenate(parts))}}},")
        string = target(parts, box, size).replace("\\", "\\\\").replace("?", "\\?")  # no trigraphs
        print(f'     "{string}"}},')
    print("};")


main()

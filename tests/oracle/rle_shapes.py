#!/usr/bin/env python3
"""Check a dump of run-length encodings from build/tests/rle_dump with pycocotools.

    build/tests/rle_dump | rle_shapes.py

Every line of the dump is a JSON object: a shape and what the C code made of it.

    {"kind": "polygon", "h", "w", "polygons": [[x, y, ...], ...], "counts", "area", "bbox"}
    {"kind": "mask", "h", "w", "rows": "0110...", "counts", "area", "bbox"}
    {"kind": "iou", "size": [h, w], "dt", "gt", "iscrowd", "iou", "merge_or", "merge_and"}

"counts", "dt", "gt" and "merge_*" are compressed RLE strings. The values must
equal those of pycocotools exactly. Prints the first mismatches, their number,
and the SHA-256 of the dump; exits with status 1 on a mismatch, on a line that
is not understood and on an empty dump. Needs numpy and pycocotools 2.0.11.
"""
import hashlib
import json
import multiprocessing
import sys
from itertools import islice

import numpy as np
import pycocotools.mask as mask_api

BATCH = 4096  # lines in memory at a time
SHOWN = 10  # mismatches


def rle(counts, height, width):
    return {"size": [height, width], "counts": counts.encode()}


def described(counts, height, width):
    """Counts, area and box as the dump writes them."""
    encoded = rle(counts, height, width)
    return {"counts": counts, "area": int(mask_api.area(encoded)), "bbox": mask_api.toBbox(encoded).tolist()}


def polygon(line):
    height, width = line["h"], line["w"]
    # One by one: pycocotools takes a first polygon of four numbers for a box.
    parts = [mask_api.frPyObjects([points], height, width)[0] for points in line["polygons"]]
    return described(mask_api.merge(parts)["counts"].decode(), height, width)


def pixels(line):
    height, width = line["h"], line["w"]
    rows = (np.frombuffer(line["rows"].encode(), np.uint8) - ord("0")).reshape(height, width)
    wanted = described(mask_api.encode(np.asfortranarray(rows))["counts"].decode(), height, width)
    if not np.array_equal(mask_api.decode(rle(line["counts"], height, width)), rows):
        wanted["counts"] += " (and the dump's counts decode to other pixels)"
    return wanted


def pair(line):
    found, truth = rle(line["dt"], *line["size"]), rle(line["gt"], *line["size"])
    return {
        "iou": float(mask_api.iou([found], [truth], [line["iscrowd"]])[0, 0]),
        "merge_or": mask_api.merge([found, truth])["counts"].decode(),
        "merge_and": mask_api.merge([found, truth], intersect=True)["counts"].decode(),
    }


KINDS = {"polygon": polygon, "mask": pixels, "iou": pair}


def check(numbered):
    """What is wrong with one line, or None."""
    number, text = numbered
    try:
        line = json.loads(text)
        wanted = KINDS[line["kind"]](line)
        wrong = {key: (value, line[key]) for key, value in wanted.items() if line[key] != value}
    except Exception as error:  # the dump is at fault, whatever is raised
        return f"line {number}: {error!r}"
    if wrong:
        return f"line {number}, {line['kind']}: " + "; ".join(
            f"{key}: expected {want!r}, got {got!r}" for key, (want, got) in wrong.items())
    return None


def main():
    digest = hashlib.sha256()
    lines = mismatches = 0
    with multiprocessing.Pool() as pool:
        while batch := list(islice(sys.stdin.buffer, BATCH)):
            digest.update(b"".join(batch))
            for problem in filter(None, pool.map(check, enumerate(batch, lines + 1), BATCH // 32)):
                mismatches += 1
                if mismatches <= SHOWN:
                    print(problem)
            lines += len(batch)
    print(f"{mismatches} mismatches in {lines} lines")
    print(f"SHA-256 {digest.hexdigest()}")
    sys.exit(0 if lines and not mismatches else 1)


if __name__ == "__main__":
    main()

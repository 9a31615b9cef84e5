#!/usr/bin/env python3
"""Compare `gctmask eval` with pycocotools on random small cases.

    eval_cases.py [--count N] [--seed S] [--gctmask PATH] [--keep DIR]
    eval_cases.py --commit DIR

The first form makes N cases from the seeds S, S + 1, ..., evaluates each with
both programs and compares the 12 numbers of both IoU kinds and every class's
AP to 1e-9. It prints the folder of the first case that differs and exits with
status 1. The second form writes the named cases below, with what pycocotools
says of them, for the tests that have no Python: DIR/NAME/{ann,results,
expected}.json. Needs numpy and pycocotools 2.0.11.
"""
import argparse
import contextlib
import functools
import io
import itertools
import json
import multiprocessing
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from eval_case_maker import FEATURES, make_case

ROOT = Path(__file__).resolve().parent.parent.parent
KINDS = {"box": "bbox", "mask": "segm"}
NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
TOLERANCE = 1e-9
COMMITTED = {  # name: the features that the case must have
    "boxes": dict(layout="box"),
    "masks": dict(layout="mask"),
    "boxes_and_masks": dict(layout="both"),
    "first_has_box_only": dict(layout="box_then_both"),
    "first_has_mask_only": dict(layout="mask_then_both"),
    "tied_scores": dict(layout="both", ties=True),
    "crowds": dict(layout="mask", crowds=0.4),
    "area_edges": dict(layout="box", edges=True),
    "over_100_results": dict(layout="mask", results="over_100", ties=True),
    "no_results": dict(results="none"),
    "no_truths": dict(truths="none"),
    "annotation_id_zero": dict(zero_id=True, ignore_keys=True),
    "max_dets": dict(layout="box", max_dets=True, max_dets_are=[2, 20, 100], results="over_100"),
    "max_dets_without_100": dict(layout="box", max_dets=True, max_dets_are=[110, 1, 5], results="over_100"),
    "thresholds_and_areas": dict(iou_thresholds=True, areas=True),
    "classes_and_images": dict(classes=True, images=True),
}
PLAIN = dict(results="some", truths="some", **dict.fromkeys(FEATURES, False), crowds=0.0)


def set_parameters(parameters, arguments):
    """Give the command's arguments to pycocotools."""
    for option, text in zip(arguments[::2], arguments[1::2]):
        values = text.split(",")
        if option == "--max-dets":
            parameters.maxDets = [int(value) for value in values]
        elif option == "--iou-thresholds":
            parameters.iouThrs = np.array([float(value) for value in values])
        elif option == "--areas":
            named = [value.split("=") for value in values]
            parameters.areaRngLbl = [name for name, _ in named]
            parameters.areaRng = [[float(bound) for bound in bounds.split(":")] for _, bounds in named]
        elif option == "--classes":
            parameters.catIds = [int(value) for value in values]
        elif option == "--images":
            parameters.imgIds = [int(value) for value in values]


def evaluate(kind, annotations, results, arguments):
    """What pycocotools says: the 12 numbers and each class's AP."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth, found = COCO(), COCO()
        truth.dataset = json.loads(json.dumps(annotations))  # it changes what it is given
        truth.createIndex()
        if results:
            found = truth.loadRes(json.loads(json.dumps(results)))
        else:  # loadRes fails on an empty list
            found.dataset = {**truth.dataset, "annotations": []}
            found.createIndex()
        evaluation = COCOeval(truth, found, KINDS[kind])
        set_parameters(evaluation.params, arguments)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    per_class = []
    for k, category_id in enumerate(evaluation.params.catIds):
        values = evaluation.eval["precision"][:, :, k, 0, -1]
        values = values[values > -1]
        per_class.append({"id": int(category_id), "AP": float(values.mean()) if values.size else -1.0})
    return {**dict(zip(NAMES, map(float, evaluation.stats))), "per_class": per_class}


def write_case(folder, annotations, results, expected):
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in (("ann", annotations), ("results", results), ("expected", expected)):
        (folder / f"{name}.json").write_text(json.dumps(document) + "\n")


def expect(annotations, results, arguments):
    return {"arguments": arguments, **{kind: evaluate(kind, annotations, results, arguments) for kind in KINDS}}


def informative(expected):
    """True if a mistake in the program would likely change these numbers."""
    boxes, masks = expected["box"], expected["mask"]
    sizes = [boxes[name] for name in ("APs", "APm", "APl")]
    return (len(boxes["per_class"]) > 1 and boxes != masks and sum(size > 0 for size in sizes) > 1
            and all(0.02 < numbers[name] < 0.98 for numbers in (boxes, masks) for name in ("AP50", "AR100")))


def commit(folder):
    """Write, for each name, the first case that has its features and is informative."""
    for name, features in COMMITTED.items():
        for seed in itertools.count(1):
            case = make_case(seed, {**PLAIN, **features})
            expected = expect(*case)
            if name in ("no_results", "no_truths") or informative(expected):
                break
        write_case(folder / name, *case[:2], expected)


def differences(expected, actual):
    """Lines that name every number which differs."""
    found = []
    for kind in KINDS:
        ours, theirs = actual[kind], expected[kind]
        pairs = [(name, theirs[name], ours[name]) for name in NAMES]
        classes = {entry["id"]: entry["AP"] for entry in ours["per_class"]}
        pairs += [(f"AP of class {e['id']}", e["AP"], classes.pop(e["id"], "missing")) for e in theirs["per_class"]]
        pairs += [(f"AP of class {i}", "missing", value) for i, value in classes.items()]
        for name, want, got in pairs:
            got = -1.0 if got is None else got
            if "missing" in (want, got) or not abs(want - got) <= TOLERANCE:
                found.append(f"{kind} {name}: expected {want}, got {got}")
    return found


def check(seed, gctmask, keep):
    """The case's folder and how it differs, if it does."""
    case = make_case(seed)
    expected = expect(*case)
    folder = Path(keep) / f"case_{seed}"
    write_case(folder, *case[:2], expected)
    command = [gctmask, "eval", "--ann", folder / "ann.json", "--results", folder / "results.json",
               "--iou", "box,mask", "--json", *case[2]]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        return folder, [f"status {run.returncode}: {run.stderr.strip()}"]
    try:
        return folder, differences(expected, json.loads(run.stdout))
    except (ValueError, KeyError, TypeError) as error:
        return folder, [f"unusable output: {error!r}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gctmask", default=ROOT / "build" / "tools" / "gctmask")
    parser.add_argument("--keep", help="folder for the cases (else a temporary one, kept on failure)")
    parser.add_argument("--commit", type=Path, help="write the named cases here instead")
    options = parser.parse_args()
    if options.commit:
        commit(options.commit)
        return
    keep = options.keep or tempfile.mkdtemp(prefix="eval_cases_")
    run = functools.partial(check, gctmask=options.gctmask, keep=keep)
    with multiprocessing.Pool() as pool:
        for folder, problems in pool.imap(run, range(options.seed, options.seed + options.count), 4):
            if problems:
                sys.exit("\n".join([f"first failing case: {folder}", *problems]))
    print(f"{options.count} cases agree")


if __name__ == "__main__":
    main()

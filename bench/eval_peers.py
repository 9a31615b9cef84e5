#!/usr/bin/env python3
"""Evaluate one results file with one engine, from the files to the 12 numbers.

    eval_peers.py ENGINE GROUND_TRUTH RESULTS box|mask THREADS

Prints a JSON object on the last line: "stats", the 12 COCO numbers, and
"inner", the seconds from after the imports to the numbers. Each engine is
called by its fastest documented route from files. The packages hotcoco and
vernier hold a library and no native program, so all engines run in Python,
and each imports only what it needs.
"""
import contextlib
import io
import json
import os
import sys
import time

IOU_TYPE = {"box": "bbox", "mask": "segm"}


def cocoeval(coco_class, eval_class, truth, results, kind, **options):
    """The calls that pycocotools made and others copied."""
    ground = coco_class(truth)
    evaluation = eval_class(ground, ground.loadRes(results), IOU_TYPE[kind], **options)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats


def pycocotools(truth, results, kind, threads):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return lambda: cocoeval(COCO, COCOeval, truth, results, kind)


def faster_coco_eval(truth, results, kind, threads):
    from faster_coco_eval import COCO, COCOeval_faster

    return lambda: cocoeval(COCO, COCOeval_faster, truth, results, kind, rle_iou_max_workers=threads)


def hotcoco(truth, results, kind, threads):
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    from hotcoco import COCO, COCOeval

    def run():
        ground = COCO(truth)
        evaluation = COCOeval(ground, ground.load_res(results), IOU_TYPE[kind])
        evaluation.run()
        return evaluation.stats

    return run


def vernier(truth, results, kind, threads):
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    from vernier.instance import Bbox, Evaluator, Segm

    def run():
        # Strict mode reproduces pycocotools' numbers.
        evaluator = Evaluator(iou=Bbox() if kind == "box" else Segm(), parity_mode="strict")
        with open(truth, "rb") as ground, open(results, "rb") as found:
            return evaluator.evaluate(ground.read(), found.read(), num_threads=threads).stats

    return run


ENGINES = {engine.__name__: engine for engine in (pycocotools, faster_coco_eval, hotcoco, vernier)}


def main(engine, truth, results, kind, threads):
    run = ENGINES[engine](truth, results, kind, int(threads))
    begin = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        stats = [float(value) for value in run()]
    print("\n" + json.dumps({"stats": stats[:12], "inner": time.perf_counter() - begin}), flush=True)
    os._exit(0)  # no engine is charged for tearing its objects down


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What the programs of bench/peers share: arguments, the photo, the clock, the line of JSON."""
import argparse
import json
import os
import resource
import statistics
import time

STARTED = time.perf_counter()


def arguments(description):
    """A parser with what every program takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("photo")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    return parser


def read_photo(path):
    """Channels first, float32 from 0 to 1: what all of them are given."""
    import numpy as np
    from PIL import Image
    pixels = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def measure(detect, rounds, engine, versions):
    """Times detect(), which returns the scores and as many masks of the photo's size."""
    scores, masks = detect()
    first = time.perf_counter() - STARTED
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        scores, masks = detect()
        times.append(time.perf_counter() - start)
    print(json.dumps({
        "engine": engine, "versions": versions, "ms": round(1e3 * statistics.median(times), 2),
        "min_ms": round(1e3 * min(times), 2), "first_ms": round(1e3 * first, 1),
        "rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "detections": len(scores), "masks": list(masks.shape),
        "best": [round(float(s), 5) for s in scores[:3]]}))

"""Random small evaluation cases: annotations, results, command arguments.

make_case(seed) draws every feature of a case by itself; make_case(seed, forced)
sets some of them by name. Module of eval_cases.py.
"""
import numpy as np
import pycocotools.mask as mask_api

LAYOUTS = ["box", "mask", "both", "box_then_both", "mask_then_both"]  # which keys the results have
FEATURES = ["ties", "edges", "ignore_keys", "zero_id", "max_dets", "iou_thresholds", "areas", "classes", "images"]
EDGE_AREAS = [1024, 9216, 1024.0, 9216.0, 1023.9999999, 1024.0000001, 9215.9999999, 9216.0000001]
EDGE_SIDES = [(32, 32), (16, 64), (64, 16), (96, 96), (72, 128), (31, 33), (95, 97)]


class Chooser:
    """Seeded choices, each of which a caller may force by name."""

    def __init__(self, seed, forced):
        self.rng = np.random.default_rng(seed)
        self.forced = forced

    def flag(self, name, share):
        drawn = self.rng.random() < share
        return self.forced.get(name, drawn)

    def one_of(self, name, options, shares=None):
        drawn = options[self.rng.choice(len(options), p=shares)]
        return self.forced.get(name, drawn)

    def item(self, options):
        return options[self.rng.integers(len(options))]

    def subset(self, options):
        size = int(self.rng.integers(1, len(options) + 1))
        return [options[i] for i in self.rng.permutation(len(options))[:size]]


def random_polygon(choose, height, width, edges):
    """A box on whole pixels or a blob, possibly beyond the image, as (x, y) rows."""
    rng = choose.rng
    if edges or rng.random() < 0.4:
        w, h = choose.item(EDGE_SIDES) if edges else rng.choice([0, 1, 8, 10, 16, 20, 40], 2)
        x, y = rng.integers(-2, max(width - w, 1) + 2), rng.integers(-2, max(height - h, 1) + 2)
        return np.array([[x, y], [x, y + h], [x + w, y + h], [x + w, y]], dtype=float)
    angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 16)))
    radius = rng.uniform(0.5, 1, len(angle)) * rng.choice([3, 12, 40])
    centre = rng.uniform(0, [width, height])
    points = centre + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return points.round(int(rng.integers(0, 4)))


def box_of(polygons):
    points = np.concatenate(polygons)
    low, high = points.min(axis=0), points.max(axis=0)
    return [*low.tolist(), *(high - low).tolist()]


def flat(polygons):
    return [polygon.ravel().tolist() for polygon in polygons]


def rle_of(polygons, size):
    rle = mask_api.merge(mask_api.frPyObjects(flat(polygons), *size))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode()}


def uncompressed(rle):
    pixels = mask_api.decode(rle).ravel(order="F")
    edges = np.flatnonzero(np.diff(pixels)) + 1
    counts = np.diff(np.concatenate([[0], edges, [pixels.size]])).tolist()
    return {"size": rle["size"], "counts": [0] * int(pixels[0]) + counts}


def segmentation_of(choose, polygons, size, shares):
    """Polygons, compressed RLE or run lengths, with these shares."""
    form = choose.rng.choice(3, p=shares)
    rle = rle_of(polygons, size)
    return flat(polygons) if form == 0 else rle if form == 1 else uncompressed(rle)


def make_truth(choose, number, image, categories, features):
    rng, size = choose.rng, (image["height"], image["width"])
    parts = int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1]))
    polygons = [random_polygon(choose, *size, features["edges"]) for _ in range(parts)]
    crowd = rng.random() < features["crowds"]
    area = float(mask_api.area(rle_of(polygons, size)))
    if features["edges"] or rng.random() < 0.1:
        area = choose.item(EDGE_AREAS)
    elif rng.random() < 0.2:  # the annotation's area counts, not the mask's
        area = round(float(rng.uniform(0, 12000)), 3)
    truth = {"id": number, "image_id": image["id"], "category_id": choose.item(categories), "iscrowd": int(crowd),
             "area": area, "bbox": box_of(polygons),
             "segmentation": segmentation_of(choose, polygons, size, [0.1, 0.4, 0.5] if crowd else [0.8, 0.1, 0.1])}
    if features["ignore_keys"] and rng.random() < 0.5:
        truth["ignore"] = int(rng.integers(2))  # pycocotools overwrites it
    return truth, polygons


def make_result(choose, image, source, has_box, has_mask, any_form, categories, features):
    rng, size = choose.rng, (image["height"], image["width"])
    truth, polygons = source or (None, [random_polygon(choose, *size, features["edges"])])
    if truth:  # near its ground truth, some exactly on it
        shift = rng.choice([0, 0, 1, 2, 4, 10]) * rng.standard_normal(2).round(int(rng.integers(0, 3)))
        polygons = [polygon + shift for polygon in polygons]
    category = truth["category_id"] if truth and rng.random() < 0.9 else choose.item(categories + [7777])
    score = choose.item([0.25, 0.5, 0.5, 1, 0]) if features["ties"] else float(rng.random())
    result = {"image_id": image["id"], "category_id": category}
    if has_box:
        result["bbox"] = box_of(polygons)
    if has_mask:
        form = [0.1, 0.8, 0.1] if any_form else [0, 1, 0]
        result["segmentation"] = segmentation_of(choose, polygons, size, form)
    return {**result, "score": score}


def make_results(choose, images, truths, categories, features):
    rng, layout = choose.rng, features["layout"]
    count = {"none": 0, "some": int(rng.integers(1, 40)), "over_100": int(rng.integers(130, 170))}[features["results"]]
    results = []
    for number in range(count):
        image = choose.item(images)
        if truths and rng.random() < 0.8:
            wanted = choose.item(truths)[0]["image_id"]
            image = next(image for image in images if image["id"] == wanted)
        here = [source for source in truths if source[0]["image_id"] == image["id"]]
        crowded = features["results"] == "over_100" and truths and rng.random() < 0.95
        if crowded:  # most of the results are near one object
            here = truths[:1]
            image = next(image for image in images if image["id"] == truths[0][0]["image_id"])
        source = choose.item(here) if here and (crowded or rng.random() < 0.8) else None
        first = number == 0
        more = not first and layout.endswith("_then_both") and rng.random() < 0.5
        has_box = more or layout in ("box", "both", "box_then_both")
        has_mask = more or layout in ("mask", "both", "mask_then_both")
        # With masks first, pycocotools takes compressed RLE only.
        any_form = layout in ("both", "box_then_both")
        results.append(make_result(choose, image, source, has_box, has_mask, any_form, categories, features))
    return results


def make_arguments(choose, images, categories):
    rng, arguments = choose.rng, []
    if choose.flag("max_dets", 0.15):  # AP is over 100 results, so -1 where that is missing
        chosen = choose.one_of("max_dets_are", [[1, 10, 100], [1, 5, 100], [2, 3, 4], [1, 10, 200], [100, 10, 1]])
        arguments += ["--max-dets", ",".join(map(str, chosen))]
    if choose.flag("iou_thresholds", 0.15):
        chosen = choose.item([[0.5, 0.75], [0.5], [0.75], [0.3, 0.6, 0.9], [0.5, 1.0], [0.95, 0.5]])
        arguments += ["--iou-thresholds", ",".join(map(str, chosen))]
    if choose.flag("areas", 0.15):
        low, high = sorted(rng.choice([16, 64, 100, 400, 1024, 2500.5, 9216], 2, replace=False).tolist())
        arguments += ["--areas", f"all=0:1e10,small=0:{low},medium={low}:{high},large={high}:1e10"]
    if choose.flag("classes", 0.15):
        arguments += ["--classes", ",".join(map(str, choose.subset(categories)))]
    if choose.flag("images", 0.15):
        arguments += ["--images", ",".join(str(image["id"]) for image in choose.subset(images))]
    return arguments


def make_case(seed, forced=None):
    """A case: annotations, results, arguments."""
    choose = Chooser(seed, forced or {})
    rng = choose.rng
    features = {
        "layout": choose.one_of("layout", LAYOUTS),
        "results": choose.one_of("results", ["some", "over_100", "none"], [0.87, 0.1, 0.03]),
        "truths": choose.one_of("truths", ["some", "none"], [0.97, 0.03]),
        "ties": choose.flag("ties", 0.4),
        "crowds": choose.one_of("crowds", [0.0, 0.3], [0.5, 0.5]),
        "edges": choose.flag("edges", 0.2),
        "ignore_keys": choose.flag("ignore_keys", 0.2),
    }
    low = 150 if features["edges"] else 20
    images = [{"id": int(i), "height": int(rng.integers(low, 200)), "width": int(rng.integers(low, 200))}
              for i in rng.choice(1000, rng.integers(1, 9), replace=False)]
    categories = [int(i) for i in rng.choice(200, rng.integers(1, 6), replace=False)]
    if rng.random() < 0.3:
        categories[0] = 0
        categories = list(dict.fromkeys(categories))
    count = int(rng.integers(1, 20)) if features["truths"] == "some" else 0
    start = 0 if choose.flag("zero_id", 0.2) else 1
    numbers = (start + np.arange(count) * int(rng.integers(1, 4))).tolist()
    used = choose.subset(categories)  # the others have no ground truth
    busy = choose.subset(images)
    truths = [make_truth(choose, number, choose.item(busy), used, features) for number in numbers]
    annotations = {"images": images, "annotations": [truth for truth, _ in truths],
                   "categories": [{"id": i, "name": f"class {i}"} for i in categories]}
    return annotations, make_results(choose, images, truths, categories, features), make_arguments(
        choose, images, categories)

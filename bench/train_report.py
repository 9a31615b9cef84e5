#!/usr/bin/env python3
"""Prints the results of bench/train as Markdown.

    train_report.py [RESULTS]
"""
import json
import statistics
import sys
from pathlib import Path

import turns

# Relative differences of the first step's losses beside ours. Anchors that are objects are all taken;
# which other regions are is chance, so that those losses only come near.
SAME = {"anchor_box": 0.01, "classes": 0.05}


def median(lines, key):
    return statistics.median(line[key] for line in lines)


def phase(lines, name):
    return statistics.median(line["phases"][name] for line in lines)


def counterpart(name):
    return "gctmask with GCT" if "GCT" in name else "gctmask"


def is_peer(name):
    return not name.startswith("gctmask")


def differs(line, ours):
    """Why a run does not train on what ours trains on; empty if it does."""
    parts = [f"{key} {line[key]} instead of {ours[key]}" for key in ("regions", "objects") if line[key] != ours[key]]
    for key, tolerance in SAME.items():
        a, b = line["losses"][key], ours["losses"][key]
        if abs(a - b) > tolerance * abs(b):
            parts.append(f"loss {key} {a} instead of {b}")
    return ", ".join(parts)


def write_engines(runs):
    print("| engine | version | median ms (of each run) | forward | backward | solver | first | processors' ms "
          "| peak MiB | gctmask takes | of their time | of its memory |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name in sorted(runs, key=lambda name: median(runs[name], "ms")):
        lines, ours = runs[name], runs.get(counterpart(name))
        versions = ", ".join(f"{k} {v}" for k, v in lines[0].get("versions", {}).items())
        shares = " | | "
        if is_peer(name) and ours:
            shares = " | ".join(f"{median(ours, key) / median(lines, key):.2f}" for key in ("ms", "cpu_ms", "rss_mib"))
        each = ", ".join("%.0f" % line["ms"] for line in lines)
        print(f"| {name} | {versions} | {median(lines, 'ms'):.0f} ({each}) | "
              + " | ".join(f"{phase(lines, p):.0f}" for p in ("forward", "backward", "solver"))
              + f" | {median(lines, 'first_ms'):.0f} | {median(lines, 'cpu_ms'):.0f} | {median(lines, 'rss_mib'):.0f} | {shares} |")


def write_ratios(runs):
    """Beside the strongest peer: the fastest, and the one that needs least memory."""
    print()
    for name in ("gctmask", "gctmask with GCT"):
        peers = [lines for peer, lines in runs.items() if is_peer(peer) and counterpart(peer) == name]
        if name not in runs or not peers:
            continue
        for what, key in (("time", "ms"), ("processors' time", "cpu_ms"), ("peak memory", "rss_mib")):
            least = min(median(lines, key) for lines in peers)
            print(f"- {name}: {median(runs[name], key) / least:.2f} of the least {what} of a peer")
    for plain, gated in (("gctmask", "gctmask with GCT"), ("torchvision", "torchvision with GCT")):
        if plain in runs and gated in runs:
            print(f"- GCT costs {plain} {median(runs[gated], 'ms') / median(runs[plain], 'ms') - 1:.1%} of the time")


def write(document):
    cases = document["cases"]
    print(turns.in_words(document, [line for c in cases.values() for lines in c["runs"].values() for line in lines]))
    wrong = []
    for case, results in cases.items():
        runs = results["runs"]
        width, height, images = case.split("x")
        print(f"\nA training step of {images} image{'s' * (images != '1')} of {width} x {height}:\n")
        write_engines(runs)
        write_ratios(runs)
        for name, failure in results["failures"].items():
            print(f"\nNot measured: {name}: {failure}")
        for name, lines in runs.items():
            difference = differs(lines[0], runs[counterpart(name)][0]) if counterpart(name) in runs else ""
            wrong += [f"{case}, {name}: {difference}"] if difference else []
    if wrong:
        sys.exit("not the same training as gctmask's: " + "; ".join(wrong))


if __name__ == "__main__":
    default = Path(__file__).resolve().parent / "results" / "train.json"
    write(json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else default).read_text()))

#!/usr/bin/env python3
"""Prints the results of bench/peers as Markdown.

    peers_report.py [RESULTS]
"""
import json
import statistics
import sys
from pathlib import Path

import turns

# float32 engines find the same; sums in another order move scores by less than this.
SAME = 2e-4
PARTS = {"backbone": ["body"], "FPN": ["fpn"], "RPN": ["rpn head", "proposals"], "box head": ["box pool", "box head"],
         "mask head": ["masks"], "all, with preprocessing and pasting": ["total"]}


def median(lines, key):
    return statistics.median(line[key] for line in lines)


def largest_difference(line, ours):
    return max(abs(a - b) for a, b in zip(line["best"], ours["best"]))


def write_engines(runs):
    ours = median(runs["gctmask"], "ms")
    rounded = median(runs["gctmask bf16"], "ms") if "gctmask bf16" in runs else float("nan")
    print("| engine | version | median ms (of each run) | first ms | peak MiB | gctmask takes | gctmask bf16 takes "
          "| best scores differ by |")
    print("|---|---|---|---|---|---|---|---|")
    for name in sorted(runs, key=lambda name: median(runs[name], "ms")):
        lines = runs[name]
        difference = "-" if "GCT" in name else f"{largest_difference(lines[0], runs['gctmask'][0]):.5f}"
        versions = ", ".join(f"{k} {v}" for k, v in lines[0].get("versions", {}).items())
        print(f"| {name} | {versions} | {median(lines, 'ms'):.0f} ({', '.join('%.0f' % line['ms'] for line in lines)}) "
              f"| {median(lines, 'first_ms'):.0f} | {median(lines, 'rss_mib'):.0f} "
              f"| {ours / median(lines, 'ms'):.2f} | {rounded / median(lines, 'ms'):.2f} | {difference} |")


def share(lines, names):
    """Median over the runs of a part's operations over its time and the matrix product's rate."""
    shares = []
    for line in lines:
        phases = {phase["name"]: phase for phase in line["phases"]}
        gflop = sum(phases[name]["gflop"] for name in names)
        seconds = sum(phases[name]["ms"] for name in names) / 1e3
        shares.append(gflop / seconds / line["peak_gflops"])
    return gflop, statistics.median(shares)


def write_roofline(runs):
    columns = {"direct": "gctmask direct", "effective": "gctmask"}
    columns = {column: runs[name] for column, name in columns.items() if name in runs}
    peak = statistics.median(line["peak_gflops"] for lines in columns.values() for line in lines)
    print(f"Share of the rate of a 2048 x 2048 matrix product ({peak:.0f} GFLOP/s, measured in each run). Operations "
          "are those of direct convolutions; effective: Winograd's time for them.\n")
    print("| part | GFLOP | " + " | ".join(columns) + " |")
    print("|---|---|" + "---|" * len(columns))
    for part, names in PARTS.items():
        gflop = share(next(iter(columns.values())), names)[0]
        print(f"| {part} | {gflop:.1f} | " + " | ".join(f"{share(c, names)[1]:.0%}" for c in columns.values()) + " |")


def write(document):
    runs = document["runs"]
    print(f"{document['photo']}; {turns.in_words(document, [line for lines in runs.values() for line in lines])}\n")
    write_engines(runs)
    for name, failure in document["failures"].items():
        print(f"\nNot measured: {name}: {failure}")
    print()
    write_roofline(runs)
    for name, lines in runs.items():
        low_precision = any(word in name for word in ("GCT", "autocast", "bf16", "bfloat16"))
        if not low_precision and largest_difference(lines[0], runs["gctmask"][0]) > SAME:
            sys.exit(f"{name} does not find the same as gctmask")


if __name__ == "__main__":
    default = Path(__file__).resolve().parent / "results" / "peers.json"
    write(json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else default).read_text()))

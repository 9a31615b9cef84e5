#!/usr/bin/env python3
"""Medians and ratios of the lines that bench/peers collected."""
import json
import statistics
import sys

times, memory = {}, {}
for line in open(sys.argv[1]):
    run = json.loads(line)
    times.setdefault(run["engine"], []).append(run["ms"])
    memory.setdefault(run["engine"], []).append(run["rss_mib"])
ours = statistics.median(times["gctmask"])
print("%-36s %10s %10s %8s" % ("engine", "median ms", "peak MiB", "ours is"))
for engine in sorted(times, key=lambda e: statistics.median(times[e])):
    median = statistics.median(times[engine])
    print("%-36s %10.0f %10.0f %8.2f" % (engine, median, statistics.median(memory[engine]), ours / median))

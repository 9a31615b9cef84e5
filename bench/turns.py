"""Programs that are compared take turns: each run is a process of its own, held to the same
processors, that prints one line of JSON; each turn begins one further on."""
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEBIAN = "/usr/bin/python3"
# What Debian's torchvision needs to be at its best.
PACKAGES = ["python3-torchvision", "python3-pil", "libopenblas0-pthread"]
SECONDS = 1200  # that a run may take


def log(text):
    print(text, file=sys.stderr, flush=True)


def reason(child):
    """What a program that failed said last."""
    lines = [line.strip() for line in (child.stderr or child.stdout or "").splitlines() if line.strip()]
    errors = [i for i, line in enumerate(lines) if "rror" in line or "xception" in line] or [-1]
    return " ".join(lines[errors[-1]:])[:300] if lines else f"exit code {child.returncode}"


def environment(threads, keeps_heap=True):
    """The strongest setting of the peers that we know (glibc's malloc otherwise gives memory back in
    between, which makes torchvision several times slower); ours does not notice."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS_", "MALLOC_"))}
    variables |= {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    if keeps_heap:
        variables |= {"MALLOC_MMAP_THRESHOLD_": str(4 << 30), "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
                      "MALLOC_TOP_PAD_": str(256 << 20)}
    return variables


def busy_seconds():
    """Of all processors, since the machine started."""
    user, nice, system, _, _, irq, softirq, steal = map(int, open("/proc/stat").readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command, variables):
    """One process: its line of JSON and the share of the processors that others took, or why not."""
    start, busy, own = time.perf_counter(), busy_seconds(), processor_seconds()
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=variables)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    if child.returncode:
        return None, reason(child)
    line = json.loads(child.stdout.splitlines()[-1])
    others = busy_seconds() - busy - (processor_seconds() - own)
    line["others"] = round(max(others, 0) / (time.perf_counter() - start) / os.cpu_count(), 3)
    return line, None


def take_turns(engines, turns, what):
    """engines: name, command, environment. Returns the runs of each, and why others have none;
    what(line) says in a few words how a run went."""
    runs, failures = {name: [] for name, _, _ in engines}, {}
    for turn in range(turns):
        start = turn % len(engines)
        for name, command, variables in engines[start:] + engines[:start]:
            if name in failures:
                continue
            line, failure = run(command, variables)
            if failure:
                failures[name] = failure
            else:
                runs[name].append(line)
            log(f"turn {turn + 1}, {name}: " + (failure or f"{what(line)}, others {line['others']:.0%}"))
    return {name: lines for name, lines in runs.items() if name not in failures}, failures


def hold_to_processors(count):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def build(target):
    """The path of a program of bench/, built."""
    subprocess.run([ROOT / "scripts/build"], check=True, stdout=sys.stderr)
    subprocess.run(["cmake", "--build", ROOT / "build", "--target", target, "--", "--quiet"], check=True,
                   stdout=sys.stderr)
    return ROOT / "build" / "bench" / target


def install(packages):
    """Debian's packages; None, or why they could not be had."""
    child = subprocess.run([ROOT / "scripts/install-packages", *packages], capture_output=True, text=True)
    return reason(child) if child.returncode else None


def circumstances(threads):
    """What a reader of a document must know to judge its figures."""
    names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    flags = next(line for line in open("/proc/cpuinfo") if line.startswith("flags")).split()
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    machine = {"processor": names[0], "processors": len(names),
               "instructions": [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags],
               "kernel": os.uname().release}
    return {"date": time.strftime("%Y-%m-%d"), "commit": commit.stdout.strip(), "machine": machine, "threads": threads}


def in_words(document, runs):
    machine = document["machine"]
    others = max((line["others"] for line in runs), default=0)
    return (f"{document['date']}, commit {document['commit']}, {machine['processor']} "
            f"({', '.join(machine['instructions'])}), {document['threads']} threads of {machine['processors']} "
            f"processors; other programs took at most {others:.0%} of the processors.")


def write_document(document, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        json.dump(document, file, indent=1)
        file.write("\n")
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
    log(f"written: {path}")

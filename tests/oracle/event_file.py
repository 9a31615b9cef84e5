#!/usr/bin/env python3
"""Make the event files of tests/train/events with TensorBoard's own code, and read them with it.

    event_file.py [--commit] [FOLDER..]

tests/train/test_event_file.c writes the same events and compares bytes. Exits
with status 1 if a file differs from that of the checkout, or if TensorBoard
does not find in it what was written; --commit writes the files. Of each FOLDER
given, prints all scalars that TensorBoard finds in its event files. Needs
tensorboard 2.21.0.
"""
import sys
import tempfile
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

FOLDER = Path(__file__).resolve().parent.parent / "train" / "events"
LONG_TAG = "t" * 200


def scalars(time, step, **values):
    summary = Summary(value=[Summary.Value(tag=tag.replace("__", "/"), simple_value=value)
                             for tag, value in values.items()])
    return Event(wall_time=time, step=step, summary=summary)


# The first process is killed after step 300; the second goes on from a checkpoint of step 200.
FIRST = [
    Event(wall_time=1700000000.25, file_version="brain.Event:2"),
    scalars(1700000001.5, 1, loss__total=4.25, loss__mask=0.1, learning_rate=1e-30),
    scalars(1700000002.5, 200, loss__total=-2.0, größe=3.0),
    scalars(1700000003.5, 300, **{"loss__total": 1.0, LONG_TAG: 16777216.0}),
]
SECOND = [
    Event(wall_time=1700000100.0, file_version="brain.Event:2"),
    Event(wall_time=1700000100.0, step=201, session_log=SessionLog(status=SessionLog.START)),
    scalars(1700000101.0, 250, loss__total=1.5),
    scalars(1700000102.0, 1 << 40, loss__total=1.25),
]
FILES = {
    "events.out.tfevents.1700000000.host": FIRST,
    "events.out.tfevents.1700000100.host": SECOND,
}


def encode(events, path):
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString(deterministic=True))
    return path.read_bytes()


def read(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0}, purge_orphaned_data=True)
    accumulator.Reload()
    return {tag: [(e.wall_time, e.step, e.value) for e in accumulator.Scalars(tag)]
            for tag in accumulator.Tags()["scalars"]}


def main():
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        for name, events in FILES.items():
            content = encode(events, Path(scratch) / name)
            path = FOLDER / name
            if "--commit" in sys.argv:
                FOLDER.mkdir(exist_ok=True)
                path.write_bytes(content)
            same = path.read_bytes() == content
            print(f"{path}: {len(content)} bytes, {'the same' if same else 'DIFFERENT'}")
            failed |= not same
    found = read(FOLDER)
    total = [(step, value) for _, step, value in found["loss/total"]]
    print(f"loss/total: {total}")
    # Step 300 was forgotten.
    failed |= total != [(1, 4.25), (200, -2.0), (250, 1.5), (1 << 40, 1.25)]
    failed |= found["größe"] != [(1700000002.5, 200, 3.0)]
    for folder in sys.argv[1:]:
        if folder != "--commit":
            print(read(folder))
    return failed


if __name__ == "__main__":
    sys.exit(main())

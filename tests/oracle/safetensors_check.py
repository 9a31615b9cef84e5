#!/usr/bin/env python3
"""Check the model files of tests/detector/safetensors with the safetensors package.

    safetensors_check.py [--commit]

ours.safetensors is what our writer must write, byte for byte: built here by
hand from the format's description, checksum included, and read back with the
package. python.safetensors holds the same tensors as the package writes them,
for our reader. tests/detector/test_safetensors.c has the same table of values.
Compares both with the files of the checkout and exits with status 1 if one
differs; --commit writes them. Needs numpy and safetensors 0.8.0.
"""
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import safetensors

FOLDER = Path(__file__).resolve().parent.parent / "detector" / "safetensors"
METADATA = {"format": "pt", "note": 'größe "x"\n\x01'}
HALF_ONES = [-2.0, -1.5, -1.0]
NAMES = {  # of a type: in numpy, and in the package's own writer
    "F64": ("<f8", "float64"), "F32": ("<f4", "float32"), "F16": ("<f2", "float16"), "BF16": ("<u2", "bfloat16"),
    "I64": ("<i8", "int64"), "I32": ("<i4", "int32"), "I16": ("<i2", "int16"), "I8": ("i1", "int8"),
    "U8": ("u1", "uint8"), "BOOL": ("u1", "bool"),
}


def bfloat16(values):
    return np.asarray(values, "<f4").view("<u4") >> 16


TENSORS = {  # name: type, shape, values
    "mean": ("F64", [3], HALF_ONES),
    "step": ("I64", [], [-4]),
    "backbone.conv1.weight": ("F32", [2, 3, 1, 2], [0.5 * i - 2 for i in range(12)]),
    "scalar": ("F32", [], [0.1]),
    "empty": ("F32", [0, 4], []),
    'größe "1"\\日本': ("I32", [2], [-4, -1]),
    "half": ("F16", [3], HALF_ONES),
    "bfloat": ("BF16", [3, 1], bfloat16(HALF_ONES)),
    "short": ("I16", [2], [-4, -1]),
    "signed": ("I8", [2], [-4, -1]),
    "bytes": ("U8", [3], [0, 3, 255]),
    "flags": ("BOOL", [2], [0, 1]),
}


def data_of(name):
    dtype, _, values = TENSORS[name]
    return np.asarray(values).astype(NAMES[dtype][0]).tobytes()


def written_by_hand():
    header = {"__metadata__": {"checksum": "crc32:00000000", **METADATA}}
    data = b""
    for name, (dtype, shape, _) in TENSORS.items():
        begin = len(data)
        data += data_of(name)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    content = struct.pack("<Q", len(text)) + text + data
    checksum = b"crc32:%08x" % zlib.crc32(content)
    return content.replace(b"crc32:00000000", checksum, 1)


def written_by_package():
    held = {name: np.frombuffer(data_of(name) or b"\0", np.uint8) for name in TENSORS}
    specs = {
        name: safetensors.TensorSpec(dtype=NAMES[dtype][1], shape=shape, data_ptr=held[name].ctypes.data,
                                     data_len=len(data_of(name)))
        for name, (dtype, shape, _) in TENSORS.items()
    }
    # One key only: the package keeps several in random order.
    return bytes(safetensors.serialize(specs, metadata={"note": METADATA["note"]}))


def check_with_package(content):
    found = dict(safetensors.deserialize(content))
    assert found.keys() == TENSORS.keys(), sorted(found)
    for name, (dtype, shape, _) in TENSORS.items():
        tensor = found[name]
        assert (tensor["dtype"], tensor["shape"]) == (dtype, shape), (name, tensor)
        assert bytes(tensor["data"]) == data_of(name), name


def main():
    failed = False
    for name, content in ("ours", written_by_hand()), ("python", written_by_package()):
        check_with_package(content)
        path = FOLDER / f"{name}.safetensors"
        if sys.argv[1:] == ["--commit"]:
            FOLDER.mkdir(exist_ok=True)
            path.write_bytes(content)
        same = path.read_bytes() == content
        print(f"{path}: {len(content)} bytes, {'the same' if same else 'DIFFERENT'}")
        failed |= not same
    return failed


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Write the small files of PyTorch and numpy in tests/detector/import.

    torch_files.py [FOLDER]

zip.pth and legacy.pth are what torch.save makes of the same checkpoint in its
two containers, arrays_0.pkl to arrays_5.pkl what pickle makes of arrays in all
protocols, python2.pkl what Python 2 would make (by hand). The seeds in
tests/fuzz/corpus are copies of them. tests/detector/test_torch_file.c knows
the values. Made with torch 1.13, numpy 1.24 and Python 3.11.
"""
import collections
import pickle
import sys
from pathlib import Path

import numpy as np
import torch
from other_families import python2_pickle

FOLDER = Path(__file__).resolve().parent.parent / "detector" / "import"


def checkpoint():
    weight = torch.arange(6.0).reshape(2, 3) / 2
    state = collections.OrderedDict(
        weight=weight, transposed=weight.t(), part=weight[:, 1:], parameter=torch.nn.Parameter(torch.ones(2)),
        half=torch.tensor([-1.5, 2.25]).half(), bfloat=torch.tensor([-1.5, 2.25]).bfloat16(),
        double=torch.tensor([-1.5, 2.25]).double(), steps=torch.tensor(7), empty=torch.zeros(0, 4),
        flags=torch.tensor([True, False]))
    return {"state_dict": state, "epoch": 3, "large": 10 ** 30, "things": ["a", b"b", None, True, 1.5, (1, -2)],
            "optimizer": {"param_groups": [{"lr": 0.1}], "count": collections.Counter({3: 1})}}


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(exist_ok=True)
    torch.save(checkpoint(), folder / "zip.pth")
    torch.save(checkpoint(), folder / "legacy.pth", _use_new_zipfile_serialization=False)
    weight = np.arange(200, 206, dtype=np.float32).reshape(2, 3) / 2
    arrays = {"weight": weight, "fortran": np.asfortranarray(weight), "double": weight.astype(np.float64), "name": "größe"}
    for protocol in range(6):
        (folder / f"arrays_{protocol}.pkl").write_bytes(pickle.dumps(arrays, protocol))
    (folder / "python2.pkl").write_bytes(python2_pickle({"weight": weight}))


if __name__ == "__main__":
    main()

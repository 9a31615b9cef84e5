#!/usr/bin/env python3
"""Times torchvision's Mask R-CNN on one photo and prints one line of JSON. For bench/peers."""
from peer_run import arguments, measure, read_photo

parser = arguments(__doc__)
parser.add_argument("--channels-last", action="store_true")
parser.add_argument("--precision", choices=("float32", "autocast", "bfloat16"), default="float32",
                    help="autocast: bfloat16 where torch thinks it safe; bfloat16: the whole model")
args = parser.parse_args()

import torch
import torchvision

import peer_model

torch.set_num_threads(args.threads)
model = peer_model.build()
image = torch.from_numpy(read_photo(args.photo))
if args.channels_last:
    model = model.to(memory_format=torch.channels_last)
if args.precision == "bfloat16":
    model = model.bfloat16()
    image = image.bfloat16()


def detect():
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "autocast"):
        found = model([image])[0]
    return found["scores"], found["masks"]


version = torchvision.__version__.split("+")[0].split("a")[0]
words = ["torchvision", version] + ["channels last"] * args.channels_last
if args.precision != "float32":
    words.append(args.precision)
measure(detect, args.rounds, " ".join(words), {"torch": torch.__version__, "torchvision": torchvision.__version__})

#!/usr/bin/env python3
"""Writes torchvision's Mask R-CNN as an ONNX file, made for photos of one size. For bench/peers.

torch.onnx's newer exporter (dynamo=True) refuses the model: its suppression of boxes depends on
data. With --unpasted masks stay 28 x 28, and whoever runs the file pastes them.
"""
import argparse
import warnings

from peer_run import read_photo

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("photo")
parser.add_argument("out")
parser.add_argument("--unpasted", action="store_true")
args = parser.parse_args()

import torch
from torchvision.models.detection import transform

import peer_model


def leave_masks(self, results, sizes, original_sizes):
    for result, size, original_size in zip(results, sizes, original_sizes):
        result["boxes"] = transform.resize_boxes(result["boxes"], size, original_size)
    return results


if args.unpasted:
    transform.GeneralizedRCNNTransform.postprocess = leave_masks
warnings.simplefilter("ignore")
torch.onnx.export(peer_model.build(), ([torch.from_numpy(read_photo(args.photo))],), args.out, opset_version=16,
                  input_names=["image"], output_names=["boxes", "labels", "scores", "masks"], dynamo=False)

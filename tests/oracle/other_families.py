#!/usr/bin/env python3
"""Write small detectors in the layouts of every family of programs that gctmask imports.

    other_families.py FOLDER

The same random weights, in torchvision's layout (ours_KIND.pth) and in the
others': KIND_detectron2.pkl, KIND_detectron.pkl, KIND_benchmark.pth, ... of
which KIND is bn (frozen batch norm, two linear layers), gn (group norm
everywhere, four convolutions and one linear layer) or gct (gates before the
backbone's convolutions). tests/detector/test_import.c expects the same tensors
from all of a kind. Needs numpy and torch.
"""
import collections
import pickle
import re
import struct
import sys
from pathlib import Path

import numpy as np
import torch

WIDTH, PYRAMID, HIDDEN, CLASSES, RESOLUTION = 8, 16, 12, 5, 7
EPSILON = 1e-5


# ---- The weights, under torchvision's names ----

def body(kind):
    shapes = {}

    def layer(conv, norm, gate, out, inner, kernel):
        if kind == "gct":
            for leaf in ("alpha", "gamma", "beta"):
                shapes[f"{gate}.{leaf}"] = (inner,)
        shapes[f"{conv}.weight"] = (out, inner, kernel, kernel)
        for leaf in ("weight", "bias") if kind == "gn" else ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{leaf}"] = (out,)

    b = "backbone.body."
    layer(b + "conv1", b + "bn1", b + "gct1", WIDTH, 3, 7)
    inner = WIDTH
    for stage in range(4):
        middle, out = WIDTH << stage, 4 * WIDTH << stage
        p = f"{b}layer{stage + 1}.0."
        layer(p + "conv1", p + "bn1", p + "gct1", middle, inner, 1)
        layer(p + "conv2", p + "bn2", p + "gct2", middle, middle, 3)
        layer(p + "conv3", p + "bn3", p + "gct3", out, middle, 1)
        layer(p + "downsample.0", p + "downsample.1", p + "downsample.gct", out, inner, 1)
        inner = out
    return shapes


def heads(kind):
    shapes = {}

    def conv(name, out, inner, kernel, norm):
        shapes[f"{name}.0.weight"] = (out, inner, kernel, kernel)
        for leaf in (("1.weight", "1.bias") if norm else ("0.bias",)):
            shapes[f"{name}.{leaf}"] = (out,)

    def linear(name, *shape):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]

    gn = kind == "gn"
    for i in range(4):
        conv(f"backbone.fpn.inner_blocks.{i}", PYRAMID, 4 * WIDTH << i, 1, gn)
        conv(f"backbone.fpn.layer_blocks.{i}", PYRAMID, PYRAMID, 3, gn)
        conv(f"roi_heads.mask_head.{i}", PYRAMID, PYRAMID, 3, gn)
        if gn:
            conv(f"roi_heads.box_head.{i}", PYRAMID, PYRAMID, 3, True)
    conv("rpn.head.conv.0", PYRAMID, PYRAMID, 3, False)
    linear("rpn.head.cls_logits", 3, PYRAMID, 1, 1)
    linear("rpn.head.bbox_pred", 12, PYRAMID, 1, 1)
    linear("roi_heads.box_head.5" if gn else "roi_heads.box_head.fc6", HIDDEN, PYRAMID * RESOLUTION ** 2)
    if not gn:
        linear("roi_heads.box_head.fc7", HIDDEN, HIDDEN)
    linear("roi_heads.box_predictor.cls_score", CLASSES, HIDDEN)
    linear("roi_heads.box_predictor.bbox_pred", 4 * CLASSES, HIDDEN)
    linear("roi_heads.mask_predictor.conv5_mask", PYRAMID, PYRAMID, 2, 2)
    linear("roi_heads.mask_predictor.mask_fcn_logits", CLASSES, PYRAMID, 1, 1)
    return shapes


def make(kind):
    rng = np.random.default_rng(sum(kind.encode()))
    state = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in {**body(kind), **heads(kind)}.items()}
    for name, value in state.items():
        # What Detectron's affine maps can express, and what detectron2 lacks for the background.
        if name.endswith("running_mean"):
            value[:] = 0
        if name.endswith("running_var"):
            value[:] = 1 - EPSILON
        if "predictor.bbox_pred" in name:
            value[:4] = 0
        if "mask_fcn_logits" in name:
            value[:1] = 0
    return state


def rename(state, rules):
    """The first rule whose pattern fits decides; a function instead of a text gets the match."""
    out = collections.OrderedDict()
    for name, value in state.items():
        for pattern, new in rules:
            match = re.fullmatch(pattern, name)
            if match:
                out[new(match) if callable(new) else match.expand(new)] = value
                break
        else:
            sys.exit(f"no rule for {name}")
    return out


# ---- detectron2 ----

DETECTRON2 = [
    (r"backbone\.body\.conv1\.(.*)", r"backbone.bottom_up.stem.conv1.\1"),
    (r"backbone\.body\.bn1\.(.*)", r"backbone.bottom_up.stem.conv1.norm.\1"),
    (r"backbone\.body\.layer(\d)\.(\d)\.conv(\d)\.(.*)",
     lambda m: f"backbone.bottom_up.res{int(m[1]) + 1}.{m[2]}.conv{m[3]}.{m[4]}"),
    (r"backbone\.body\.layer(\d)\.(\d)\.bn(\d)\.(.*)",
     lambda m: f"backbone.bottom_up.res{int(m[1]) + 1}.{m[2]}.conv{m[3]}.norm.{m[4]}"),
    (r"backbone\.body\.layer(\d)\.(\d)\.downsample\.(\d)\.(.*)",
     lambda m: f"backbone.bottom_up.res{int(m[1]) + 1}.{m[2]}.shortcut.{'norm.' if m[3] == '1' else ''}{m[4]}"),
    (r"backbone\.fpn\.(inner|layer)_blocks\.(\d)\.(\d)\.(.*)",
     lambda m: f"backbone.fpn_{'lateral' if m[1] == 'inner' else 'output'}{int(m[2]) + 2}."
               f"{'norm.' if m[3] == '1' else ''}{m[4]}"),
    (r"rpn\.head\.conv\.0\.0\.(.*)", r"proposal_generator.rpn_head.conv.\1"),
    (r"rpn\.head\.cls_logits\.(.*)", r"proposal_generator.rpn_head.objectness_logits.\1"),
    (r"rpn\.head\.bbox_pred\.(.*)", r"proposal_generator.rpn_head.anchor_deltas.\1"),
    (r"roi_heads\.(box|mask)_head\.(\d)\.(\d)\.(.*)",
     lambda m: f"roi_heads.{m[1]}_head.{'conv' if m[1] == 'box' else 'mask_fcn'}{int(m[2]) + 1}."
               f"{'norm.' if m[3] == '1' else ''}{m[4]}"),
    (r"roi_heads\.box_head\.(5|fc6)\.(.*)", r"roi_heads.box_head.fc1.\2"),
    (r"roi_heads\.box_head\.fc7\.(.*)", r"roi_heads.box_head.fc2.\1"),
    (r"roi_heads\.mask_predictor\.conv5_mask\.(.*)", r"roi_heads.mask_head.deconv.\1"),
    (r"roi_heads\.mask_predictor\.mask_fcn_logits\.(.*)", r"roi_heads.mask_head.predictor.\1"),
    (r"(roi_heads\.box_predictor\..*)", r"\1"),
]


def background_last(state):
    out = {}
    for name, value in state.items():
        if "cls_score" in name:
            value = np.concatenate([value[1:], value[:1]])
        out[name] = value[4:] if "predictor.bbox_pred" in name else value[1:] if "mask_fcn_logits" in name else value
    return out


def detectron2(state):
    out = rename(background_last(state), DETECTRON2)
    out["pixel_mean"] = np.array([103.53, 116.28, 123.675], np.float32).reshape(3, 1, 1)
    out["pixel_std"] = np.ones((3, 1, 1), np.float32)
    out["proposal_generator.anchor_generator.cell_anchors.0"] = np.zeros((3, 4), np.float32)
    return dict(out)


# ---- Detectron ----

LETTERS = {"1": "a", "2": "b", "3": "c"}
LEAVES = {"weight": "w", "bias": "b"}


def detectron_rules(kind):
    norm = "gn" if kind == "gn" else "bn"
    part = {"weight": "s", "bias": "b"}

    def pyramid(m):
        level, above = int(m[2]) + 2, m[1] == "inner"
        name = f"fpn_inner_res{level}_0_sum{'' if level == 5 else '_lateral'}" if above else f"fpn_res{level}_0_sum"
        return f"{name}_gn_{part[m[4]]}" if m[3] == "1" else f"{name}_{LEAVES[m[4]]}"

    def mask(m):
        name = f"_mask_fcn{int(m[1]) + 1}" if kind == "gn" else f"_[mask]_fcn{int(m[1]) + 1}"
        return f"{name}_gn_{part[m[3]]}" if m[2] == "1" else f"{name}_{LEAVES[m[3]]}"

    return [
        (r"backbone\.body\.conv1\.weight", "conv1_w"),
        (r"backbone\.body\.bn1\.(weight|bias)",
         lambda m: f"{'conv1_gn' if kind == 'gn' else 'res_conv1_bn'}_{part[m[1]]}"),
        (r"backbone\.body\.layer(\d)\.(\d)\.conv(\d)\.weight",
         lambda m: f"res{int(m[1]) + 1}_{m[2]}_branch2{LETTERS[m[3]]}_w"),
        (r"backbone\.body\.layer(\d)\.(\d)\.bn(\d)\.(weight|bias)",
         lambda m: f"res{int(m[1]) + 1}_{m[2]}_branch2{LETTERS[m[3]]}_{norm}_{part[m[4]]}"),
        (r"backbone\.body\.layer(\d)\.(\d)\.downsample\.0\.weight", lambda m: f"res{int(m[1]) + 1}_{m[2]}_branch1_w"),
        (r"backbone\.body\.layer(\d)\.(\d)\.downsample\.1\.(weight|bias)",
         lambda m: f"res{int(m[1]) + 1}_{m[2]}_branch1_{norm}_{part[m[3]]}"),
        (r"backbone\.fpn\.(inner|layer)_blocks\.(\d)\.(\d)\.(.*)", pyramid),
        (r"rpn\.head\.conv\.0\.0\.(.*)", lambda m: f"conv_rpn_fpn2_{LEAVES[m[1]]}"),
        (r"rpn\.head\.(cls_logits|bbox_pred)\.(.*)", lambda m: f"rpn_{m[1]}_fpn2_{LEAVES[m[2]]}"),
        (r"roi_heads\.box_head\.(\d)\.0\.weight", lambda m: f"head_conv{int(m[1]) + 1}_w"),
        (r"roi_heads\.box_head\.(\d)\.1\.(.*)", lambda m: f"head_conv{int(m[1]) + 1}_gn_{part[m[2]]}"),
        (r"roi_heads\.box_head\.(?:5|fc6)\.(.*)", lambda m: f"fc6_{LEAVES[m[1]]}"),
        (r"roi_heads\.box_head\.fc7\.(.*)", lambda m: f"fc7_{LEAVES[m[1]]}"),
        (r"roi_heads\.mask_head\.(\d)\.(\d)\.(.*)", mask),
        (r"roi_heads\.(?:box|mask)_predictor\.(\w+)\.(.*)", lambda m: f"{m[1]}_{LEAVES[m[2]]}"),
    ]


def without_statistics(state):
    return {name: value for name, value in state.items() if "running" not in name}


def detectron(state, kind):
    out = rename(without_statistics(state), detectron_rules(kind))
    out["conv1_w_momentum"] = np.zeros_like(out["conv1_w"])
    return out


def caffe2_classifier(state):
    """MSRA's networks: norms that are not fused, biases that are zero, a classifier."""
    names = {"weight": "gamma", "bias": "beta", "running_mean": "running_mean", "running_var": "running_var"}
    out = {}
    for name, value in state.items():
        if name.startswith("backbone.body."):
            leaf = name.rsplit(".", 1)[1]
            if ".bn" in name or "downsample.1" in name:
                [fused] = rename({name.rsplit(".", 1)[0] + ".weight": 0}, detectron_rules("bn"))
                out[fused[:-1] + names[leaf]] = value
            else:
                [new] = rename({name: 0}, detectron_rules("bn"))
                out[new] = value
                out[new[:-1] + "b"] = np.zeros(len(value), np.float32)
    out["fc1000_w"], out["fc1000_b"] = np.ones((4, 2), np.float32), np.ones(4, np.float32)
    return out


def python2_bytes(text):
    return b"U" + bytes([len(text)]) + text


def python2_pickle(blobs):
    """What Python 2 writes of {"blobs": {name: array}, "cfg": text} in protocol 2."""
    out = [b"\x80\x02}q\x00(", python2_bytes(b"blobs"), b"}q\x01("]
    for name, value in blobs.items():
        value = np.ascontiguousarray(value, "<f4")
        shape = b"(" + b"".join(b"J" + struct.pack("<i", n) for n in value.shape) + b"t"
        out += [python2_bytes(name.encode()), b"cnumpy.core.multiarray\n_reconstruct\n",
                b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01", shape, b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R",
                b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb", b"\x89T",
                struct.pack("<i", value.nbytes), value.tobytes(), b"tb"]
    return b"".join(out + [b"u", python2_bytes(b"cfg"), python2_bytes(b"MODEL: {}\n"), b"u."])


# ---- maskrcnn-benchmark, and GCT ----

def benchmark_rules(gated):
    conv, norm = ("1.", "2") if gated else ("", "1")
    xconv = {"0": 0, "1": 1}
    first = "1" if gated else "0"
    return [
        (r"backbone\.body\.gct1\.(.*)", r"backbone.body.stem.conv1.0.\1"),
        (r"backbone\.body\.conv1\.(.*)", rf"backbone.body.stem.conv1.{conv}\1"),
        (r"backbone\.body\.bn1\.(.*)", r"backbone.body.stem.bn1.\1"),
        (r"backbone\.body\.(layer\d\.\d)\.gct(\d)\.(.*)", r"backbone.body.\1.conv\2.0.\3"),
        (r"backbone\.body\.(layer\d\.\d)\.conv(\d)\.(.*)", rf"backbone.body.\1.conv\2.{conv}\3"),
        (r"backbone\.body\.(layer\d\.\d)\.bn(\d)\.(.*)", r"backbone.body.\1.bn\2.\3"),
        (r"backbone\.body\.(layer\d\.\d)\.downsample\.gct\.(.*)", r"backbone.body.\1.downsample.0.\2"),
        (r"backbone\.body\.(layer\d\.\d)\.downsample\.0\.(.*)", rf"backbone.body.\1.downsample.{first}.\2"),
        (r"backbone\.body\.(layer\d\.\d)\.downsample\.1\.(.*)", rf"backbone.body.\1.downsample.{norm}.\2"),
        (r"backbone\.fpn\.(inner|layer)_blocks\.(\d)\.(\d)\.(.*)", None),
        (r"rpn\.head\.conv\.0\.0\.(.*)", r"rpn.head.conv.\1"),
        (r"(rpn\.head\..*)", r"\1"),
        (r"roi_heads\.box_head\.(\d)\.(\d)\.(.*)",
         lambda m: f"roi_heads.box.feature_extractor.xconvs.{3 * int(m[1]) + xconv[m[2]]}.{m[3]}"),
        (r"roi_heads\.box_head\.(?:5|fc6)\.(.*)", r"roi_heads.box.feature_extractor.fc6.\1"),
        (r"roi_heads\.box_head\.fc7\.(.*)", r"roi_heads.box.feature_extractor.fc7.\1"),
        (r"roi_heads\.mask_head\.(\d)\.(\d)\.(.*)", None),
        (r"roi_heads\.(box|mask)_predictor\.(.*)", r"roi_heads.\1.predictor.\2"),
    ]


def benchmark(state, kind):
    # A convolution without a norm is no pair.
    def number(m):
        return f".{m[3]}" if kind == "gn" else ""

    special = {
        r"backbone\.fpn\.(inner|layer)_blocks\.(\d)\.(\d)\.(.*)":
            lambda m: f"backbone.fpn.fpn_{m[1]}{int(m[2]) + 1}{number(m)}.{m[4]}",
        r"roi_heads\.mask_head\.(\d)\.(\d)\.(.*)":
            lambda m: f"roi_heads.mask.feature_extractor.mask_fcn{int(m[1]) + 1}"
                      f"{'.' + m[2] if kind == 'gn' else ''}.{m[3]}",
    }
    rules = [(pattern, special.get(pattern, new)) for pattern, new in benchmark_rules(kind == "gct")]
    out = rename(state, rules)
    out["rpn.anchor_generator.cell_anchors.0"] = np.zeros((3, 4), np.float32)
    return out


def tensors(state, prefix=""):
    """As PyTorch has them: gates of four dimensions."""
    return collections.OrderedDict(
        (prefix + name, torch.from_numpy(value.reshape(1, -1, 1, 1) if re.search(r"\.(alpha|beta|gamma)$", name)
                                         else value)) for name, value in state.items())


def checkpoint(state):
    parameters = [torch.nn.Parameter(value.clone()) for value in state.values()][:3]
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
    for p in parameters:
        p.grad = torch.ones_like(p)
    optimizer.step()
    return {"model": state, "optimizer": optimizer.state_dict(), "iteration": 90000,
            "scheduler": {"milestones": (60000, 80000), "gamma": 0.1, "last_epoch": 90000}}


def only(state, prefix):
    return {name[len(prefix):]: value for name, value in state.items() if name.startswith(prefix)}


def gct_classifier(state):
    out = only(benchmark({k: v for k, v in state.items() if "backbone.body" in k}, "gct"), "backbone.body.")
    out = tensors(out, "module.")
    out["module.fc.weight"], out["module.fc.bias"] = torch.ones(4, 2), torch.ones(4)
    out["module.stem.bn1.num_batches_tracked"] = torch.tensor(100)
    return {"epoch": 100, "arch": "resnet50", "state_dict": out, "best_acc1": torch.tensor(77.2),
            "optimizer": {"state": {}, "param_groups": [{"lr": 0.1, "nesterov": True, "params": [0, 1]}]}}


def main():
    folder = Path(sys.argv[1])
    for kind in ("bn", "gn", "gct"):
        state = make(kind)
        torch.save(collections.OrderedDict((k, torch.from_numpy(v)) for k, v in state.items()), folder / f"ours_{kind}.pth")
        torch.save(checkpoint(tensors(benchmark(state, kind), "module.")), folder / f"{kind}_benchmark.pth")
        if kind == "gct":
            torch.save(gct_classifier(state), folder / "gct_classifier.pth", _use_new_zipfile_serialization=False)
            continue
        for protocol in range(6):
            with open(folder / f"{kind}_detectron2_{protocol}.pkl", "wb") as file:
                pickle.dump({"model": detectron2(state), "__author__": "Detectron2 Model Zoo"}, file, protocol)
        (folder / f"{kind}_detectron.pkl").write_bytes(python2_pickle(detectron(state, kind)))
        torch.save({"model": tensors(detectron2(state)), "iteration": 3}, folder / f"{kind}_detectron2.pth")
    state = make("bn")
    with open(folder / "bn_caffe2.pkl", "wb") as file:
        pickle.dump(caffe2_classifier(state), file, 2)
    classifier = tensors(only(state, "backbone.body."))
    classifier["fc.weight"], classifier["fc.bias"] = torch.ones(4, 2), torch.ones(4)
    torch.save(classifier, folder / "bn_classifier.pth")
    # Other types and layouts in memory, of the same values.
    state = {k: np.round(v * 4) / 4 for k, v in make("bn").items() if "running" not in k}
    state.update({k: v for k, v in make("bn").items() if "running" in k})
    plain = collections.OrderedDict((k, torch.from_numpy(v.astype(np.float32))) for k, v in state.items())
    torch.save(plain, folder / "ours_rounded.pth")
    for name, dtype in (("half", torch.half), ("bfloat", torch.bfloat16), ("double", torch.double)):
        torch.save({k: v if "running" in k else v.to(dtype) for k, v in plain.items()}, folder / f"rounded_{name}.pth")
    torch.save({k: v.to(memory_format=torch.channels_last) if v.ndim == 4 else v for k, v in plain.items()},
               folder / "rounded_channels_last.pth")
    flat = torch.cat([v.reshape(-1) for v in plain.values()])
    parts = torch.split(flat, [v.numel() for v in plain.values()])
    torch.save({k: part.view(v.shape) for (k, v), part in zip(plain.items(), parts)}, folder / "rounded_views.pth")


if __name__ == "__main__":
    main()

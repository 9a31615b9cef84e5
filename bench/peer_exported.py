#!/usr/bin/env python3
"""Times an ONNX file of bench/peer_export.py in another engine and prints one line of JSON. For
bench/peers.
"""
from peer_run import arguments, measure, read_photo

parser = arguments(__doc__)
parser.add_argument("engine", choices=("onnxruntime", "openvino"))
parser.add_argument("model")
parser.add_argument("--precision", choices=("f32", "bf16"), default="f32", help="of openvino")
parser.add_argument("--paste", action="store_true", help="the file leaves masks unpasted: torchvision pastes them")
args = parser.parse_args()


def open_onnxruntime(path):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.log_severity_level = 3  # the exported loop of pasting warns once for each mask
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"image": image}), onnxruntime.__version__


def open_openvino(path):
    import openvino
    hints = {"INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY",
             "INFERENCE_PRECISION_HINT": args.precision}
    request = openvino.Core().compile_model(path, "CPU", hints).create_infer_request()
    return lambda image: list(request.infer({0: image}).values()), openvino.__version__


image = read_photo(args.photo)
run, version = (open_onnxruntime if args.engine == "onnxruntime" else open_openvino)(args.model)
if args.paste:
    import torch
    from torchvision.models.detection.roi_heads import paste_masks_in_image
    torch.set_num_threads(args.threads)


def detect():
    boxes, _, scores, masks = run(image)
    if args.paste:
        masks = paste_masks_in_image(torch.from_numpy(masks.copy()), torch.from_numpy(boxes.copy()), image.shape[1:])
    return scores, masks


words = [args.engine, version.split("-")[0]] + ["bf16"] * (args.precision == "bf16")
measure(detect, args.rounds, " ".join(words) + (", pasted by torchvision" if args.paste else ""),
        {args.engine: version})

"""Speed of super-resolution: this project's path beside plain PyTorch, ONNX Runtime and OpenVINO.

    python -m benchmarks.inference [--kernels 9 5 5] [--threads 2]

All run the same weights on the same LR pictures (scikit-image's photographs, repeated to the size
asked for) and must agree to 1e-4. ONNX Runtime and OpenVINO run, in float32, the file that
`srcnn export` writes; they are left out where they are not installed (requirements-onnx.txt and
-benchmarks.txt).
"""

import argparse
import importlib.util
import time
from collections.abc import Callable

import numpy as np
import skimage.data
import torch
from torch import nn
from torch.nn import functional as F

from srcnn import networks
from srcnn.command import onnx_export
from srcnn.data.color import luma
from srcnn.inference.model_files import TrainedModel
from srcnn.inference.resolver import SuperResolver, by_tiles
from srcnn.networks import SRCNN
from srcnn.networks.bicubic import REACH, surrounded

Predict = Callable[
    [np.ndarray], np.ndarray
]  # LR (B, 1, h, w) -> SR (B, 1, h * SCALE, w * SCALE), float32

SCALE = 4
PICTURES = {  # SR pictures, height, width: from one portrait to 4K
    "1 x 256x256": (1, 256, 256),
    "16 x 256x256": (16, 256, 256),
    "1 x 1024x1024": (1, 1024, 1024),
    "1 x 3840x2160": (1, 2160, 3840),
}
TOLERANCE = 1e-4


def main() -> None:
    """Print one table: a row per size, a column per way to run the network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernels", type=int, nargs=3, default=[9, 5, 5])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5, help="timed runs; the median counts")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = SRCNN(SCALE, args.kernels, generator=torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        model.reconstruct.weight.mul_(20)  # so that a wrong result would show

    print(f"Megapixels per second on {args.threads} threads (and against plain PyTorch).")
    for name, size in PICTURES.items():
        lr = _photographs(*size)
        reference, cells = None, []
        for way, build in WAYS.items():
            if not all(importlib.util.find_spec(package) for package in NEEDS[way]):
                continue
            predict = build(model, args.threads)
            sr = predict(lr)
            reference = sr if reference is None else reference
            if (error := float(np.abs(sr - reference).max())) > TOLERANCE:
                raise SystemExit(f"{way} differs by {error:g}; allowed is {TOLERANCE:g}")
            speed = sr.size / 1e6 / _seconds(predict, lr, args.repeats)
            cells.append((way, speed))
        plain = cells[0][1]
        row = "   ".join(f"{way} {speed:.1f} ({speed / plain:.2f}x)" for way, speed in cells)
        print(f"{name:14}  {row}", flush=True)


def _photographs(count: int, height: int, width: int) -> np.ndarray:
    gray = luma(skimage.data.astronaut(), "full").astype(np.float32) / 255
    height, width = height // SCALE, width // SCALE
    tiled = np.tile(gray, (-(-height // 512) + 1, -(-width // 512) + 1))
    return np.stack([tiled[16 * i :, 16 * i :][:height, :width] for i in range(count)])[:, None]


def _seconds(predict: Predict, pictures: np.ndarray, repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        predict(pictures)
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[repeats // 2]


def _plain(model: SRCNN, threads: int) -> Predict:
    """Eager PyTorch as the layers' own forward runs it, in the default memory format."""
    layers = nn.Sequential(model.extract, nn.ReLU(), model.map, nn.ReLU(), model.reconstruct)

    def predict(lr: np.ndarray) -> np.ndarray:
        rows, columns = (slice(0, side) for side in lr.shape[2:])
        with torch.inference_mode():
            around = surrounded(torch.from_numpy(lr), rows, columns, REACH)
            upsampled = model.bicubic(around)
            padded = F.pad(upsampled, [model.margin] * 4, mode="replicate")
            return (layers(padded) + upsampled).numpy()

    return predict


def _ours(model: SRCNN, threads: int) -> Predict:
    copy = networks.build(model.name, SCALE, model.settings)
    copy.load_state_dict(model.state_dict())
    copy.to(memory_format=torch.channels_last)
    return lambda lr: by_tiles(copy, torch.from_numpy(lr)).numpy()


def _onnxruntime(model: SRCNN, threads: int) -> Predict:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        _as_onnx(model), options, providers=["CPUExecutionProvider"]
    )
    return lambda lr: session.run(None, {"lr": lr})[0]


def _openvino(model: SRCNN, threads: int) -> Predict:
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(core.read_model(_as_onnx(model)), "CPU", settings)
    return lambda lr: compiled(lr)[0]


def _as_onnx(model: SRCNN) -> bytes:
    return onnx_export.build(TrainedModel(SuperResolver(model, "full"), "")).SerializeToString()


WAYS = {
    "plain PyTorch": _plain,
    "this project": _ours,
    "ONNX Runtime": _onnxruntime,
    "OpenVINO": _openvino,
}
NEEDS: dict[str, list[str]] = {
    "plain PyTorch": [],
    "this project": [],
    "ONNX Runtime": ["onnx", "onnxscript", "onnxruntime"],
    "OpenVINO": ["onnx", "onnxscript", "openvino"],
}

if __name__ == "__main__":
    main()

"""Speed of super-resolution: this project's path beside plain PyTorch, ONNX Runtime and OpenVINO.

    python -m benchmarks.inference [--kernels 9 5 5] [--threads 2]

All run the same weights on the same LR pictures, of noise, and must agree to 1e-4. ONNX Runtime and
OpenVINO run, in float32, the file that `srcnn export` writes; they are left out where they are not
installed (requirements-onnx.txt and -benchmarks.txt).
"""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.setup import median_seconds
from srcnn import networks
from srcnn.command import onnx_export
from srcnn.inference.model_files import TrainedModel
from srcnn.inference.resolver import SuperResolver, by_tiles
from srcnn.networks import SRCNN
from srcnn.networks.bicubic import REACH, surrounded
from tests.support.pictures import noise

# LR (B, 1, h, w) -> SR (B, 1, h * SCALE, w * SCALE), float32
Predict = Callable[[np.ndarray], np.ndarray]

SCALE = 4
# SR pictures, height, width: from one portrait to 4K
PICTURES = (1, 256, 256), (16, 256, 256), (1, 1024, 1024), (1, 2160, 3840)
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
    for count, height, width in PICTURES:
        lr = noise(0, (count, 1, height // SCALE, width // SCALE)).astype(np.float32) / 255
        reference, cells = None, []
        for way, build in WAYS.items():
            try:
                predict = build(model, args.threads)
            except ImportError:  # of a package that is not needed otherwise
                continue
            sr = predict(lr)
            reference = sr if reference is None else reference
            if (error := float(np.abs(sr - reference).max())) > TOLERANCE:
                raise SystemExit(f"{way} differs by {error:g}; allowed is {TOLERANCE:g}")
            speed = sr.size / 1e6 / median_seconds(partial(predict, lr), args.repeats)
            cells.append((way, speed))
        plain = cells[0][1]
        row = "   ".join(f"{way} {speed:.1f} ({speed / plain:.2f}x)" for way, speed in cells)
        print(f"{f'{count} x {width}x{height}':14}  {row}", flush=True)


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


if __name__ == "__main__":
    main()

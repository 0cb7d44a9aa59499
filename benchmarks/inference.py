"""Speed of super-resolution: this project's path beside plain PyTorch, ONNX Runtime and OpenVINO.

    python -m benchmarks.inference [--kernels 9 5 5] [--threads 2]

All run the same weights on the same enlarged pictures (scikit-image's photographs, repeated to the
size asked for) and must agree to 1e-4. ONNX Runtime and OpenVINO are left out where they are not
installed (requirements-onnx.txt and -benchmarks.txt); both compile for the very size of the
pictures, in float32; that wait is shown and not counted in the speed.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable

import numpy as np
import skimage.data
import torch
from srcnn.models import SRCNN, crop
from torch import nn

from srcnn.color import luma
from srcnn.inference import valid_by_tiles

Predict = Callable[[np.ndarray], np.ndarray]  # (B, 1, H, W) padded -> (B, 1, h, w), float32

PICTURES = {  # pictures, height, width: from one portrait to 4K
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
    model = SRCNN(args.kernels, generator=torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        model.reconstruct.weight.mul_(20)  # so that a wrong result would show

    print(f"Megapixels per second on {args.threads} threads (and against plain PyTorch).")
    for name, size in PICTURES.items():
        padded = _photographs(*size, model.margin)
        reference, cells = None, []
        for way, build in WAYS.items():
            if not all(importlib.util.find_spec(package) for package in NEEDS[way]):
                continue
            start = time.perf_counter()
            predict = build(model, padded.shape, args.threads)
            built = time.perf_counter() - start
            sr = predict(padded)
            reference = sr if reference is None else reference
            if (error := float(np.abs(sr - reference).max())) > TOLERANCE:
                raise SystemExit(f"{way} differs by {error:g}; allowed is {TOLERANCE:g}")
            speed = sr.size / 1e6 / _seconds(predict, padded, args.repeats)
            cells.append((way, speed, built))
        plain = cells[0][1]
        row = "   ".join(
            f"{way} {speed:.1f} ({speed / plain:.2f}x)"
            + (f" +{built:.1f} s" if built > 0.05 else "")
            for way, speed, built in cells
        )
        print(f"{name:14}  {row}", flush=True)


def _photographs(count: int, height: int, width: int, margin: int) -> np.ndarray:
    gray = luma(skimage.data.astronaut(), "full").astype(np.float32) / 255
    tiled = np.tile(gray, (-(-height // 512) + 1, -(-width // 512) + 1))
    pictures = np.stack([tiled[16 * i :, 16 * i :][:height, :width] for i in range(count)])
    return np.pad(pictures[:, None], [(0, 0), (0, 0), (margin, margin), (margin, margin)], "edge")


def _seconds(predict: Predict, pictures: np.ndarray, repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        predict(pictures)
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[repeats // 2]


def _plain(model: SRCNN, shape: tuple[int, ...], threads: int) -> Predict:
    """Eager PyTorch as the layers' own forward runs it, in the default memory format."""
    layers = nn.Sequential(model.extract, nn.ReLU(), model.map, nn.ReLU(), model.reconstruct)

    def predict(pictures: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(pictures)
        with torch.inference_mode():
            return (layers(x) + crop(x, model.margin)).numpy()

    return predict


def _ours(model: SRCNN, shape: tuple[int, ...], threads: int) -> Predict:
    copy = SRCNN(model.kernels, model.channels)
    copy.load_state_dict(model.state_dict())
    copy.to(memory_format=torch.channels_last)
    return lambda pictures: valid_by_tiles(copy, torch.from_numpy(pictures)).numpy()


def _onnxruntime(model: SRCNN, shape: tuple[int, ...], threads: int) -> Predict:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        _as_onnx(model, shape), options, providers=["CPUExecutionProvider"]
    )
    return lambda pictures: session.run(None, {"x": pictures})[0]


def _openvino(model: SRCNN, shape: tuple[int, ...], threads: int) -> Predict:
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(core.read_model(_as_onnx(model, shape)), "CPU", settings)
    return lambda pictures: compiled(pictures)[0]


def _as_onnx(model: SRCNN, shape: tuple[int, ...]) -> bytes:
    """The network as an ONNX file for inputs of one shape."""
    import onnx
    from onnx import helper, numpy_helper

    tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    margin = model.margin
    tensors["from"] = np.array([margin, margin])
    tensors["to"] = np.array([shape[2] - margin, shape[3] - margin])
    tensors["axes"] = np.array([2, 3])
    nodes = [
        helper.make_node("Conv", ["x", "extract.weight", "extract.bias"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "map.weight", "map.bias"], ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Conv", ["d", "reconstruct.weight", "reconstruct.bias"], ["e"]),
        helper.make_node("Slice", ["x", "from", "to", "axes"], ["f"]),
        helper.make_node("Add", ["e", "f"], ["y"]),
    ]
    inner = (*shape[:2], shape[2] - 2 * margin, shape[3] - 2 * margin)
    graph = helper.make_graph(
        nodes,
        "SRCNN",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, inner)],
        [numpy_helper.from_array(tensor, name) for name, tensor in tensors.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


WAYS = {
    "plain PyTorch": _plain,
    "this project": _ours,
    "ONNX Runtime": _onnxruntime,
    "OpenVINO": _openvino,
}
NEEDS: dict[str, list[str]] = {
    "plain PyTorch": [],
    "this project": [],
    "ONNX Runtime": ["onnx", "onnxruntime"],
    "OpenVINO": ["onnx", "openvino"],
}

if __name__ == "__main__":
    main()

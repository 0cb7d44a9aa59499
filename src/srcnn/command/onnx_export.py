"""The network with its bicubic enlargement as one ONNX graph, from LR luma to SR luma."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from srcnn.imresize import bicubic_matrix, bicubic_upscale
from srcnn.inference import SuperResolver
from srcnn.model_files import TrainedModel

OPSET = 18
TOLERANCE = 1e-5

_REACH = 2  # LR pixels that bicubic enlargement takes on each side
_CHECKED_SIZES = ((2, 2), (17, 40), (64, 33))


class CannotExport(ValueError):
    """The model cannot be written as ONNX; the message says why."""


def export(model: TrainedModel, path: Path, overwrite: bool = False) -> None:
    """Write a model as an ONNX file, after ONNX Runtime gave the same as PyTorch.

    Input `lr`: float32 (batch, 1, height, width), luma in [0, 1] in the model's range, at least 2
    pixels a side. Output `sr`: the same, `scale` times the sides, not clamped. All four sizes but
    the 1 are dynamic. The file's metadata hold scale, luma, model and training_run.

    Raises:
        CannotExport: onnx or onnxruntime is not installed, the path exists or is a folder, or the
            results differ by more than 1e-5.
        OSError: the file cannot be written; its folder is made.
    """
    if path.is_dir():
        raise CannotExport(
            f"{path} is a folder; name the file in it, such as {path / 'srcnn.onnx'}"
        )
    if path.exists() and not overwrite:
        raise CannotExport(f"{path} exists already; --overwrite replaces it")
    try:
        import onnx
        import onnxruntime  # noqa: F401  # for the check after the graph is made
    except ImportError as error:
        raise CannotExport(
            f"ONNX export needs {error.name}, which is not installed: pip install 'srcnn[onnx]' "
            "(in the project: pip install -r requirements-onnx.txt)"
        ) from None
    graph = build(model)
    onnx.checker.check_model(graph, full_check=True)
    content = graph.SerializeToString()
    _check(content, model.resolver)
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def build(model: TrainedModel) -> Any:
    """The onnx.ModelProto."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    network = model.resolver.model
    scale = model.resolver.scale
    margin = network.margin
    constants = {
        "bicubic.weight": _bicubic_kernels(scale),
        "network.pads": np.array([0, 0, margin, margin, 0, 0, margin, margin], np.int64),
        **{name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()},
    }
    nodes = [
        *_mirrored(constants, "lr", "lr.high", axis=2),
        *_mirrored(constants, "lr.high", "lr.wide", axis=3),
        helper.make_node("Conv", ["lr.wide", "bicubic.weight"], ["phases"]),
        helper.make_node("DepthToSpace", ["phases"], ["upsampled"], blocksize=scale),
        helper.make_node("Pad", ["upsampled", "network.pads"], ["padded"], mode="edge"),
        *_convolution("extract", "padded", "extracted"),
        helper.make_node("Relu", ["extracted"], ["patches"]),
        *_convolution("map", "patches", "mapped"),
        helper.make_node("Relu", ["mapped"], ["features"]),
        *_convolution("reconstruct", "features", "detail" if network.residual else "sr"),
    ]
    if network.residual:
        nodes.append(helper.make_node("Add", ["upsampled", "detail"], ["sr"]))
    luma = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "srcnn",
        [helper.make_tensor_value_info("lr", luma, ["batch", 1, "height", "width"])],
        [helper.make_tensor_value_info("sr", luma, ["batch", 1, "sr_height", "sr_width"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    made = helper.make_model(graph, opset_imports=[opset], producer_name="srcnn")
    made.ir_version = onnx.helper.find_min_ir_version_for([opset])
    about = {
        "scale": str(scale),
        "luma": model.resolver.luma,
        "model": model.name,
        "training_run": model.run_id,
    }
    helper.set_model_props(made, about)
    return made


def _bicubic_kernels(scale: int) -> np.ndarray:
    """MATLAB's bicubic enlargement as a convolution: (scale², 1, 5, 5), a kernel for each of the
    scale by scale pixels that one LR pixel becomes.
    """
    taps = 2 * _REACH + 1
    matrix = bicubic_matrix(3 * taps, 3 * taps * scale)
    rows = matrix[(taps + _REACH) * scale : (taps + _REACH + 1) * scale, taps : 2 * taps]
    kernels = np.einsum("iy,jx->ijyx", rows, rows).reshape(scale**2, 1, taps, taps)
    return kernels.astype(np.float32)


def _mirrored(constants: dict[str, np.ndarray], given: str, made: str, axis: int) -> list[Any]:
    """Two pixels of mirrored border on both sides, the border pixel repeated, as in MATLAB.

    ONNX's own padding has no such mode. The constants that the nodes need are added.
    """
    from onnx import helper

    least = np.iinfo(np.int64).min
    ranges = {"before": (_REACH - 1, least), "after": (-1, -1 - _REACH)}
    nodes = []
    for side, (start, end) in ranges.items():
        names = [f"{made}.{side}.{part}" for part in ("start", "end", "axis", "step")]
        for name, value in zip(names, (start, end, axis, -1), strict=True):
            constants[name] = np.array([value], np.int64)
        nodes.append(helper.make_node("Slice", [given, *names], [f"{made}.{side}"]))
    parts = [f"{made}.before", given, f"{made}.after"]
    return [*nodes, helper.make_node("Concat", parts, [made], axis=axis)]


def _convolution(layer: str, given: str, made: str) -> list[Any]:
    from onnx import helper

    return [helper.make_node("Conv", [given, f"{layer}.weight", f"{layer}.bias"], [made])]


def _check(content: bytes, resolver: SuperResolver) -> None:
    """ONNX Runtime against PyTorch on noise of several sizes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for size in _CHECKED_SIZES:
        lr = rng.random(size)
        (got,) = session.run(["sr"], {"lr": lr.astype(np.float32)[None, None]})
        weight = resolver.model.extract.weight
        upsampled = torch.from_numpy(bicubic_upscale(lr.astype(np.float32), resolver.scale))
        with torch.inference_mode():
            batch = upsampled.to(weight.device, weight.dtype)[None, None]
            expected = resolver.model(batch).cpu().numpy()
        difference = float(np.abs(got - expected).max())
        if got.shape != expected.shape or not difference <= TOLERANCE:
            raise CannotExport(f"ONNX Runtime differs from PyTorch by {difference:.2g} on {size}")

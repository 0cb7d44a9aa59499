"""Any network as one ONNX graph, from LR luma to SR luma."""

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from srcnn.inference.model_files import TrainedModel
from srcnn.inference.resolver import SuperResolver
from srcnn.pictures.files import written_whole

OPSET = 18
TOLERANCE = 1e-5

_CHECKED_SIZES = ((1, 1), (17, 40), (64, 33))


def export(model: TrainedModel, path: Path, overwrite: bool = False) -> None:
    """Write a model as an ONNX file, after ONNX Runtime gave the same as PyTorch.

    Input `lr`: float32 (batch, 1, height, width), luma in [0, 1] in the model's range.
    Output `sr`: the same, `scale` times the sides, not clamped. All four sizes but the 1 are
    dynamic. The file's metadata hold scale, luma, model and training_run.

    Raises:
        ValueError: onnx, onnxscript or onnxruntime is not installed, the path exists or is a
            folder, or the results differ by more than 1e-5.
        OSError: the file cannot be written; its folder is made.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name the file in it, such as {path / 'srcnn.onnx'}")
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists already; --overwrite replaces it")
    try:
        import onnx
        import onnxruntime  # noqa: F401  # for the check after the graph is made
        import onnxscript  # noqa: F401  # for PyTorch's exporter
    except ImportError as error:
        raise ValueError(
            f"ONNX export needs {error.name}, which is not installed: pip install 'srcnn[onnx]' "
            "(in the project: pip install -r requirements-onnx.txt)"
        ) from None
    graph = build(model)
    onnx.checker.check_model(graph, full_check=True)
    content = graph.SerializeToString()
    _check(content, model.resolver)
    with written_whole(path) as file:
        file.write(content)


def build(model: TrainedModel) -> Any:
    """The onnx.ModelProto."""
    network = copy.deepcopy(model.resolver.model).cpu()
    sizes = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # what the exporter says of its own inner parts
        program = torch.onnx.export(
            network,
            (torch.rand(2, 1, 17, 40),),
            input_names=["lr"],
            output_names=["sr"],
            dynamic_shapes={"lr": sizes},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # noqa: S101  # it is with dynamo
    model_proto = program.model_proto
    for key, value in {
        "scale": str(model.resolver.scale),
        "luma": model.resolver.luma,
        "model": model.name,
        "training_run": model.run_id,
    }.items():
        model_proto.metadata_props.add(key=key, value=value)
    return model_proto


def _check(content: bytes, resolver: SuperResolver) -> None:
    """ONNX Runtime against PyTorch on noise of several sizes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for size in _CHECKED_SIZES:
        lr = torch.from_numpy(rng.random((1, 1, *size), np.float32))
        (got,) = session.run(["sr"], {"lr": lr.numpy()})
        with torch.inference_mode():
            expected = resolver.model(lr.to(resolver.device)).cpu().numpy()
        difference = float(np.abs(got - expected).max())
        if got.shape != expected.shape or not difference <= TOLERANCE:
            raise ValueError(f"ONNX Runtime differs from PyTorch by {difference:.2g} on {size}")

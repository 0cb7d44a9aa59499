"""A tiny experiment as the train stage leaves it, for tests of the stages that come after."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from pipeline.stage import paths
from pipeline.stage.inputs import Environment, digest, params_of
from pipeline.stage.params import Params
from pipeline.stage.record import Degraded, Trained
from srcnn.data.imresize import downscale
from srcnn.data.pairs import Pairs, writing_pairs
from srcnn.inference.resolver import SuperResolver
from srcnn.networks import SRCNN
from tests.support.params import params_with

SCALE = 2
DATA_STAGES = ("fetch", "grayscale-and-degrade")
RECORDS = {"train": paths.PIXEL.record, "finetune": paths.TUNED.record, "mix": paths.TRAINED}
KERNELS, CHANNELS = [3, 1, 3], [4, 3]
ENVIRONMENT = Environment("cpu", "AVX2", "float32", torch.__version__, 1, 1, "abc")


def load_params(changes: Mapping[str, object] | None = None) -> Params:
    """The project's parameters for the tiny network, with other values by dotted names."""
    tiny = {
        "degrade.scale": SCALE,
        "model.srcnn.kernels": KERNELS,
        "model.srcnn.channels": CHANNELS,
        "machine.device": "cpu",
        "machine.threads": 1,
        "train.patch_size": 24,
        "finetune.patch_size": 24,
    }
    return params_with(tiny | dict(changes or {}))


def picture(seed: int, height: int = 40, width: int = 48) -> np.ndarray:
    """A smooth gray picture with some noise, uint8 (height, width)."""
    rng = np.random.default_rng(seed)
    waves = np.sin(np.arange(height)[:, None] / 5 + seed) + np.cos(np.arange(width) / 7)
    return (127 + 50 * waves + rng.normal(0, 3, (height, width))).astype(np.uint8)


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Save a picture, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_experiment(test_pictures: int = 5, params: Params | None = None, seed: int = 0) -> None:
    """What an untrained model, its curve and its snapshots need or leave, in the current folder.

    Args:
        test_pictures: how many there are.
        params: what it was trained with; by default `load_params()`.
        seed: of the model's weights.
    """
    paths.PAIRS.mkdir(parents=True)
    with writing_pairs(paths.PAIRS, SCALE, "full") as add:
        for i in range(test_pictures + 2):
            hr, split = picture(i), ("train", "val")[i] if i < 2 else "test"
            add(f"p{i}", f"source{i // 2}", split, hr, downscale(hr, SCALE))
    generator = torch.Generator().manual_seed(seed)
    model = SRCNN(SCALE, KERNELS, CHANNELS, residual=True, generator=generator).eval()
    paths.WEIGHTS.parent.mkdir()
    paths.WEIGHTS.write_bytes(SuperResolver(model, "full").to_bytes())
    pixels = np.stack([picture(i, 32, 32) for i in range(8)]).reshape(4, 2, 32, 32)
    snapshots = torch.from_numpy(pixels)
    save_file(
        {
            "steps": torch.tensor([0, 10]),
            "sr": snapshots[:2].contiguous(),
            "bicubic": snapshots[2].contiguous(),
            "hr": snapshots[3].contiguous(),
            "in_training": torch.tensor([True, False]),
        },
        paths.SNAPSHOTS,
    )
    paths.RAW.mkdir()
    paths.RAW_INDEX.write_text("id,source,width,height,sha256\n")
    paths.TRAINING_CURVE.parent.mkdir()
    paths.DATA_METRICS.write_text("{}")
    paths.TRAINING_CURVE.write_text(
        "step,lr,train_loss,train_pixel,val_loss,train_psnr,train_psnr_bicubic,"
        "val_psnr,val_psnr_bicubic,val_ssim,val_ssim_bicubic\n"
        "0,,,,0.002,29.0,30.0,28.5,29.5,0.81,0.83\n"
        "5,0.001,0.0018,0.0018,,,,,,,\n"
        "10,0.001,0.0015,0.0015,0.0016,30.5,30.0,30.1,29.5,0.85,0.83\n"
    )
    _write_records(params or load_params())


def _write_records(params: Params) -> None:
    made = {stage: params_of(stage, params) for stage in DATA_STAGES}
    pairs = Pairs.open(paths.PAIRS).digest
    Degraded({**made["fetch"], **made["grayscale-and-degrade"]}, pairs).write(paths.DEGRADED)
    given: dict[str, object] = {}
    for stage, path in RECORDS.items():
        given |= params_of(stage, params)
        Trained(
            params=given,
            key="key",
            environment=ENVIRONMENT,
            pairs=pairs,
            weights=digest(paths.WEIGHTS),
            curve=digest(paths.TRAINING_CURVE),
            best={"step": 10, "val_loss": 0.0016, "val_psnr": 30.1, "val_psnr_bicubic": 29.5},
        ).write(path)

"""Two experiments as MLflow would return them, made in memory in a moment."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
from skimage import data, filters

from pipeline.compare.runs import PublishedRun, Reconstruction, Results
from srcnn.data.imresize import downscale
from srcnn.inference.resolver import bicubic
from srcnn.scoring.scores import Score
from tests.support.pictures import encoded

SCALE = 4


def with_scores(made, sets):
    """The experiment with other scores."""
    return replace(made, read_results=lambda: replace(made.results, scores=sets))


def changed(made, change):
    """The experiment with its scores of the held-out pictures as `change` makes them."""
    scores = [change(i, score) for i, score in enumerate(made.results.of_set("test").values())]
    return with_scores(made, {"test": {score.id: score for score in scores}})


def without(score, name):
    """The score without a measure."""
    of_sr, of_bicubic = (
        {other: value for other, value in values.items() if other != name}
        for values in (score.sr, score.bicubic)
    )
    return replace(score, sr=of_sr, bicubic=of_bicubic)


def experiment(
    name="pixel",
    weight="0.0",
    shift=0.0,
    count=24,
    tiles=1,
    pictures=3,
    params=None,
    tags=None,
    metrics=None,
    evaluation=None,
    measures=("psnr", "ssim", "gmsd"),
):
    """An experiment; `shift`: worse PSNR and SSIM, all other measures better."""
    run_id = hashlib.md5(name.encode()).hexdigest()
    results = Results(
        {"scale": SCALE, "luma": "full", "shave": SCALE, "sources": count // tiles, "loss": "mse"}
        | (evaluation or {}),
        scores(shift, count, tiles, measures),
        curve(float(weight), shift),
        [picture(i, shift) for i in range(pictures)],
    )
    loss = {"pixel": "mse", "perceptual_weight": weight, "vgg19_weights": "embedded"}
    given = {f"loss.{name}": value for name, value in loss.items()} | {"degrade.scale": "4"}
    found = {"val/psnr_gain": 1.0, "val/gmsd": 0.1, "test/gmsd": 0.1, "best/step": 300}
    return PublishedRun(
        run_id,
        name,
        given | (params or {}),
        {"data.pairs": "digest", "model.version": "1", "dvc.experiment": name} | (tags or {}),
        found | (metrics or {}),
        lambda: results,
    )


def scores(shift, count, tiles, measures):
    rng = np.random.default_rng(0)
    noise = np.random.default_rng(round(1000 * shift) + 1)
    sizes = {"psnr": (28, 1, 3), "ssim": (0.8, 0.03, 0.05)}
    of_sr, of_bicubic = [{} for _ in range(count)], [{} for _ in range(count)]
    for measure in measures:
        mean, gain, spread = sizes.get(measure, (0.2, -0.05, 0.02))
        base = rng.normal(mean, spread, count)
        worse = shift * gain * noise.normal(1, 0.3, count) * (1 if measure in sizes else -1)
        for i in range(count):
            of_bicubic[i][measure] = round(base[i] - gain, 6)
            of_sr[i][measure] = round(base[i] - worse[i], 6)
    found = [
        Score(
            f"picture{i:02d}", f"source{i // tiles}", "full", f"{i:016x}", of_sr[i], of_bicubic[i]
        )
        for i in range(count)
    ]
    return {"test": {score.id: score for score in found}}


def curve(weight, shift):
    steps = np.arange(0, 301, 10)
    noise = np.random.default_rng(1).normal(1, 0.05, len(steps))
    pixel = (0.002 + 0.004 * np.exp(-steps / 60)) * noise
    validated = steps % 50 == 0
    table = pd.DataFrame({"step": steps, "train_pixel": pixel, "train_loss": pixel})
    table["val_loss"] = np.where(validated, pixel, np.nan)
    if weight:
        table["train_perceptual_weighted"] = weight * 0.4 * noise
        table["train_loss"] += table["train_perceptual_weighted"]
    psnr = 28 - shift + 2 * (1 - np.exp(-steps / 60))
    for split in ("train", "val"):
        table[f"{split}_psnr"] = np.where(validated, psnr, np.nan)
        table[f"{split}_psnr_bicubic"] = np.where(validated, 28.4, np.nan)
    return table


def picture(i, shift):
    hr = data.camera()[64 * i : 64 * i + 128, 150:310]
    lr = downscale(np.ascontiguousarray(hr), SCALE)
    smooth = bicubic(lr, SCALE)
    sharp = filters.unsharp_mask(smooth, 3, 1 + shift, preserve_range=True)
    sr = np.clip(sharp, 0, 255).astype(np.uint8)
    kinds = {"lr": lr, "bicubic": smooth, "sr": sr, "hr": hr}
    return Reconstruction(
        f"picture{i:02d}", True, {kind: encoded(pixels) for kind, pixels in kinds.items()}
    )

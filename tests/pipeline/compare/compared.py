"""Two experiments as MLflow would return them, made in memory in a moment."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
from skimage import data

from pipeline.compare.comparison import compare_all
from pipeline.compare.runs import PublishedRun, Reconstruction, Results
from srcnn.data.imresize import downscale
from srcnn.inference import resolver
from srcnn.scoring.scores import Score
from tests.support.pictures import encoded

SCALE = 4


def compare_two(a, b):
    """The comparison of two experiments alone."""
    (comparison,) = compare_all([a, b])
    return comparison


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
        curve(),
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
    sr, bicubic = {}, {}
    for measure in measures:
        mean, gain, spread = sizes.get(measure, (0.2, -0.05, 0.02))
        base = rng.normal(mean, spread, count)
        worse = shift * gain * noise.normal(1, 0.3, count) * (1 if measure in sizes else -1)
        sr[measure], bicubic[measure] = base - worse, base - gain
    values = [pd.DataFrame(of).round(6).to_dict("records") for of in (sr, bicubic)]
    found = [
        Score(f"picture{i:02d}", f"source{i // tiles}", "full", f"{i:016x}", *of_both)
        for i, of_both in enumerate(zip(*values, strict=True))
    ]
    return {"test": {score.id: score for score in found}}


def curve():
    steps = np.arange(0, 301, 50)
    psnr = [f"{split}_psnr{part}" for split in ("train", "val") for part in ("", "_bicubic")]
    columns = ["train_loss", "val_loss", *psnr]
    return pd.DataFrame({"step": steps} | dict.fromkeys(columns, 1 + steps / 300))


def picture(i, shift):
    hr = data.camera()[64 * i : 64 * i + 128, 150:310]
    lr = downscale(np.ascontiguousarray(hr), SCALE)
    smooth = resolver.bicubic(lr, SCALE)
    sr = (smooth * (0.5 + shift / 4) + hr * (0.5 - shift / 4)).astype(np.uint8)
    kinds = {"lr": lr, "bicubic": smooth, "sr": sr, "hr": hr}
    return Reconstruction(
        f"picture{i:02d}", True, {kind: encoded(pixels) for kind, pixels in kinds.items()}
    )

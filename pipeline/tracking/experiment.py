"""A finished experiment: what its stages left, read, checked and put into words and numbers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import pandas as pd

from pipeline import stage
from pipeline.stage import artifacts, paths
from pipeline.stage.inputs import digest, hash_of
from pipeline.stage.record import Degraded, Evaluated, Trained
from srcnn.data.pairs import Pairs
from srcnn.scoring.measures import measures_among


@dataclass(frozen=True)
class Experiment:
    """All that is published of an experiment, as its stages left it.

    Attributes:
        trained: what the model was trained from.
        params: of data, training and evaluation, by dotted names.
        evaluation: evaluation.json.
        curve: training.csv.
        pairs: the data.
    """

    trained: Trained
    params: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    curve: pd.DataFrame
    pairs: Pairs

    @property
    def content(self) -> str:
        """Key of what is published: parameters, weights and scores."""
        results = (paths.WEIGHTS, paths.PER_IMAGE, paths.EVALUATION)
        return hash_of([self.params, {str(path): digest(path) for path in results}])

    @property
    def gain(self) -> float:
        """Gain in PSNR over bicubic of the model, on validation pictures."""
        validation = self.evaluation["validation"]
        return float(validation["psnr"] - validation["psnr_bicubic"])

    @classmethod
    def read(cls) -> Self:
        """What is in the current folder.

        Raises:
            StageError: something is missing or damaged, or the parts are not of one experiment.
        """
        degraded = Degraded.read(paths.DEGRADED)
        trained = Trained.read(paths.TRAINED, paths.WEIGHTS)
        evaluated = Evaluated.read(paths.EVALUATED)
        with artifacts.reading(paths.PAIRS):
            pairs = Pairs.open(paths.PAIRS)
        with artifacts.reading(paths.EVALUATION):
            evaluation = json.loads(paths.EVALUATION.read_text(encoding="utf-8"))
        with artifacts.reading(paths.TRAINING_CURVE):
            curve = pd.read_csv(paths.TRAINING_CURVE)
        parts = {
            str(paths.PAIRS): {pairs.digest, degraded.pairs, trained.pairs, evaluated.pairs},
            str(paths.WEIGHTS): {trained.weights, evaluated.weights},
            str(paths.TRAINING_CURVE): {trained.curve, digest(paths.TRAINING_CURVE)},
            "seed": {part.params["seed"] for part in (degraded, trained, evaluated)},
        }
        mixed = [what for what, versions in parts.items() if len(versions) > 1]
        if mixed:
            raise stage.StageError(
                "the results do not belong to one experiment: they differ in "
                f"{' and '.join(mixed)}. `dvc repro` makes what is missing"
            )
        params = degraded.params | trained.params | evaluated.params
        return cls(trained, params, evaluation, curve, pairs)

    @property
    def has_untrained_features(self) -> bool:
        """Whether its perceptual loss looks through an untrained VGG19."""
        params = self.params
        return bool(params["loss.perceptual_weight"]) and params["loss.vgg19_weights"] == "random"

    def metrics(self) -> dict[str, float]:
        """What experiments are compared by: test/psnr, test/psnr_gain, test-Set5/psnr, ...

        The rest of evaluation.json is in the run's artifacts; each metric is one more chart in
        MLflow's pages.
        """
        evaluation = self.evaluation
        best = self.trained.best
        speed = json.loads(paths.SPEED.read_text(encoding="utf-8"))
        metrics = {
            "val/psnr_gain": self.gain,
            "best/step": best["step"],
            "network/parameters": evaluation["parameters"],
            "network/macs_per_pixel": evaluation["macs_per_pixel"],
            "network/megapixels_per_second": speed["megapixels_per_second"],
            **_measures("test", evaluation),
        }
        # The curve, too, has a val/psnr: of the last step, and of weights that were not mixed.
        metrics |= {
            f"val/{name}": value
            for name, value in evaluation["validation"].items()
            if name != "pictures" and value is not None and f"val_{name}" not in self.curve
        }
        for name, scores in evaluation["test_sets"].items():
            metrics |= _measures(f"test-{name}", scores)
        return metrics

    def summary(self) -> str:
        """What it is and how good, in one line of Markdown."""
        params = self.params
        evaluation = self.evaluation
        return (
            f"{evaluation['network']}, x{params['degrade.scale']}, {evaluation['loss']}, "
            f"{params['data.source']}: **{evaluation['psnr']:.2f} dB**, "
            f"SSIM {evaluation['ssim']:.4f} on {evaluation['pictures']} test pictures "
            f"(bicubic {evaluation['psnr_bicubic']:.2f} dB, {evaluation['ssim_bicubic']:.4f}); "
            f"luma {self.pairs.luma}"
        )

    def result(self) -> str:
        """The result in one line, for whoever waited for it."""
        evaluation = self.evaluation
        interval = evaluation["psnr_source_gain_ci95"]
        certain = f" (95 % interval {interval[0]:+.2f} to {interval[1]:+.2f})" if interval else ""
        return (
            f"{evaluation['network']} {evaluation['psnr']:.2f} dB, "
            f"bicubic {evaluation['psnr_bicubic']:.2f}, means over {evaluation['pictures']} test "
            f"pictures; mean gain over {evaluation['sources']} sources "
            f"{evaluation['psnr_source_gain']:+.2f} dB{certain}"
        )


def _measures(group: str, summary: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{group}/{measure.name}{part}": summary[f"{measure.name}{part}"]
        for measure in measures_among(summary)
        for part in ("", "_bicubic", "_gain")
    }

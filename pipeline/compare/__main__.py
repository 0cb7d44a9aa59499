"""Compare two experiments in MLflow: a table, and one page with pictures that works offline.

python -m pipeline.compare                  the best pixel-only against the best perceptual run
python -m pipeline.compare NAME NAME        two runs: run name, DVC experiment, run id or version

Which are the best is decided on validation pictures: see `best_of_each_kind`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.base import artifacts, stage
from pipeline.base.params import Params
from pipeline.base.stage import StageError
from pipeline.compare import experiments, page, wording
from pipeline.compare.experiments import Experiment
from pipeline.compare.results import compare_experiments

# The judges of perceptual runs, the most trusted first; lower is better.
_LPIPS, _VGG19, _GMSD = "val/lpips", "val/vgg19", "val/gmsd"
_GAIN = "val/psnr_gain"


def main(params: Params, names: Sequence[str], output: Path) -> None:
    """Print the comparison of two experiments and write its page.

    Raises:
        StageError: there are no such experiments, or they cannot be compared.
    """
    found = experiments.published(experiments.open_store(params.tracking.experiment))
    if not found:
        raise StageError(
            f"MLflow experiment {params.tracking.experiment!r} holds no finished run; "
            "`dvc repro` makes one"
        )
    a, b = [find(found, name) for name in names] if names else best_of_each_kind(found)
    comparison = compare_experiments(a, b)
    print(wording.as_text(comparison))
    artifacts.write_text(output, page.render(comparison))
    print(f"\nWith curves and pictures: {output}")


def find(found: Sequence[Experiment], name: str) -> Experiment:
    """The newest experiment of that run name, DVC experiment, run id or model version.

    Raises:
        StageError: there is none.
    """
    called = [experiment for experiment in found if name in experiment.names]
    if not called:
        called = [e for e in found if len(name) >= 6 and e.run_id.startswith(name)]
    if not called:
        there = "\n".join(f"  {_listed(experiment)}" for experiment in found[:20])
        more = f"\n  and {len(found) - 20} older ones" if len(found) > 20 else ""
        raise StageError(f"there is no experiment {name!r} in MLflow. There are:\n{there}{more}")
    return called[0]


def best_of_each_kind(found: Sequence[Experiment]) -> tuple[Experiment, Experiment]:
    """The best pixel-only and the best perceptual experiment, by validation pictures alone.

    Both are of the same data and as many validation pictures (`train.val_pictures`): the newest
    such group that has both kinds. The best pixel-only experiment has the highest gain in PSNR over
    bicubic, the best perceptual one the lowest LPIPS; or the lowest VGG19 distance where LPIPS was
    not measured of all, or GMSD where that was not measured with the same weights of all. The loss
    itself decides nothing: it means another thing with other layers, weights and patches.
    An experiment whose VGG19 is untrained is never the best one.

    Args:
        found: newest first.

    Raises:
        StageError: no group has both kinds.
    """
    for group in dict.fromkeys(_validated_on(experiment) for experiment in found):
        same = [experiment for experiment in found if _validated_on(experiment) == group]
        pixel = [e for e in same if not e.is_perceptual]
        perceptual = [e for e in same if e.is_perceptual and _has_trained_features(e)]
        judged = [e for e in perceptual if _GMSD in e.metrics]  # of older code none was
        if pixel and judged:
            judge = _judge(judged)
            return (
                max(pixel, key=lambda experiment: experiment.metrics[_GAIN]),
                min(judged, key=lambda experiment: experiment.metrics[judge]),
            )
    there = "\n".join(f"  {_listed(experiment)}" for experiment in found[:20])
    raise StageError(
        "MLflow holds no pixel-only and perceptual experiment on the same data and "
        "train.val_pictures, the perceptual one with a trained VGG19 and evaluated by this code; "
        "`dvc exp run -S loss.perceptual_weight=0.01` makes a perceptual one, "
        "`-S loss.perceptual_weight=0` a pixel-only one, and any two can be compared by name. "
        f"There are:\n{there}"
    )


def _validated_on(experiment: Experiment) -> tuple[str, str | None]:
    return experiment.data, experiment.params.get("train.val_pictures")


def _has_trained_features(experiment: Experiment) -> bool:
    return experiment.params.get("loss.vgg19_weights") != "random"


def _judge(perceptual: Sequence[Experiment]) -> str:
    """The most trusted measure that all were judged by in the same way."""
    weights = {experiment.tags.get("vgg19_weights") for experiment in perceptual}
    if all(_LPIPS in experiment.metrics for experiment in perceptual):
        return _LPIPS
    if all(_VGG19 in experiment.metrics for experiment in perceptual) and len(weights) == 1:
        return _VGG19
    return _GMSD


def _listed(experiment: Experiment) -> str:
    params = experiment.params
    return (
        f"{experiment.label}: model version {experiment.tags.get('model.version')}, "
        f"{params.get('data.source')}, x{params.get('degrade.scale')}, "
        f"loss.perceptual_weight {params.get('loss.perceptual_weight')}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.compare",
        description="Compare two experiments in MLflow: measures in pairs, curves, pictures.",
    )
    parser.add_argument(
        "experiments",
        nargs="*",
        metavar="EXPERIMENT",
        help="two of them: run name, DVC experiment name, run id or model version; default: the "
        "best pixel-only one (highest PSNR gain) against the best perceptual one with a trained "
        "VGG19 (lowest LPIPS, else VGG19 distance, else GMSD: the first that all have, measured "
        "with the same weights), both by the same validation pictures of the same data",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("comparison.html"), help="the page (%(default)s)"
    )
    arguments = parser.parse_args()
    if len(arguments.experiments) not in (0, 2):
        parser.error(f"name two experiments or none, not {len(arguments.experiments)}")
    return arguments


if __name__ == "__main__":
    given = _arguments()
    stage.run(lambda params: main(params, given.experiments, given.output))

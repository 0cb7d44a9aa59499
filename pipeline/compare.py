"""Compare two experiments in MLflow: a table, and one page with pictures that works offline.

python -m pipeline.compare                  the best pixel-only against the best perceptual run
python -m pipeline.compare NAME NAME        two runs: run name, DVC experiment, run id or version
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline import artifacts, stage
from pipeline.comparison import experiments, page, wording
from pipeline.comparison.experiments import Experiment
from pipeline.comparison.results import compare_experiments
from pipeline.params import Params
from pipeline.stage import StageError

# The judges of perceptual runs, the most trusted first; lower is better.
_PERCEPTUAL = ("test/lpips", "test/vgg19", "test/gmsd")
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
    """The best pixel-only and the best perceptual experiment on the same data.

    Of several data sets, the one with the newest experiment among those with both kinds. The best
    pixel-only experiment has the highest validation gain in PSNR; the best perceptual one has the
    lowest LPIPS on the test pictures, or VGG19 distance or GMSD where not all have LPIPS.

    Raises:
        StageError: no data set has both kinds.
    """
    for data in dict.fromkeys(experiment.data for experiment in found):
        same = [experiment for experiment in found if experiment.data == data]
        perceptual = [experiment for experiment in same if experiment.is_perceptual]
        pixel = [experiment for experiment in same if not experiment.is_perceptual]
        if pixel and perceptual:
            judge = next(m for m in _PERCEPTUAL if all(m in e.metrics for e in perceptual))
            return (
                max(pixel, key=lambda experiment: experiment.metrics[_GAIN]),
                min(perceptual, key=lambda experiment: experiment.metrics[judge]),
            )
    there = "\n".join(f"  {_listed(experiment)}" for experiment in found[:20])
    raise StageError(
        "MLflow holds no pixel-only and perceptual experiment on the same data; "
        "`dvc exp run -S loss.perceptual_weight=0.01` makes a perceptual one, "
        "`-S loss.perceptual_weight=0` a pixel-only one, and any two can be compared by name. "
        f"There are:\n{there}"
    )


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
        "best pixel-only against the best perceptual one on the same data",
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

"""Compare two experiments in MLflow: a table, and one page with pictures that works offline.

python -m pipeline.compare                  the best pixel-only against the best perceptual run
python -m pipeline.compare NAME NAME        two runs: any of their names, run id or version

Which are the best is decided on validation pictures: see `choice.best_of_each_kind`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline import stage
from pipeline.compare import page, runs, wording
from pipeline.compare.choice import best_of_each_kind, find
from pipeline.compare.comparison import compare_runs
from pipeline.stage import artifacts
from pipeline.stage.params import Params


def main(params: Params, names: Sequence[str], output: Path) -> None:
    """Print the comparison of two experiments and write its page.

    Raises:
        StageError: there are no such experiments, or they cannot be compared.
    """
    found = runs.published(params.tracking.experiment)
    a, b = find(found, names) if names else best_of_each_kind(found)
    comparison = compare_runs(a, b)
    artifacts.write_text(output, page.render(comparison))  # first: who reads the text may leave
    print(wording.as_text(comparison))
    print(f"\nWith curves and pictures: {output}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.compare",
        description="Compare two experiments in MLflow: measures in pairs, curves, pictures.",
    )
    parser.add_argument(
        "experiments",
        nargs="*",
        metavar="EXPERIMENT",
        help="two of them: run name, DVC experiment name (of equal ones any), run id or model "
        "version; default: the "
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

"""Compare experiments in MLflow: tables, and one page with pictures that works offline.

python -m pipeline.compare                  the best run of each kind of loss
python -m pipeline.compare NAME NAME...     each against the first: any of their names, run id or
                                            version; 'mse-*' is the mean of all that it fits

Which are the best is decided on validation pictures: see `choice.best_of_each_kind`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase

from pipeline import stage
from pipeline.compare import page, runs, wording
from pipeline.compare.choice import best_of_each_kind, find
from pipeline.compare.comparison import compare_all
from pipeline.stage import artifacts
from pipeline.stage.params import Params


def main(params: Params, names: Sequence[str], output: Path) -> None:
    """Print the comparison of experiments with the first of them, and write its page.

    Raises:
        StageError: there are no such experiments, or they cannot be compared.
    """
    found = runs.published(params.tracking.experiment)
    comparisons = compare_all(find(found, names) if names else best_of_each_kind(found))
    artifacts.write_text(output, page.render(comparisons))  # first: who reads the text may leave
    print(wording.as_text(comparisons))
    print(f"\nWith curves and pictures: {output}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.compare",
        description="Compare experiments in MLflow with the first of them: measures in pairs, "
        "curves, pictures.",
    )
    parser.add_argument(
        "experiments",
        nargs="*",
        metavar="EXPERIMENT",
        help="two or more: run name, DVC experiment name (of equal ones any), run id or model "
        "version, or a pattern such as 'mse-*' for the mean of runs that differ in their seed "
        "alone; default: the best pixel-only one (highest PSNR gain), the best perceptual one with "
        "a trained VGG19 and the best adversarial one (lowest LPIPS, else VGG19 distance, else "
        "GMSD: the first that all have, measured with the same weights), all by the same "
        "validation pictures of the same data",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("comparison.html"), help="the page (%(default)s)"
    )
    arguments = parser.parse_args()
    number = len(arguments.experiments)
    if number and not 2 <= number <= len(ascii_uppercase):
        parser.error(f"name 2 to {len(ascii_uppercase)} experiments or none, not {number}")
    return arguments


if __name__ == "__main__":
    given = _arguments()
    stage.run(lambda params: main(params, given.experiments, given.output))

"""Compare experiments in MLflow: tables, and one page with pictures that works offline.

python -m pipeline.compare                  the best run of each kind of loss
python -m pipeline.compare NAME NAME...     each against the first: any of their names, run id or
                                            version; 'mse-*' is the mean of all that it fits
  ... --blend 0.5                           also the mean of the first two's pictures
  ... --folder NAME=FOLDER                  also pictures of another upscaler
  ... --figure FILE.pdf --pictures ID,ID    also a figure for print

Which are the best is decided on validation pictures: see `choice.best_of_each_kind`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase

from pipeline import stage
from pipeline.compare import figure, page, runs, unpublished, wording
from pipeline.compare.choice import best_of_each_kind, find
from pipeline.compare.comparison import compare_all
from pipeline.stage import artifacts
from pipeline.stage.params import Params


def main(params: Params, arguments: argparse.Namespace) -> None:
    """Print the comparison of experiments with the first of them, and write its page.

    Args:
        params: where the experiments are, and how what no run holds is scored.
        arguments: see `parse`.

    Raises:
        StageError: there are no such experiments, or they cannot be compared.
    """
    published = runs.published(params.tracking.experiment)
    names = arguments.experiments
    chosen = find(published, names) if names else best_of_each_kind(published)
    chosen += [unpublished.blend(chosen[0], chosen[1], share, params) for share in arguments.blend]
    for name, folder in arguments.folder:
        chosen.append(unpublished.from_folder(name, folder, chosen[0], params))
    comparisons = compare_all(chosen)
    # First: who reads the text may leave.
    artifacts.write_text(arguments.output, page.render(comparisons))
    if arguments.figure:
        figure.write(arguments.figure, chosen, arguments.pictures)
    print(wording.as_text(comparisons))
    print(f"\nWith curves and pictures: {arguments.output}")
    if arguments.figure:
        print(f"For print: {arguments.figure}")


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line asks for; by default that of this process."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.compare",
        description="Compare experiments in MLflow with the first of them: measures in pairs, "
        "curves, pictures.",
    )
    parser.add_argument(
        "experiments",
        nargs="*",
        metavar="EXPERIMENT",
        help="two or more: run name, DVC experiment name, run id or model version, or a pattern "
        "such as 'mse-*' for the mean of runs that differ in their seed alone; default: the best "
        "of each kind of loss on validation pictures",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("comparison.html"), help="the page (%(default)s)"
    )
    parser.add_argument(
        "--blend",
        type=float,
        action="append",
        default=[],
        metavar="SHARE",
        help="also the mean of what the first two networks make, the second's of this share, 0 to "
        "1; scored here, on the test pictures in data/pairs (repeatable)",
    )
    parser.add_argument(
        "--folder",
        type=_named_folder,
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="also what another upscaler made of the test pictures: files named by their ids; "
        "scored here (repeatable)",
    )
    formats = ", ".join(figure.FORMATS)
    parser.add_argument(
        "--figure", type=Path, metavar="FILE", help=f"also a figure for print, {formats}"
    )
    parser.add_argument(
        "--pictures",
        type=lambda ids: ids.split(","),
        default=[],
        metavar="ID,ID",
        help="the test pictures in the figure (default: the first two)",
    )
    arguments = parser.parse_args(words)
    number = len(arguments.experiments)
    least = 1 if arguments.folder and not arguments.blend else 2
    if number and not least <= number <= len(ascii_uppercase):
        parser.error(f"name {least} to {len(ascii_uppercase)} experiments or none, not {number}")
    if wrong := [share for share in arguments.blend if not 0 <= share <= 1]:
        parser.error(f"--blend {wrong[0]:g} is no share, from 0 to 1")
    if arguments.figure and arguments.figure.suffix.lower() not in figure.FORMATS:
        parser.error(f"--figure {arguments.figure} must end in {formats}")
    if arguments.pictures and not arguments.figure:
        parser.error("--pictures are those of --figure, which is not there")
    return arguments


def _named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    path = Path(folder).expanduser()
    if not (name and folder and path.is_dir()):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FOLDER with a folder that is there")
    return name, path


if __name__ == "__main__":
    arguments = parse()
    stage.run(lambda params: main(params, arguments))

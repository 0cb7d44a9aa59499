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
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase

from pipeline import stage
from pipeline.compare import figure, page, runs, unpublished, wording
from pipeline.compare.choice import best_of_each_kind, find
from pipeline.compare.comparison import compare_all
from pipeline.stage import artifacts
from pipeline.stage.params import Params


def main(
    params: Params,
    names: Sequence[str],
    output: Path,
    blends: Sequence[float] = (),
    folders: Mapping[str, Path] | None = None,
    figure_file: Path | None = None,
    pictures: Sequence[str] = (),
) -> None:
    """Print the comparison of experiments with the first of them, and write its page.

    Args:
        params: where the experiments are, and how what no run holds is scored.
        names: of the experiments; none: the best of each kind.
        output: the page.
        blends: shares of the second experiment in blends with the first.
        folders: pictures of other upscalers, by their names.
        figure_file: where to write a figure for print, if anywhere.
        pictures: ids of the test pictures in it; none: the first two.

    Raises:
        StageError: there are no such experiments, or they cannot be compared.
    """
    found = runs.published(params.tracking.experiment)
    chosen = find(found, names) if names else best_of_each_kind(found)
    chosen += [unpublished.blend(chosen[0], chosen[1], share, params) for share in blends]
    for name, folder in (folders or {}).items():
        chosen.append(unpublished.from_folder(name, folder, chosen[0], params))
    comparisons = compare_all(chosen)
    artifacts.write_text(output, page.render(comparisons))  # first: who reads the text may leave
    if figure_file:
        figure.write(figure_file, chosen, pictures)
    print(wording.as_text(comparisons))
    print(f"\nWith curves and pictures: {output}")
    if figure_file:
        print(f"For print: {figure_file}")


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
    parser.add_argument(
        "--blend",
        type=_share,
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
    parser.add_argument(
        "--figure",
        type=_figure,
        metavar="FILE",
        help=f"also a figure for print, {', '.join(figure.FORMATS)}: test pictures, whole and a "
        "part, by LR, bicubic, each experiment and HR, with their measures",
    )
    parser.add_argument(
        "--pictures",
        type=lambda ids: ids.split(","),
        default=[],
        metavar="ID,ID",
        help="the test pictures in the figure (default: the first two)",
    )
    arguments = parser.parse_args()
    number = len(arguments.experiments)
    least = 1 if arguments.folder and not arguments.blend else 2
    if number and not least <= number <= len(ascii_uppercase):
        parser.error(f"name {least} to {len(ascii_uppercase)} experiments or none, not {number}")
    if arguments.pictures and not arguments.figure:
        parser.error("--pictures are those of --figure, which is not there")
    return arguments


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share, from 0 to 1")
    return share


def _named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if not (name and Path(folder).expanduser().is_dir()):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FOLDER with a folder that is there")
    return name, Path(folder).expanduser()


def _figure(text: str) -> Path:
    if Path(text).suffix.lower() not in figure.FORMATS:
        raise argparse.ArgumentTypeError(f"{text!r} must end in {', '.join(figure.FORMATS)}")
    return Path(text)


if __name__ == "__main__":
    arguments = _arguments()
    stage.run(
        lambda params: main(
            params,
            arguments.experiments,
            arguments.output,
            arguments.blend,
            dict(arguments.folder),
            arguments.figure,
            arguments.pictures,
        )
    )

"""The comparison in words and as text: the same sentences in the terminal and on the page."""

from collections.abc import Sequence

from pipeline.base.paths import HELD_OUT
from pipeline.compare.experiments import Experiment
from pipeline.compare.results import Comparison
from srcnn.measures import VGG19
from srcnn.statistics import FEWEST_SOURCES, Difference


def interval(difference: Difference) -> str:
    """The 95 % interval of a difference; empty of a single source."""
    if difference.interval is None:
        return ""
    low, high = (difference.measure.number(end, signed=True) for end in difference.interval)
    return f"{low} to {high}"


def significance(difference: Difference) -> str:
    """Who is better at a measure, and in how many pictures."""
    p = difference.p_value
    shown = "p < 0.001" if p < 0.001 else f"p {p:.3f}"
    if not difference.better:
        return f"no significant difference, {shown}"
    won = difference.wins["ab".index(difference.better)]
    letter = difference.better.upper()
    return f"{letter} is better in {won} of {difference.pictures} pictures, {shown}"


def loss(experiment: Experiment) -> str:
    """What an experiment was trained to minimise."""
    described = experiment.results.evaluation.get("loss")
    return described or experiment.params.get("loss.pixel", "unknown")


def verdict(differences: Sequence[Difference]) -> str:
    """What is significant about the measures of one test set, in a plain sentence or two."""
    sources = max(difference.sources for difference in differences)
    if sources < FEWEST_SOURCES:
        counted = "one source picture" if sources == 1 else f"{sources} source pictures"
        return (
            f"The test pictures come from {counted}: too few to call any difference significant "
            f"({FEWEST_SOURCES} are needed)."
        )
    parts = []
    for letter in "AB":
        won = [d for d in differences if d.better == letter.lower()]
        if won:
            parts.append(
                f"{letter} is significantly better in {_listed([_amount(d) for d in won])}"
            )
    open_ = [d.measure.title for d in differences if not d.better]
    if open_:
        parts.append(f"{'n' if parts else 'N'}o significant difference in {_listed(open_)}")
    return f"{'; '.join(parts)}."


def _amount(difference: Difference) -> str:
    measure = difference.measure
    return f"{measure.title} (by {measure.text(abs(difference.mean))})"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def remarks(comparison: Comparison) -> list[str]:
    """What one must know to read the differences rightly."""
    found = []
    perceptual = [
        letter
        for letter, experiment in (("A", comparison.a), ("B", comparison.b))
        if experiment.is_perceptual
    ]
    if len(perceptual) == 1:
        found.append(
            f"{perceptual[0]} was trained with a perceptual loss. It is expected to lose PSNR and "
            "SSIM, which reward blur where detail is uncertain, often GMSD too, and to gain in "
            "VGG19 distance and LPIPS."
        )
    measures = {d.measure for of_set in comparison.differences.values() for d in of_set}
    if perceptual and VGG19 in measures:
        found.append(
            f"{' and '.join(perceptual)} learned from VGG19 features, so the VGG19 distance is "
            "no independent judge of that; LPIPS and GMSD are."
        )
    others = comparison.other_parameters
    if others:
        found.append(
            "They differ in more than the loss, so the differences are not of the loss alone: "
            f"{', '.join(others)}."
        )
    for name, why in comparison.left_out.items():
        found.append(f"{set_title(name)} is not compared: {why}.")
    for measure, why in comparison.unmeasured.items():
        found.append(f"{measure.title} is not compared: {why}.")
    return found


def as_text(comparison: Comparison) -> str:
    """The whole comparison for a terminal."""
    lines = []
    for letter, experiment in (("A", comparison.a), ("B", comparison.b)):
        lines.append(f"{letter}  {experiment.label}: {loss(experiment)}")
    lines += ["", "Parameters that differ"]
    rows = [(name, *values) for name, values in comparison.parameters.items()]
    lines += _table(["", "A", "B"], rows, "<<<") if rows else ["  none"]
    for name, differences in comparison.differences.items():
        lines += ["", f"{set_title(name)}: {differences[0].pictures} pictures"]
        lines += _table(
            ["", "bicubic", "A", "B", "B − A", "95 % interval", "significant"],
            [_row(difference) for difference in differences],
            "<>>>>><",
        )
        lines += ["", verdict(differences)]
    notes = remarks(comparison)
    lines += notes
    return "\n".join(lines)


def set_title(name: str) -> str:
    """A test set's name for a heading."""
    return "Held-out test pictures" if name == HELD_OUT else f"Test set {name}"


def _row(difference: Difference) -> list[str]:
    measure = difference.measure
    values = (difference.bicubic, difference.a, difference.b)
    return [
        f"{measure.heading} {measure.arrow}",
        *(measure.number(value) for value in values),
        measure.number(difference.mean, signed=True),
        interval(difference),
        significance(difference),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Rows as lines, each column aligned to its side: `<` left, `>` right."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    return [
        "  "
        + "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True)
        ).rstrip()
        for line in cells
    ]

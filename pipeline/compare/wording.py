"""The comparison in words and as text: the same sentences in the terminal and on the page."""

from collections.abc import Sequence

from pipeline.compare.comparison import Comparison, contestants
from pipeline.compare.runs import PublishedRun
from pipeline.stage.paths import HELD_OUT
from srcnn.scoring.measures import VGG19
from srcnn.scoring.significance import Difference, fewest_sources

# Parameters of the network and its training besides those of the loss.
_TRAINING = ("seed", "model.", "train.", "machine.")


def interval(difference: Difference) -> str:
    """The 95 % interval of a difference; empty of too few sources."""
    if difference.interval is None:
        return ""
    low, high = (difference.measure.number(end, signed=True) for end in difference.interval)
    return f"{low} to {high}"


def measured_on(sources: int, pictures: int) -> str:
    """How many sources and pictures a measure was taken of."""
    return f"{_count(sources, 'source')}, {_count(pictures, 'picture')}"


def undecidable(sources: int) -> str:
    """What is said of differences over fewer sources than can be significant."""
    return f"cannot be decided with {_count(sources, 'source')}"


def significance(comparison: Comparison, difference: Difference) -> str:
    """Who is better at a measure, and of how many sources."""
    if not difference.is_decidable:
        return undecidable(difference.sources)
    p = difference.p_value
    shown = "p < 0.001" if p < 0.001 else f"p {p:.3f}"
    better = comparison.better(difference)
    if not better:
        why = "; interval and test disagree" if difference.is_contradictory else ""
        return f"no significant difference, {shown}{why}"
    won = difference.wins["ab".index(str(difference.better))]
    return f"{better} is better in {won} of {difference.sources} sources, {shown}"


def loss(run: PublishedRun) -> str:
    """What a network was trained to minimise."""
    return str(run.results.evaluation["loss"])


def verdict(comparison: Comparison, name: str) -> str:
    """What is significant about the measures of one test set, in a plain sentence or two."""
    parts = []
    differences = comparison.differences[name]
    for letter in comparison.sides:
        won = [d for d in differences if comparison.better(d) == letter]
        if won:
            parts.append(f"{letter} is significantly better in {listed([_amount(d) for d in won])}")
    equal = [d.measure.title for d in differences if d.is_decidable and not d.better]
    if equal:
        parts.append(f"no significant difference in {listed(equal)}")
    undecided: dict[str, list[str]] = {}
    for d in differences:
        if not d.is_decidable:
            needed = f"{fewest_sources(d.tests)} are needed for {_count(d.tests, 'difference')}"
            why = f"{undecidable(d.sources)}, {needed}"
            undecided.setdefault(why, []).append(d.measure.title)
    parts += [f"{listed(titles)} {why}" for why, titles in undecided.items()]
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _amount(difference: Difference) -> str:
    measure = difference.measure
    return f"{measure.title} (by {measure.text(abs(difference.mean))})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def listed(parts: Sequence[str]) -> str:
    """As in a sentence: "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def seeds(comparison: Comparison) -> list[str]:
    """What is known of other seeds than those that were trained."""
    differences = comparison.differences[HELD_OUT]
    counts = [len(trainings) for trainings in differences[0].trainings]
    if counts == [1, 1]:
        return ["One training each: whether another seed would tell otherwise was not tested."]
    sentences = ["Of several seeds the mean counts; intervals are over the seeds, too, p is not."]
    for side, (letter, count) in enumerate(zip(comparison.sides, counts, strict=True)):
        if count == 1:
            sentences.append(f"{letter} is one training: of it, no other seed was tested.")
            continue
        spread = [(d.measure, min(d.trainings[side]), max(d.trainings[side])) for d in differences]
        means = ", ".join(f"{m.title} {m.number(low)} to {m.text(high)}" for m, low, high in spread)
        sentences.append(f"{letter} is {count} trainings; least and greatest mean: {means}.")
    return sentences


def remarks(comparison: Comparison) -> list[str]:
    """What one must know to read the differences rightly."""
    sentences = seeds(comparison)
    b = comparison.letter
    differences = [d for of_set in comparison.differences.values() for d in of_set]
    tests = max(d.tests for d in differences)
    if tests > 1:
        sentences.append(
            f"p is corrected for all {tests} differences on a test set (Holm); intervals are not."
        )
    if any(d.sources < d.pictures for d in differences):
        sentences.append(
            f"Bicubic, A and {b} are means over pictures; {b} − A, its interval and its test are "
            "over sources, each of which counts once, as the mean of its pictures."
        )
    perceptual = [letter for letter, run in comparison.sides.items() if run.is_perceptual]
    if len(perceptual) == 1:
        sentences.append(
            f"{perceptual[0]} was trained with a perceptual loss. It is expected to lose PSNR and "
            "SSIM, which reward blur where detail is uncertain, often GMSD too, and to gain in "
            "VGG19 distance, LPIPS, SIFID and NIQE."
        )
    if perceptual and VGG19 in {d.measure for d in differences}:
        sentences.append(
            f"{' and '.join(perceptual)} learned from VGG19 features, so the VGG19 distance "
            "and SIFID are not independent of that; LPIPS, NIQE and GMSD are."
        )
    if comparison.a.steps != comparison.b.steps:
        sentences.append(
            f"A was trained for {comparison.a.steps:,} steps and {b} for {comparison.b.steps:,}, "
            "which may be a part of the difference; finetune.control: true gives the pixel loss "
            "as many."
        )
    if others := [name for name in comparison.parameters if name.startswith(_TRAINING)]:
        sentences.append(
            "They differ in more than the loss, so the differences are not of the loss alone: "
            f"{', '.join(others)}."
        )
    left_out = comparison.left_out.items()
    return sentences + [f"{title} is not compared: {why}." for title, why in left_out]


def as_text(comparisons: Sequence[Comparison]) -> str:
    """All comparisons with the first experiment for a terminal."""
    sides = contestants(comparisons)
    lines = [f"{letter}  {run.label}: {loss(run)}" for letter, run in sides.items()]
    for comparison in comparisons:
        if len(comparisons) > 1:
            lines += ["", f"{comparison.letter} beside A"]
        lines += ["", "Parameters that differ"]
        changed = [(name, *values) for name, values in comparison.parameters.items()]
        lines += _table(["", *comparison.sides], changed, "<<<") if changed else ["  none"]
        for name, differences in comparison.differences.items():
            head = ["", "measured on", "bicubic", *comparison.sides]
            head += [f"{comparison.letter} − A", "95 % interval", "significant"]
            rows = [_row(comparison, difference) for difference in differences]
            lines += ["", set_title(name), *_table(head, rows, "<<>>>>><")]
            lines += ["", verdict(comparison, name)]
        lines += remarks(comparison)
    return "\n".join(lines)


def set_title(name: str) -> str:
    """A test set's name for a heading."""
    return "Held-out test pictures" if name == HELD_OUT else f"Test set {name}"


def _row(comparison: Comparison, difference: Difference) -> tuple[str, ...]:
    measure = difference.measure
    values = (difference.bicubic, difference.a, difference.b)
    return (
        f"{measure.heading} {measure.arrow}",
        measured_on(difference.sources, difference.pictures),
        *(measure.number(value) for value in values),
        measure.number(difference.mean, signed=True),
        interval(difference),
        significance(comparison, difference),
    )


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

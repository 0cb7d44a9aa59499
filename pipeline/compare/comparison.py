"""What can be said about two experiments that were tested on the same pictures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase

import numpy as np

from pipeline.compare.runs import PublishedRun
from pipeline.stage import StageError
from pipeline.stage.paths import HELD_OUT
from srcnn.scoring.measures import MEASURES, Measure
from srcnn.scoring.significance import Difference, compare, correct

_PROTOCOL = ("scale", "luma", "shave")
# What a change of these means for the test pictures is said by name.
_DATA_SECTIONS = ("data.", "degrade.")


@dataclass(frozen=True)
class Comparison:
    """Two experiments side by side, of which A is the first of all that are compared.

    Attributes:
        a: the first.
        b: the second.
        letter: the second's, "B" or one after it.
        parameters: those that differ, with both values.
        differences: for each test set that both have (the held-out split, "test", is the first),
            each measure that both have, p corrected for all differences of the set.
        left_out: for each test set and each measure that cannot be compared, by title, why.
    """

    a: PublishedRun
    b: PublishedRun
    letter: str
    parameters: Mapping[str, tuple[str, str]]
    differences: Mapping[str, Sequence[Difference]]
    left_out: Mapping[str, str]

    @property
    def sides(self) -> dict[str, PublishedRun]:
        """Both, by their letters."""
        return {"A": self.a, self.letter: self.b}

    def better(self, difference: Difference) -> str:
        """The letter of the one that is significantly better; empty if neither is."""
        return {"a": "A", "b": self.letter, None: ""}[difference.better]


def compare_all(runs: Sequence[PublishedRun]) -> list[Comparison]:
    """Compare each experiment but the first with the first.

    Raises:
        StageError: two of them are one experiment, or they were not scored on the same test
            pictures in the same way.
    """
    first, *others = runs
    letters = ascii_uppercase[1:]
    comparisons = [_compare(first, b, letter) for b, letter in zip(others, letters, strict=False)]
    corrected = {
        name: iter(correct([d for each in comparisons for d in each.differences.get(name, ())]))
        for name in {name for each in comparisons for name in each.differences}
    }
    return [
        replace(
            each,
            differences={n: [next(corrected[n]) for _ in of] for n, of in each.differences.items()},
        )
        for each in comparisons
    ]


def contestants(comparisons: Sequence[Comparison]) -> dict[str, PublishedRun]:
    """All experiments of comparisons with the same first, by their letters."""
    return {letter: run for each in comparisons for letter, run in each.sides.items()}


def _compare(a: PublishedRun, b: PublishedRun, letter: str) -> Comparison:
    """Of two experiments; p is of each difference by itself."""
    if a.run_id == b.run_id:
        raise StageError(f"{a.label} cannot be compared with itself")
    check_comparable(a, b)
    sides = {"A": a, letter: b}
    differences: dict[str, list[Difference]] = {}
    left_out: dict[str, str] = {}
    for name in dict.fromkeys([HELD_OUT, *a.results.scores, *b.results.scores]):
        if why := _why_left_out(sides, name):
            left_out[f"Test set {name}"] = why
            continue
        compared = {measure: _compared(sides, name, measure) for measure in MEASURES.values()}
        left_out |= {m.title: why for m, why in compared.items() if isinstance(why, str)}
        if of_set := [each for each in compared.values() if isinstance(each, Difference)]:
            differences[name] = of_set
    return Comparison(a, b, letter, a.differing(b), differences, left_out)


def check_comparable(a: PublishedRun, b: PublishedRun) -> None:
    """Raise a StageError unless both were tested on the same pictures in the same way."""
    refusal = f"{a.label} and {b.label} cannot be compared: "
    if a.data != b.data:
        why = "; ".join(
            f"{name} is {mine} and {other}"
            for name, (mine, other) in a.differing(b).items()
            if name.startswith(_DATA_SECTIONS)
        )
        raise StageError(
            f"{refusal}they were trained and tested on different data: "
            + (why or "with the same parameters, the source pictures themselves changed")
        )
    protocols = [{key: run.results.evaluation[key] for key in _PROTOCOL} for run in (a, b)]
    if protocols[0] != protocols[1]:
        raise StageError(
            f"{refusal}they were scored in different ways: "
            f"{json.dumps(protocols[0])} and {json.dumps(protocols[1])}"
        )
    if a.results.of_set(HELD_OUT).keys() != b.results.of_set(HELD_OUT).keys():
        raise StageError(f"{refusal}metrics/per_image.csv lists different test pictures")


def _why_left_out(sides: Mapping[str, PublishedRun], name: str) -> str:
    """Why a test set cannot be compared, as it does not hold the same pictures for both; or ""."""
    if name == HELD_OUT:  # part of the data, which are the same
        return ""
    mine, other = (run.results.of_set(name) for run in sides.values())
    if not (mine and other):
        return f"only {list(sides)[not mine]} was scored on it"
    digests = [{(id_, score.pixels) for id_, score in of.items()} for of in (mine, other)]
    if digests[0] != digests[1]:
        return (
            f"it does not hold the same pictures for {' and '.join(sides)}: "
            f"{len(digests[0] & digests[1])} of {len(mine)} and {len(other)} are the same"
        )
    return ""


def _compared(sides: Mapping[str, PublishedRun], name: str, measure: Measure) -> Difference | str:
    """The difference in a measure on a test set, or why there is none."""
    mine, other = (run.results.taken(name, measure) for run in sides.values())
    evaluations = [run.results.evaluation for run in sides.values()]
    lacking: dict[str, list[str]] = {}
    for letter, taken, evaluation in zip(sides, (mine, other), evaluations, strict=True):
        if not taken:
            note = evaluation.get(f"{measure.name}_note", "not measured")
            lacking.setdefault(note, []).append(letter)
    if lacking:
        return "; ".join(f"{' and '.join(of)}: {note}" for note, of in lacking.items())
    both = [id_ for id_ in mine if id_ in other]
    if not both:
        return f"{' and '.join(sides)} have it of different pictures"
    weights = [evaluation.get(f"{measure.name}_weights") for evaluation in evaluations]
    if weights[0] != weights[1]:
        return f"measured with different weights: {weights[0]} and {weights[1]}"
    a, b = (run.results.values(name, measure, both) for run in sides.values())
    bicubic = np.array([mine[id_].bicubic[measure.name] for id_ in both])
    return compare(measure, a, b, bicubic, [mine[id_].source for id_ in both])

"""What can be said about two experiments that were tested on the same pictures."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np

from pipeline.compare.runs import PublishedRun, Reconstruction
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
            each measure that both have, p corrected for their number.
        unmeasured: for each measure that cannot be compared, why.
        left_out: for each test set that cannot be compared, why.
        pictures: test pictures as A and as B reconstructed them.
    """

    a: PublishedRun
    b: PublishedRun
    letter: str
    parameters: Mapping[str, tuple[str, str]]
    differences: Mapping[str, Sequence[Difference]]
    unmeasured: Mapping[Measure, str]
    left_out: Mapping[str, str]
    pictures: Sequence[tuple[Reconstruction, Reconstruction]]

    @property
    def sides(self) -> dict[str, PublishedRun]:
        """Both, by their letters."""
        return {"A": self.a, self.letter: self.b}

    def better(self, difference: Difference) -> str:
        """The letter of the one that is significantly better; empty if neither is."""
        return {"a": "A", "b": self.letter, None: ""}[difference.better]

    @property
    def other_parameters(self) -> list[str]:
        """Parameters of the network and its training that differ, besides those of the loss."""
        training = ("seed", "model.", "train.", "machine.")
        return [name for name in self.parameters if name.startswith(training)]


def compare_all(runs: Sequence[PublishedRun]) -> list[Comparison]:
    """Compare each experiment but the first with the first.

    Raises:
        StageError: see `compare_runs`.
    """
    return [
        compare_runs(runs[0], other, letter)
        for other, letter in zip(runs[1:], ascii_uppercase[1:], strict=False)
    ]


def contestants(comparisons: Sequence[Comparison]) -> dict[str, PublishedRun]:
    """All experiments of comparisons with the same first, by their letters."""
    return {letter: run for each in comparisons for letter, run in each.sides.items()}


def compare_runs(a: PublishedRun, b: PublishedRun, letter: str = "B") -> Comparison:
    """Compare two experiments.

    Args:
        a: the first, A.
        b: the second.
        letter: the second's.

    Raises:
        StageError: they are one experiment, or they were not scored on the same test
            pictures in the same way.
    """
    if a.run_id == b.run_id:
        raise StageError(f"{a.label} cannot be compared with itself")
    check_comparable(a, b)
    sets = list(dict.fromkeys([HELD_OUT, *a.results.scores, *b.results.scores]))
    sides = {"A": a, letter: b}
    left_out = {name: why for name in sets if (why := _why_left_out(sides, name))}
    unmeasured: dict[Measure, str] = {}
    differences = {
        name: correct(found)
        for name in sets
        if name not in left_out and (found := _differences(sides, name, unmeasured))
    }
    theirs = {picture.id: picture for picture in b.results.pictures}
    pictures = [(mine, theirs[mine.id]) for mine in a.results.pictures if mine.id in theirs]
    parameters = _differing(a.params, b.params)
    return Comparison(a, b, letter, parameters, differences, unmeasured, left_out, pictures)


def _differing(mine: Mapping[str, str], other: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The parameters that differ, with both values; what one lacks is shown as a dash.

    Without those of where it is recorded, which is not about the network.
    """
    return {
        name: (mine.get(name, "–"), other.get(name, "–"))
        for name in sorted({*mine, *other})
        if mine.get(name) != other.get(name) and not name.startswith("tracking.")
    }


def check_comparable(a: PublishedRun, b: PublishedRun) -> None:
    """Raise a StageError unless both were tested on the same pictures in the same way."""
    refusal = f"{a.label} and {b.label} cannot be compared: "
    if a.data != b.data:
        every = _differing(a.params, b.params).items()
        changed = {name: values for name, values in every if name.startswith(_DATA_SECTIONS)}
        why = "; ".join(f"{name} is {mine} and {other}" for name, (mine, other) in changed.items())
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


def _differences(
    sides: Mapping[str, PublishedRun], name: str, unmeasured: dict[Measure, str]
) -> list[Difference]:
    mine, other = (run.results.of_set(name) for run in sides.values())
    found = []
    for measure in MEASURES.values():
        taken = [
            {id_ for id_, score in of.items() if measure.name in score.sr} for of in (mine, other)
        ]
        both = [id_ for id_ in mine if id_ in taken[0] & taken[1]]
        if reason := _why_unmeasured(sides, measure, taken):
            unmeasured[measure] = reason
            continue
        a, b = (run.results.values(name, measure, both) for run in sides.values())
        found.append(
            compare(
                measure,
                a,
                b,
                np.array([mine[id_].bicubic[measure.name] for id_ in both]),
                [mine[id_].source for id_ in both],
            )
        )
    return found


def _why_unmeasured(
    sides: Mapping[str, PublishedRun], measure: Measure, taken: Sequence[Collection[str]]
) -> str:
    """Why values of a measure cannot be compared, or ""; `taken`: of which pictures of each."""
    evaluations = [run.results.evaluation for run in sides.values()]
    reasons: dict[str, list[str]] = {}
    for letter, of, evaluation in zip(sides, taken, evaluations, strict=True):
        if not of:
            reason = evaluation.get(f"{measure.name}_note", "not measured")
            reasons.setdefault(reason, []).append(letter)
    if reasons:
        return "; ".join(f"{' and '.join(of)}: {reason}" for reason, of in reasons.items())
    if not set(taken[0]) & set(taken[1]):
        return f"{' and '.join(sides)} have it of different pictures"
    weights = [evaluation.get(f"{measure.name}_weights") for evaluation in evaluations]
    if weights[0] != weights[1]:
        return f"measured with different weights: {weights[0]} and {weights[1]}"
    return ""

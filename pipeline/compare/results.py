"""What can be said about two experiments that were tested on the same pictures."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.compare.experiments import Experiment, Reconstruction
from pipeline.compare.parameters import differing
from pipeline.stage import StageError
from pipeline.stage.paths import HELD_OUT
from srcnn.scoring.measures import MEASURES, Measure
from srcnn.scoring.scores import Score
from srcnn.scoring.significance import Difference, compare

_PROTOCOL = ("scale", "luma", "shave")
# What a change of these means for the test pictures is said by name.
_DATA_SECTIONS = ("data.", "degrade.")


@dataclass(frozen=True)
class Comparison:
    """Experiments A and B side by side.

    Attributes:
        a: the first.
        b: the second.
        parameters: those that differ and matter to both, with A's and B's value.
        differences: for each test set that both have (the held-out split, "test", is the first),
            each measure that both have.
        unmeasured: for each measure that cannot be compared, why.
        left_out: for each test set that cannot be compared, why.
        pictures: test pictures as A and as B reconstructed them.
    """

    a: Experiment
    b: Experiment
    parameters: Mapping[str, tuple[str, str]]
    differences: Mapping[str, Sequence[Difference]]
    unmeasured: Mapping[Measure, str]
    left_out: Mapping[str, str]
    pictures: Sequence[tuple[Reconstruction, Reconstruction]]

    @property
    def other_parameters(self) -> list[str]:
        """Parameters of the network and its training that differ, besides those of the loss."""
        training = ("seed", "model.", "train.", "machine.")
        return [name for name in self.parameters if name.startswith(training)]


def compare_experiments(a: Experiment, b: Experiment) -> Comparison:
    """Compare two experiments.

    Raises:
        StageError: they are one experiment, or they were not scored on the same test
            pictures in the same way.
    """
    if a.run_id == b.run_id:
        raise StageError(f"{a.label} cannot be compared with itself")
    _check_comparable(a, b)
    sets = list(dict.fromkeys([*_sets(a), *_sets(b)]))
    left_out = {name: why for name in sets if (why := _why_left_out(a, b, name))}
    unmeasured: dict[Measure, str] = {}
    differences = {
        name: found
        for name in sets
        if name not in left_out and (found := _differences(a, b, name, unmeasured))
    }
    theirs = {picture.id: picture for picture in b.results.pictures}
    return Comparison(
        a,
        b,
        differing(a.params, b.params),
        differences,
        unmeasured,
        left_out,
        [(mine, theirs[mine.id]) for mine in a.results.pictures if mine.id in theirs],
    )


def _check_comparable(a: Experiment, b: Experiment) -> None:
    """Raise a StageError unless both were tested on the same pictures in the same way."""
    refusal = f"{a.label} and {b.label} cannot be compared: "
    if a.data != b.data:
        every = differing(a.params, b.params).items()
        changed = {name: values for name, values in every if name.startswith(_DATA_SECTIONS)}
        why = "; ".join(f"{name} is {mine} and {other}" for name, (mine, other) in changed.items())
        raise StageError(
            f"{refusal}they were trained and tested on different data: "
            + (why or "with the same parameters, the source pictures themselves changed")
        )
    protocols = [{key: e.results.evaluation.get(key) for key in _PROTOCOL} for e in (a, b)]
    if protocols[0] != protocols[1]:
        raise StageError(
            f"{refusal}they were scored in different ways: "
            f"{json.dumps(protocols[0])} and {json.dumps(protocols[1])}"
        )
    if a.results.of_set(HELD_OUT).keys() != b.results.of_set(HELD_OUT).keys():
        raise StageError(f"{refusal}metrics/per_image.csv lists different test pictures")


def _why_left_out(a: Experiment, b: Experiment, name: str) -> str:
    """Why a test set cannot be compared, as it does not hold the same pictures for both; or ""."""
    if name == HELD_OUT:  # part of the data, which are the same
        return ""
    mine, other = a.results.of_set(name), b.results.of_set(name)
    if not (mine and other):
        return f"only {'A' if mine else 'B'} was scored on it"
    if not (_knows_pixels(mine) and _knows_pixels(other)):
        return "older code did not record which pixels it scored"
    digests = [{(id_, score.pixels) for id_, score in of.items()} for of in (mine, other)]
    if digests[0] != digests[1]:
        return (
            "it does not hold the same pictures for A and B: "
            f"{len(digests[0] & digests[1])} of {len(mine)} and {len(other)} are the same"
        )
    return ""


def _knows_pixels(scores: Mapping[str, Score]) -> bool:
    return all(score.pixels for score in scores.values())


def _differences(
    a: Experiment, b: Experiment, name: str, unmeasured: dict[Measure, str]
) -> list[Difference]:
    mine, other = (experiment.results.of_set(name) for experiment in (a, b))
    found = []
    for measure in MEASURES.values():
        taken = [
            {id_ for id_, score in of.items() if measure.name in score.sr} for of in (mine, other)
        ]
        both = [id_ for id_ in mine if id_ in taken[0] & taken[1]]
        notes = [e.results.evaluation.get(f"{measure.name}_note") for e in (a, b)]
        if not any((*taken, *notes)):  # of newer code than both
            continue
        reason = "" if both else _why_unmeasured(taken, notes)
        reason = reason or _why_incomparable(a, b, measure)
        if reason:
            unmeasured[measure] = reason
            continue
        found.append(
            compare(
                measure,
                np.array([mine[id_].sr[measure.name] for id_ in both]),
                np.array([other[id_].sr[measure.name] for id_ in both]),
                np.array([mine[id_].bicubic[measure.name] for id_ in both]),
                [mine[id_].source for id_ in both],
            )
        )
    return found


def _why_unmeasured(taken: Sequence[Collection[str]], notes: Sequence[str | None]) -> str:
    reasons: dict[str, list[str]] = {}
    for letter, of, note in zip("AB", taken, notes, strict=True):
        if not of:
            reasons.setdefault(note or "not measured, by older code", []).append(letter)
    found = [f"{' and '.join(letters)}: {reason}" for reason, letters in reasons.items()]
    return "; ".join(found) or "A and B have it of different pictures"


def _why_incomparable(a: Experiment, b: Experiment, measure: Measure) -> str:
    """Why values that come from a trained network cannot be compared; or ""."""
    weights = [e.results.evaluation.get(f"{measure.name}_weights") for e in (a, b)]
    if weights[0] != weights[1]:
        return f"measured with different weights: {weights[0]} and {weights[1]}"
    if measure.learned and a.results.evaluation["luma"] == "studio":
        held_out = {"A": a.results.of_set(HELD_OUT), "B": b.results.of_set(HELD_OUT)}
        older = [letter for letter, of in held_out.items() if not _knows_pixels(of)]
        if len(older) == 1:
            return f"{older[0]} is of older code, which took studio luma for full"
    return ""


def _sets(experiment: Experiment) -> list[str]:
    """The test sets of an experiment, the held-out split first."""
    return list(dict.fromkeys([HELD_OUT, *experiment.results.scores]))

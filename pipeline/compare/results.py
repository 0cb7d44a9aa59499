"""What can be said about two experiments that were tested on the same pictures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.base.paths import HELD_OUT
from pipeline.base.stage import StageError
from pipeline.compare.experiments import Experiment, Reconstruction
from pipeline.compare.parameters import differing
from srcnn.scoring.measures import Measure, measures_among
from srcnn.scoring.statistics import Difference, compare

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
        training = ("seed", "model.", "train.")
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
    if set(a.results.of_set(HELD_OUT).index) != set(b.results.of_set(HELD_OUT).index):
        raise StageError(f"{refusal}metrics/per_image.csv lists different test pictures")


def _why_left_out(a: Experiment, b: Experiment, name: str) -> str:
    """Why a test set cannot be compared, as it does not hold the same pictures for both; or ""."""
    if name == HELD_OUT:  # part of the data, which are the same
        return ""
    rows = {"A": a.results.of_set(name), "B": b.results.of_set(name)}
    scored = [letter for letter, table in rows.items() if len(table)]
    if len(scored) == 1:
        return f"only {scored[0]} was scored on it"
    if not all("pixels" in table and table["pixels"].notna().all() for table in rows.values()):
        return "older code did not record which pixels it scored"
    mine, other = (set(table["pixels"].items()) for table in rows.values())
    if mine != other:
        return (
            "it does not hold the same pictures for A and B: "
            f"{len(mine & other)} of {len(mine)} and {len(other)} are the same"
        )
    return ""


def _differences(
    a: Experiment, b: Experiment, name: str, unmeasured: dict[Measure, str]
) -> list[Difference]:
    mine, other = (experiment.results.of_set(name) for experiment in (a, b))
    both = mine.index.intersection(other.index)
    mine, other = mine.loc[both], other.loc[both]
    found = []
    for measure in measures_among(mine.columns.union(other.columns, sort=False)):
        columns = [table.get(measure.name, pd.Series(np.nan, both)) for table in (mine, other)]
        there = columns[0].notna() & columns[1].notna()
        reason = "" if there.any() else _why_unmeasured(a, b, measure, columns)
        reason = reason or _why_incomparable(a, b, measure)
        if reason:
            unmeasured[measure] = reason
            continue
        found.append(
            compare(
                measure,
                columns[0][there].to_numpy(float),
                columns[1][there].to_numpy(float),
                mine[f"{measure.name}_bicubic"][there].to_numpy(float),
                list(mine["source"][there]),
            )
        )
    return found


def _why_unmeasured(
    a: Experiment, b: Experiment, measure: Measure, columns: Sequence[pd.Series]
) -> str:
    reasons: dict[str, list[str]] = {}
    for letter, experiment, column in zip("AB", (a, b), columns, strict=True):
        if column.isna().all():
            note = experiment.results.evaluation.get(f"{measure.name}_note")
            reasons.setdefault(note or "not measured, by older code", []).append(letter)
    found = [f"{' and '.join(letters)}: {reason}" for reason, letters in reasons.items()]
    return "; ".join(found) or "A and B have it of different pictures"


def _why_incomparable(a: Experiment, b: Experiment, measure: Measure) -> str:
    """Why values that come from a trained network cannot be compared; or ""."""
    weights = [e.results.evaluation.get(f"{measure.name}_weights") for e in (a, b)]
    if weights[0] != weights[1]:
        return f"measured with different weights: {weights[0]} and {weights[1]}"
    if measure.learned and a.results.evaluation["luma"] == "studio":
        older = [letter for letter, e in (("A", a), ("B", b)) if "pixels" not in e.results.scores]
        if len(older) == 1:
            return f"{older[0]} is of older code, which took studio luma for full"
    return ""


def _sets(experiment: Experiment) -> list[str]:
    """The test sets of an experiment, the held-out split first."""
    return list(dict.fromkeys([HELD_OUT, *experiment.results.scores["set"]]))

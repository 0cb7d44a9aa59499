"""Experiments that differ in their seed alone, as one: what is said then holds for other seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline.compare.runs import PublishedRun, Results
from pipeline.stage import StageError
from srcnn.scoring.scores import Score


def as_one(name: str, runs: Sequence[PublishedRun]) -> PublishedRun:
    """The mean of experiments, as one under a name of its own; the newest's where there is one.

    Curve, pictures and what else is not measured of test pictures are the newest experiment's.

    Args:
        name: the pattern that they were found by.
        runs: newest first; of equal seeds the newest counts.

    Raises:
        StageError: they differ in more than their seed.
    """
    by_seed = {run.params["seed"]: run for run in reversed(runs)}
    first, *others = members = list(by_seed.values())[::-1]
    if not others:
        return first
    for other in others:
        differing = first.differing(other)
        del differing["seed"]
        if differing or first.data != other.data:
            values = [f"{key} {mine} and {its}" for key, (mine, its) in differing.items()]
            raise StageError(
                f"{name!r} means {first.label} and {other.label}, which differ in more than their "
                f"seed: {'; '.join(values) or 'their data'}. A pattern stands for trainings "
                "that differ in their seed alone"
            )
    untested = {key: value for key, value in first.metrics.items() if not key.startswith("test/")}
    return replace(
        first,
        name=name,
        params=dict(first.params) | {"seed": ", ".join(sorted(by_seed, key=int))},
        metrics=_means([run.metrics for run in members]) | untested,
        read_results=lambda: _mean([run.results for run in members]),
    )


def _mean(results: Sequence[Results]) -> Results:
    """Of the test pictures and measures that all have."""
    scores = {
        name: {id_: _mean_score([of.scores[name][id_] for of in results]) for id_ in of_set}
        for name, of_set in results[0].scores.items()
        if all(of.of_set(name).keys() == of_set.keys() for of in results)
    }
    return replace(results[0], scores=scores, by_seed=[of.scores for of in results])


def _mean_score(scores: Sequence[Score]) -> Score:
    sr, bicubic = (_means(each) for each in zip(*((s.sr, s.bicubic) for s in scores), strict=True))
    return replace(scores[0], sr=sr, bicubic=bicubic)


def _means(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of the numbers that all have."""
    common = [name for name in values[0] if all(name in of for of in values)]
    return {name: float(np.mean([of[name] for of in values])) for name in common}

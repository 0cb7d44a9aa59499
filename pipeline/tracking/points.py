"""The points of a training's curve in MLflow, each once and at the time when it was measured."""

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from mlflow.entities import Metric, Run

from pipeline.tracking.store import Store

SPEED = "train_steps_per_second"  # a column that training.csv has not

# Of each row that was logged, also in part, one of these is there: they come first in it.
_FIRST = ("train/lr", "train/loss", "val/loss")


def times(store: Store, runs: Iterable[Run]) -> dict[int, int]:
    """When the rows in runs were measured, in ms since 1970, by steps; the last run counts."""
    return {
        point.step: point.timestamp
        for run in runs
        for name in _FIRST
        for point in store.client.get_metric_history(run.info.run_id, name)
    }


def log_curve(
    store: Store, run: Run, rows: Iterable[Mapping[Any, Any]], known: Mapping[int, int]
) -> None:
    """Log rows of training.csv, each at the time when it was measured.

    MLflow takes a point again as the one that is there if its time is equal, too. So a row that is
    there, as of a training that was interrupted, keeps its time and its speed.

    Args:
        store: where the run is.
        run: whose curve it is.
        rows: those of a training under way have a "time", in seconds since 1970; others that are
            not known are of now.
        known: see `times`.
    """
    now = time.time()
    points = []
    for row in rows:
        step = int(row["step"])
        at = known.get(step, round(1000 * row.get("time", now)))
        others = ("step", "time", SPEED) if step in known else ("step", "time")
        points += [
            Metric(curve_name(column), float(value), at, step)
            for column, value in row.items()
            if column not in others and not math.isnan(value)
        ]
    store.log_points(run.info.run_id, points)


def curve_name(column: str) -> str:
    """A column of training.csv as a metric, grouped: train_loss -> train/loss."""
    group, _, name = column.partition("_")
    return f"{group}/{name}" if name else f"train/{column}"

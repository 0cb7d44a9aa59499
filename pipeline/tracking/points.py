"""The points of a training's curve in MLflow, each once and at the time when it was measured."""

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from mlflow.entities import Metric, Run

from pipeline.tracking.store import Store

_SPEED = "train/steps_per_second"

# Of each row that was logged, also in part, one of these is there: they come first in it.
_FIRST = ("train/lr", "train/loss", "val/loss")


def times(store: Store, runs: Iterable[Run]) -> dict[int, int]:
    """When the rows in runs were measured, in ms since 1970, by their steps."""
    return {
        point.step: point.timestamp
        for run in runs
        for name in _FIRST
        for point in store.client.get_metric_history(run.info.run_id, name)
    }


class Curve:
    """The curve of a run.

    MLflow takes a point again as the one that is there if its time is equal, too. So a row that is
    there, as of a training that was interrupted, keeps its time.
    """

    def __init__(self, store: Store, run: Run, known: Mapping[int, int]) -> None:
        """
        Args:
            store: where the run is.
            run: whose curve it is.
            known: see `times`.
        """
        self._store, self._run_id = store, run.info.run_id
        self._times = dict(known)

    def log(self, rows: Iterable[Mapping[Any, Any]]) -> None:
        """Log rows of training.csv.

        Those of a training under way have a "time", in seconds since 1970, and get their speed.
        """
        now = time.time()
        points = []
        for row in rows:
            step = int(row["step"])
            at = self._times.setdefault(step, round(1000 * row.get("time", now)))
            points += [
                Metric(curve_name(column), float(value), at, step)
                for column, value in row.items()
                if column not in ("step", "time") and not math.isnan(value)
            ]
            if "time" in row and (speed := self._speed(step)):
                points.append(Metric(_SPEED, speed, at, step))
        self._store.log_points(self._run_id, points)

    def _speed(self, step: int) -> float:
        """Steps a second since the row before; 0 where that is not known."""
        before = max((known for known in self._times if known < step), default=step)
        took = self._times[step] - self._times[before]
        return 1000 * (step - before) / took if took > 0 else 0.0


def curve_name(column: str) -> str:
    """A column of training.csv as a metric, grouped: train_loss -> train/loss."""
    group, _, name = column.partition("_")
    return f"{group}/{name}" if name else f"train/{column}"

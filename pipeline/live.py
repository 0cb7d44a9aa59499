"""Reporting a training to MLflow while it goes on. Trouble there never ends the training."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pipeline import tracking
from pipeline.params import Params
from pipeline.tracking import STATE, TRAINING_KEY, Store

Report = Callable[[dict[str, Any]], None]


@contextmanager
def reporting(params: Params, key: str) -> Iterator[Report]:
    """A function that logs one row of the training curve to the run of this training.

    The run is `trained` when the block ends, FAILED if it ends with an error. A training that was
    interrupted goes on in its old run; one whose result stands in MLflow reports nowhere.
    """
    live = _Live()
    live.attempt(lambda: live.open(params, key))
    try:
        yield lambda row: live.attempt(lambda: live.log(row))
    except BaseException as error:
        status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        live.attempt(lambda: live.end(status))
        raise
    live.attempt(live.leave_to_register)


class _Live:
    def __init__(self) -> None:
        self._store: Store | None = None
        self._run_id: str | None = None
        self._last_step = -1

    def attempt(self, action: Callable[[], None]) -> None:
        """Do something with MLflow; on any trouble say so once and report no more."""
        try:
            action()
        except Exception as error:
            self._run_id = None
            print(
                f"WARNING: MLflow cannot be reached, training goes on without it: {error}\n"
                "The register stage logs the whole curve afterwards.",
                file=sys.stderr,
            )

    def open(self, params: Params, key: str) -> None:
        store = self._store = Store(params.tracking.experiment)
        store.bury_the_dead()
        runs = store.runs(TRAINING_KEY, key)
        if any(run.data.tags[STATE] != "training" or tracking.is_active(run) for run in runs):
            return
        tags = {TRAINING_KEY: key, STATE: "training"}
        logged = tracking.trained_params(params)
        if runs and runs[0].data.params == tracking.as_texts(logged):
            store.take_over(runs[0], tags)
            self._last_step = store.last_step(runs[0].info.run_id)
            self._run_id = runs[0].info.run_id
        else:
            self._run_id = store.create(logged, tags).info.run_id

    def log(self, row: dict[str, Any]) -> None:
        if self._run_id:
            self._store.log_curve(self._run_id, [row], self._last_step)

    def end(self, status: str) -> None:
        if self._run_id:
            self._store.client.set_terminated(self._run_id, status)

    def leave_to_register(self) -> None:
        if self._run_id:
            self._store.tag(self._run_id, {STATE: "trained"})

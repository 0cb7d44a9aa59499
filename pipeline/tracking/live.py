"""Reporting a training to MLflow while it goes on, from a thread that cannot hold it up.

Trouble with MLflow never slows or ends a training: the thread tries again until the server is back,
and `register` completes what is missing.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pipeline.tracking.store import TRAINING_KEY, RunState, Store, agrees
from pipeline.tracking.times import Times
from srcnn.masking import brief

Row = Mapping[str, Any]
Report = Callable[[Row], None]

# Seconds that a training which has ended waits for its last reports.
GRACE = 5.0

_LONGEST_PAUSE = 30.0  # seconds between two tries


@contextmanager
def reporting(
    experiment: str,
    params: Mapping[str, Any],
    key: str,
    begun: Sequence[Row] = (),
    earlier: str | None = None,
) -> Iterator[Report]:
    """A function that logs a row of the training curve to the run of this training.

    The run is SCHEDULED when the block ends, FAILED or KILLED if it ends with an error. A training
    that was interrupted goes on in its old run. One that continues another has a run of its own,
    with the rows of both, in place of the other's, if that was not published. One whose result is
    in MLflow reports nowhere.

    The caller holds the lock of the key.

    Args:
        experiment: MLflow's.
        params: what the run is given as parameters.
        key: of the training.
        begun: the rows of its curve so far.
        earlier: key of the training that this one continues.
    """
    reporter = _Reporter(experiment, params, key, begun, earlier)
    reporter.start()
    try:
        yield reporter.add
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        reporter.finish(RunState.KILLED if interrupted else RunState.FAILED)
        raise
    reporter.finish(RunState.SCHEDULED)


class _Reporter(threading.Thread):
    def __init__(
        self,
        experiment: str,
        params: Mapping[str, Any],
        key: str,
        begun: Sequence[Row],
        earlier: str | None,
    ) -> None:
        super().__init__(name="mlflow", daemon=True)
        self._experiment = experiment
        self._params = params
        self._key = key
        self._earlier = earlier
        self._news = threading.Condition()
        self._times = Times(key, earlier)
        self._rows = list(map(self._timed, begun))
        self._logged = 0  # of the rows
        self._end: RunState | None = None
        self._given_up = threading.Event()
        self._store: Store | None = None
        self._run_id: str | None = None
        self._warned = False

    def add(self, row: Row) -> None:
        """Log a row of the curve, soon."""
        with self._news:
            self._rows.append(self._timed(row))
            self._news.notify()

    def _timed(self, row: Row) -> Row:
        return {**row, "time": self._times.of(int(row["step"]))}

    def finish(self, end: RunState) -> None:
        """Log what is left, as far as that is quick, and give the run its state."""
        with self._news:
            self._end = end
            self._news.notify()
        self.join(GRACE)
        self._given_up.set()

    def run(self) -> None:
        pause = 0.0
        done = False
        while not done and not self._given_up.wait(pause):
            try:
                done = self._report()
                pause = 0.0
            except Exception as error:
                self._warn(error)
                pause = min(2 * pause or 1.0, _LONGEST_PAUSE)

    def _report(self) -> bool:
        """Wait for news and log them; whether these were the last."""
        if self._store is None:
            self._store = Store(self._experiment)
        if self._run_id is None:
            self._run_id = self._begin(self._store)
            if self._run_id is None:
                return True
        with self._news:
            while self._logged == len(self._rows) and not self._end:
                self._news.wait()
            rows, end = list(self._rows), self._end
        self._store.log_curve(self._run_id, rows[self._logged :])
        self._logged = len(rows)
        if end:
            self._store.move(self._run_id, end)
        return end is not None

    def _begin(self, store: Store) -> str | None:
        """The run of this training; none if its result is in MLflow, or waits for `register`."""
        with store.lock:
            store.mark_crashed()
            for other in store.left(self._earlier) if self._earlier else ():
                store.delete(other)
            same = store.runs(TRAINING_KEY, self._key)
            here = [run for run in same if store.is_here(run)]  # RUNNING: until its process died
            if any(run.info.status == RunState.FINISHED for run in same) or any(
                run.info.status == RunState.SCHEDULED for run in here
            ):
                return None
            old = [run for run in here if agrees(run, self._params)]
            if old:
                run = old[-1]
                store.take_up(run, RunState.RUNNING, self._params, {})
            else:
                run = store.create(self._params, {TRAINING_KEY: self._key})
        return str(run.info.run_id)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            print(
                f"WARNING: MLflow cannot be reached, training goes on without it: "
                f"{brief(error)}\n"
                "It is tried again; the register stage logs what is missing.",
                file=sys.stderr,
                flush=True,
            )

"""Reporting a training to MLflow while it goes on, from a thread that cannot hold it up.

Trouble with MLflow never slows or ends a training: the thread tries again until the server is back,
and `register` completes what is missing.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline.tracking.store import BEAT, LEASE, STATE, TRAINING_KEY, Store, agrees
from srcnn.masking import brief

Report = Callable[[dict[str, Any]], None]

# Seconds that a training which has ended waits for its last reports.
GRACE = 5.0

_LONGEST_PAUSE = 30.0  # seconds between two tries


@contextmanager
def reporting(
    experiment: str, params: Mapping[str, Any], key: str, earlier: str | None = None
) -> Iterator[Report]:
    """A function that logs one row of the training curve to the run of this training.

    The run is `trained` when the block ends, FAILED if it ends with an error. A training that was
    interrupted goes on in its old run; one whose result stands in MLflow reports nowhere.

    Args:
        experiment: MLflow's.
        params: what the run is given as parameters.
        key: of the training.
        earlier: key of the training that this one continues, and whose run it takes over, if that
            was not published.
    """
    reporter = _Reporter(experiment, params, key, earlier)
    reporter.start()
    try:
        yield reporter.add
    except BaseException as error:
        reporter.finish("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    reporter.finish("trained")


class _Reporter(threading.Thread):
    def __init__(
        self, experiment: str, params: Mapping[str, Any], key: str, earlier: str | None
    ) -> None:
        super().__init__(name="mlflow", daemon=True)
        self._experiment = experiment
        self._params = params
        self._key = key
        self._earlier = earlier
        self._news = threading.Condition()
        self._rows: list[dict[str, Any]] = []
        self._end: str | None = None
        self._store: Store | None = None
        self._run_id: str | None = None
        self._done = False
        self._given_up = threading.Event()
        self._there: set[tuple[str, int]] = set()
        self._suspects: dict[str, str] = {}
        self._opened = self._beaten = 0.0
        self._warned = False

    def add(self, row: dict[str, Any]) -> None:
        """Log a row of the curve, soon."""
        with self._news:
            self._rows.append(row | {"time": time.time()})
            self._news.notify()

    def finish(self, end: str) -> None:
        """Log what is left, as far as that is quick; `end` is "trained" or the run's status."""
        with self._news:
            self._end = end
            self._news.notify()
        self.join(GRACE)
        self._given_up.set()

    def run(self) -> None:
        pause = 0.0
        while not self._done and not self._given_up.is_set():
            try:
                self._report()
                pause = 0.0
            except Exception as error:
                self._warn(error)
                pause = min(2 * pause or 1.0, _LONGEST_PAUSE)
            self._wait(pause)

    def _wait(self, pause: float) -> None:
        """Until there is something to do, but after trouble at least for the pause."""
        self._given_up.wait(pause)
        with self._news:
            if not (self._rows and self._run_id) and not self._end:
                self._news.wait(BEAT)

    def _report(self) -> None:
        if self._store is None:
            self._store = Store(self._experiment)
            self._store.bury_the_dead()
            self._suspects = self._store.suspects()
            self._opened = time.monotonic()
        if self._suspects and time.monotonic() - self._opened > LEASE:
            self._store.bury(self._suspects)
            self._suspects = {}
        if self._run_id is None:
            self._open_run(self._store)
        if self._run_id is not None:
            self._log(self._store, self._run_id)
        elif self._end:
            self._done = True

    def _open_run(self, store: Store) -> None:
        """Find or create the run of this training, if it is to have one."""
        runs = store.runs(TRAINING_KEY, self._key)
        lives = [store.life(run) for run in runs]
        if any(r.data.tags[STATE] != "training" for r in runs) or "alive" in lives:
            self._done = True  # its result is there already, or comes from a twin
            return
        if "unknown" in lives:
            return  # until its heartbeat has been watched
        tags = {TRAINING_KEY: self._key, STATE: "training"}
        same = [run for run in runs if agrees(run, self._params)]
        if not same and self._earlier:
            before = store.runs(TRAINING_KEY, self._earlier)
            waiting = [run for run in before if run.data.tags[STATE] == "trained"]
            same = [run for run in waiting if agrees(run, self._params)]
        if same:
            self._there = store.points(same[-1])
            store.take_over(same[-1], self._params, tags)
            self._run_id = same[-1].info.run_id
        else:
            self._run_id = store.create(self._params, tags).info.run_id

    def _log(self, store: Store, run_id: str) -> None:
        if time.monotonic() - self._beaten > BEAT:
            if store.life(store.client.get_run(run_id)) != "mine":
                self._done = True  # taken over while this machine slept
                return
            store.beat(run_id)
            self._beaten = time.monotonic()
        with self._news:
            rows = list(self._rows)
            end = self._end
        store.log_curve(run_id, rows, self._there)
        with self._news:
            del self._rows[: len(rows)]
        if end == "trained":
            store.tag(run_id, {STATE: "trained"})
        elif end:
            store.client.set_terminated(run_id, end)
        self._done = end is not None

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

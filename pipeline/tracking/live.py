"""Reporting a training to MLflow while it goes on, from a thread that cannot hold it up.

Trouble with MLflow never slows or ends a training: the thread tries again until the server is back,
and `register` completes what is missing.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

from mlflow.entities import Run

from pipeline.tracking.points import SPEED, log_curve, times
from pipeline.tracking.store import TRAINING_KEY, RunState, Store
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
    news: SimpleQueue[Row | RunState] = SimpleQueue()  # rows, and at last how the training ended
    given_up = Event()
    last: dict[str, Any] = {}

    def report(row: Row) -> None:
        nonlocal last
        now = {**row, "time": time.time()}
        if last and (took := now["time"] - last["time"]) > 0:
            now[SPEED] = (row["step"] - last["step"]) / took
        news.put(now)
        last = now

    begin = partial(_begin, params=params, key=key, begun=begun, earlier=earlier)
    reporter = Thread(target=_work, args=(experiment, begin, news, given_up), daemon=True)
    reporter.start()
    end = RunState.FAILED
    try:
        yield report
        end = RunState.SCHEDULED
    except KeyboardInterrupt:
        end = RunState.KILLED
        raise
    finally:
        news.put(end)
        reporter.join(GRACE)
        given_up.set()


def _work(
    experiment: str,
    begin: Callable[[Store], tuple[Run, Mapping[int, int]] | None],
    news: "SimpleQueue[Row | RunState]",
    given_up: Event,
) -> None:
    """Log what comes until the training ends, each time again until MLflow has taken it."""
    store = begun = None
    waiting: list[Row | RunState] = []
    pause = 0.0
    warned = False
    while not given_up.wait(pause):
        try:
            store = store or Store(experiment)
            begun = begun or begin(store)
            if begun is None:
                return
            run, known = begun
            while not (waiting and news.empty()):
                waiting.append(news.get())
            rows = [row for row in waiting if not isinstance(row, RunState)]
            log_curve(store, run, rows, known)
            if isinstance(end := waiting[-1], RunState):
                store.move(run.info.run_id, end)
                return
            waiting.clear()
            pause = 0.0
        except Exception as error:
            if not warned:
                _warn(error)
            warned = True
            pause = min(2 * pause or 1.0, _LONGEST_PAUSE)


def _begin(
    store: Store,
    params: Mapping[str, Any],
    key: str,
    begun: Sequence[Row],
    earlier: str | None,
) -> tuple[Run, Mapping[int, int]] | None:
    """The run of this training, with the rows of its curve so far, and when they were measured.

    None if its result is in MLflow, or waits for `register`.
    """
    with store.lock:
        store.mark_crashed()
        same = store.runs(TRAINING_KEY, key)
        here = [run for run in same if store.is_here(run)]  # RUNNING: until its process died
        opened = None
        if not (
            any(run.info.status == RunState.FINISHED for run in same)
            or any(run.info.status == RunState.SCHEDULED for run in here)
        ):
            run = store.open(params, {TRAINING_KEY: key}, old=here)
            continued = store.runs(TRAINING_KEY, earlier) if earlier else []
            known = times(store, [*continued, run])
            log_curve(store, run, begun, known)
            opened = run, known
        for other in store.left(earlier) if earlier else ():  # last, as only it has their times
            store.delete(other)
        return opened


def _warn(error: Exception) -> None:
    print(
        f"WARNING: MLflow cannot be reached, training goes on without it: {brief(error)}\n"
        "It is tried again; the register stage logs what is missing.",
        file=sys.stderr,
        flush=True,
    )

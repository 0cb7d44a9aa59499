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

from pipeline.tracking.points import Curve, times
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
    for row in begun:
        news.put(row)

    def report(row: Row) -> None:
        news.put({**row, "time": time.time()})

    begin = partial(_begin, params=params, key=key, earlier=earlier)
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
    begin: Callable[[Store], tuple[Run, Curve] | None],
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
            run, curve = begun
            while not (waiting and news.empty()):
                waiting.append(news.get())
            curve.log([row for row in waiting if not isinstance(row, RunState)])
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
    store: Store, params: Mapping[str, Any], key: str, earlier: str | None
) -> tuple[Run, Curve] | None:
    """The run of this training, and its curve.

    None if its result is in MLflow, or waits for `register`.
    """
    with store.lock:
        store.mark_crashed()
        known = times(store, store.runs(TRAINING_KEY, earlier)) if earlier else {}
        for other in store.left(earlier) if earlier else ():
            store.delete(other)
        same = store.runs(TRAINING_KEY, key)
        here = [run for run in same if store.is_here(run)]  # RUNNING: until its process died
        if any(run.info.status == RunState.FINISHED for run in same) or any(
            run.info.status == RunState.SCHEDULED for run in here
        ):
            return None
        run = store.open(params, {TRAINING_KEY: key}, old=here)
        return run, Curve(store, run, known | times(store, [run]))


def _warn(error: Exception) -> None:
    print(
        f"WARNING: MLflow cannot be reached, training goes on without it: {brief(error)}\n"
        "It is tried again; the register stage logs what is missing.",
        file=sys.stderr,
        flush=True,
    )

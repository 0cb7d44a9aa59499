"""Which run an experiment is published in: one, whoever publishes the same at the same time."""

import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from mlflow.entities import Run

from pipeline.tracking.store import (
    BEAT,
    CONTENT_KEY,
    HEARTBEAT,
    LEASE,
    STATE,
    TRAINING_KEY,
    TRAINING_RUN,
    TROUBLE,
    Store,
    agrees,
)


class _Undecided(Exception):
    """Somebody on another host may be at work on this, or died at it."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.info.run_id)
        self.run = run


def claim(store: Store, key: str, params: Mapping[str, Any], content: str) -> tuple[Run, bool]:
    """The run of this experiment, and whether it is this process's to publish.

    It is not if the same content is published already, or is being published by another process
    that is alive. Then the experiment's name is added to that run.

    Args:
        store: where.
        key: of the training.
        params: of data and training.
        content: key of all that is published.
    """
    alive: set[str] = set()
    while True:
        try:
            with store.lock:
                store.bury_the_dead()
                return _decide(store, key, params, content, alive)
        except _Undecided as undecided:
            run_id = undecided.run.info.run_id
            if _is_alive(store, undecided.run):
                alive.add(run_id)
            else:
                store.bury({run_id: undecided.run.data.tags.get(HEARTBEAT, "")})


def _decide(
    store: Store, key: str, params: Mapping[str, Any], content: str, alive: Collection[str]
) -> tuple[Run, bool]:
    """See `claim`; `alive` are runs of other hosts whose hearts were seen to beat.

    Raises:
        _Undecided: a run of another host is in the way, which has to be watched first.
    """
    of_training = store.runs(TRAINING_KEY, key)
    same = store.runs(CONTENT_KEY, content)
    reported = [r for r in of_training if _is_free(store, r, params)]
    finished = [run for run in same if run.data.tags[STATE] == "published"]
    if finished:
        store.add_names(finished[0])
        for run in reported:  # trained again, by changed code, to the same result
            store.client.delete_run(run.info.run_id)
        return finished[0], False
    for run in same:
        if _is_at_work(store, run, alive):
            store.add_names(run)
            return run, False
    tags = {CONTENT_KEY: content, TRAINING_KEY: key, STATE: "publishing"}
    if same or reported:
        run = (same or reported)[0]
        store.take_over(run, params, tags)
        return run, True
    for run in of_training:  # one that died elsewhere at this training is taken over, too
        if run.data.tags[STATE] == "training":
            _is_at_work(store, run, alive)
    made_in = [run for run in of_training if run.data.tags[STATE] != "training"]
    if made_in:
        tags[TRAINING_RUN] = made_in[0].data.tags.get(TRAINING_RUN, made_in[0].info.run_id)
    return store.create(params, tags), True


def _is_at_work(store: Store, run: Run, alive: Collection[str]) -> bool:
    """Whether another process that lives works on a run."""
    life = "alive" if run.info.run_id in alive else store.life(run)
    if life == "unknown":
        raise _Undecided(run)
    return life == "alive"


def _is_free(store: Store, run: Run, params: Mapping[str, Any]) -> bool:
    """Whether `train` reported to a run which now waits for this, or for nobody any more."""
    state = run.data.tags[STATE]
    return agrees(run, params) and (
        state == "trained" or (state == "training" and store.life(run) in ("mine", "dead"))
    )


def _is_alive(store: Store, run: Run) -> bool:
    """Whether a run's heartbeat goes on, or the run comes to its end; watched for LEASE seconds."""
    print(
        f"Run {run.info.run_id} is of the same experiment, and another host may be at work on it. "
        f"Its heartbeat is watched for up to {LEASE:.0f} s.",
        flush=True,
    )
    before = run.data.tags.get(HEARTBEAT)
    until = time.monotonic() + LEASE
    while time.monotonic() < until:
        time.sleep(min(BEAT / 3, LEASE))
        now = store.client.get_run(run.info.run_id)
        if now.data.tags.get(HEARTBEAT) != before or now.data.tags[STATE] == "published":
            return True
        if now.info.status != "RUNNING":
            return False
    return False


def is_ours(store: Store, run_id: str) -> bool:
    """Whether a claimed run is still this process's.

    Hosts that share a server have no lock in common, so two can claim the same run at once. Each
    finds here, when it has logged all results, who was the last to do so.
    """
    return store.life(store.client.get_run(run_id)) == "mine"


def settle(store: Store, content: str) -> Run:
    """Of several runs that published the same at once, keep the first, with the names of all.

    The lock prevents that on one host; hosts that share a server have no lock in common. All of
    them come to the same choice, whoever is the last.

    Returns:
        The run that stays.
    """
    published = [r for r in store.runs(CONTENT_KEY, content) if r.data.tags[STATE] == "published"]
    first, *others = sorted(published, key=lambda run: (run.info.start_time, run.info.run_id))
    store.add_names(first, others)
    for run in others:
        for version in store.client.search_model_versions(f"run_id = '{run.info.run_id}'"):
            store.client.delete_model_version(version.name, version.version)
        store.delete_unregistered_models(run.info.run_id)
        store.client.delete_run(run.info.run_id)
    return first


@contextmanager
def beating(store: Store, run_id: str) -> Iterator[None]:
    """While the block runs, show other hosts that this process is alive."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.is_set():
            with suppress(*TROUBLE):  # the block itself will meet it and say so
                store.beat(run_id)
            ended.wait(BEAT)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(BEAT)

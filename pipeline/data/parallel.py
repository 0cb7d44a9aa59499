"""The same work on many pictures, on all cores."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int | None
) -> Iterator[Result]:
    """The results for the items, in the items' order, whatever the number of workers.

    Threads are enough: decoding, hashing and NumPy's loops leave Python's lock to others. At most
    twice as many items as workers are in memory.

    Args:
        work: done for several items at a time; an error that it raises is raised here, in its turn.
        items: read one by one, in this thread.
        workers: how many at a time; None: as many as this process may use cores.
    """
    count = workers or _cores()
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(count, "pictures") as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == 2 * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

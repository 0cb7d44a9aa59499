"""How far a long loop is: a bar on a terminal, elsewhere a line at least every 20 seconds."""

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Self, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

SILENCE = 15.0  # seconds; a busy machine may add some


class Progress:
    """Work of many steps, while the block runs. All of it goes to stderr.

    Args:
        name: of the work.
        total: steps; None: not known.
        unit: of the steps, in the singular.
        done: steps that were done before.
        hidden: say nothing.
    """

    def __init__(
        self, name: str, total: int | None, unit: str, done: int = 0, hidden: bool = False
    ) -> None:
        self._name, self._unit, self._total = name, unit, total
        self._bar = tqdm(
            total=total, initial=done, desc=name, unit=f" {unit}", disable=hidden or None
        )
        self._lines = self._bar.disable and not hidden
        self._before = self._done = done
        self._started = self._told = time.monotonic()
        self._ended = threading.Event()
        # A thread, because a single step may be long, too: a validation, a slow server.
        self._watch = threading.Thread(target=self._break_silence, daemon=True)

    def __enter__(self) -> Self:
        if self._lines:
            self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._bar.close()

    def update(self) -> None:
        """One step more is done."""
        self._done += 1
        self._bar.update()

    def tell(self, news: str) -> None:
        """Show what the last step brought."""
        if self._lines:
            self._line(news)
        else:
            self._bar.set_postfix_str(news, refresh=False)

    def _break_silence(self) -> None:
        while not self._ended.wait(max(0.0, self._told + SILENCE - time.monotonic())):
            if time.monotonic() - self._told >= SILENCE:
                self._line()

    def _line(self, news: str = "") -> None:
        self._told = time.monotonic()
        of = f" of {self._total}" if self._total else ""
        line = f"{self._name}: {self._unit} {self._done}{of}"
        made = self._done - self._before
        if self._total and made and self._done < self._total:
            left = (self._total - self._done) * (self._told - self._started) / made
            line += f", about {_duration(left)} left"
        print(f"{line}: {news}" if news else line, file=sys.stderr, flush=True)


def progress(items: Iterable[Item], name: str, total: int | None, unit: str) -> Iterator[Item]:
    """The items, one by one, while it is shown how many were taken and done."""
    with Progress(name, total, unit) as shown:
        for item in items:
            yield item
            shown.update()


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"

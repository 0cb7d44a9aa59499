"""When the rows of a training curve were measured, kept beside the training's checkpoint.

A row that is logged to MLflow again, by a training that goes on or by `register`, has the time that
it had, and so is there once.
"""

import time

from pipeline.tracking import place


class Times:
    """The times of a training's rows, in seconds since 1970.

    Args:
        key: of the training.
        earlier: key of the training that it continues, whose rows it begins with.
    """

    def __init__(self, key: str, earlier: str | None = None) -> None:
        self._file = place.folder() / key / "times"
        self._known = _read(key)
        self._earlier = _read(earlier) if earlier else {}

    def of(self, step: int) -> float:
        """When the row of a step was measured; now, if that is not known."""
        if step not in self._known:
            self._known[step] = round(self._earlier.get(step, time.time()), 3)
            self._file.parent.mkdir(exist_ok=True)
            with self._file.open("a") as file:
                file.write(f"{step} {self._known[step]}\n")
        return self._known[step]


def _read(key: str) -> dict[int, float]:
    file = place.folder() / key / "times"
    if not file.exists():
        return {}
    lines = [line for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return {int(step): float(at) for step, at in map(str.split, lines)}

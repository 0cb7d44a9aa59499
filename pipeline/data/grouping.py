"""Which source a picture belongs to: data.group_by."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

from pipeline.stage import StageError, resolve

Grouping = Callable[[str], str | None]


def grouping(group_by: str | None) -> Grouping:
    """What gives a picture's source for its id; None: the picture is its own.

    The result raises a StageError for a picture that belongs to no source.

    Args:
        group_by: None, "folder", a .csv file with the columns picture and source, or a regular
            expression on the id.

    Raises:
        StageError: the file cannot be read or is no such table.
    """
    if group_by is None:
        return lambda _: None
    if group_by.endswith(".csv"):
        table = _table(resolve(group_by))
        return lambda name: _known(table.get(name), group_by, f"it does not list {name!r}")
    if group_by == "folder":
        return lambda name: _known(name.rpartition("/")[0], group_by, f"{name!r} is in none")
    pattern = re.compile(group_by)
    return lambda name: _known(_match(pattern, name), group_by, f"it finds nothing in {name!r}")


def _match(pattern: re.Pattern[str], name: str) -> str | None:
    match = pattern.search(name)
    return match[1 if pattern.groups else 0] if match else None


def _known(source: str | None, group_by: str, problem: str) -> str:
    if not source:
        raise StageError(
            f"data.group_by is {group_by!r}, but {problem}; every picture must belong to a source"
        )
    return source


def _table(file: Path) -> dict[str, str]:
    try:
        with file.open(newline="", encoding="utf-8") as text:
            return {row["picture"]: row["source"] for row in csv.DictReader(text)}
    except OSError as error:
        raise StageError(f"data.group_by: {file} cannot be read: {error.strerror}") from None
    except (KeyError, ValueError, csv.Error) as error:
        raise StageError(
            f"data.group_by: {file} is no CSV file with the columns picture and source: {error}"
        ) from None

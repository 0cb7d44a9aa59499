"""A SQLite database of MLflow's: its URI, and its artifacts in the folder beside it.

MLflow keeps absolute paths, so a project that was renamed or copied would read, and write, in the
old folder.
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote

ARTIFACTS = "mlartifacts"  # the folder


def database_uri(file: Path) -> str:
    """The URI of a SQLite database."""
    quoted = quote(str(file))
    # After `sqlite:///` MLflow would make the folders of the path as it is quoted.
    return f"{'sqlite' if quoted == str(file) else 'sqlite+pysqlite'}:///{quoted}"


def database_file(uri: str) -> Path | None:
    """The file of a SQLite store; None of any other."""
    scheme, _, path = uri.partition(":///")
    return Path(unquote(path.partition("?")[0])) if scheme.startswith("sqlite") else None


def lock_file(database: Path) -> Path:
    """The lock that all who write to a SQLite store share, beside its database."""
    return database.with_name(f"{database.name}.lock")


def artifact_location(database: Path) -> str:
    """Where a SQLite store's artifacts are, as MLflow takes it."""
    folder = database.parent / ARTIFACTS
    return str(folder) if quote(str(folder)) == str(folder) else folder.as_uri()


def bring_up_to_date(database: Path) -> None:
    """Let a project's database, in its own folder, name its artifacts there if that was moved.

    It changes all paths or none, says so in a line, and does nothing where all is right.

    Raises:
        sqlite3.Error, OSError: it is no database, or cannot be changed.
    """
    if not _moved(database):
        return
    from filelock import FileLock

    here = artifact_location(database)
    with (
        FileLock(lock_file(database)),
        closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as connection,
    ):
        moved = _moved(database)  # somebody else may have been faster
        connection.execute("BEGIN IMMEDIATE")
        for place in moved:
            _replace_prefix(connection, place, here)
        connection.execute("COMMIT")
    for old in map(_folder, moved):
        new = database.parent / ARTIFACTS
        print(
            f"{database} came here from {old.parent}: its artifacts are now those in {new}",
            file=sys.stderr,
        )


def _moved(database: Path) -> list[str]:
    """Where a database says that its artifacts are, other than beside it."""
    read_only = f"{database.as_uri()}?mode=ro"
    with closing(sqlite3.connect(read_only, timeout=60, uri=True)) as connection:
        if not connection.execute("PRAGMA table_info(experiments)").fetchall():
            return []
        found = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
    places = [place for (place,) in found if place and place.endswith(f"/{ARTIFACTS}")]
    return [place for place in places if not _is_same(_folder(place), database.parent / ARTIFACTS)]


def _folder(location: str) -> Path:
    """The folder that MLflow takes a location for: it also unquotes one that is no URI."""
    return Path(unquote(location.removeprefix("file://")))


def _is_same(a: Path, b: Path) -> bool:
    return a == b or (a.exists() and b.exists() and a.samefile(b))


def _replace_prefix(connection: sqlite3.Connection, old: str, new: str) -> None:
    """Replace the beginning of all paths at or below `old`, in whatever table they stand."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        for column in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
            name = f'"{column[1]}"'
            connection.execute(
                f'UPDATE "{table}" SET {name} = ? || substr({name}, ?) '  # noqa: S608  # its own names
                f"WHERE typeof({name}) = 'text' AND ({name} = ? OR substr({name}, 1, ?) = ?)",
                (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
            )

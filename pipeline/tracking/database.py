"""Where MLflow's store is: a server, or a SQLite database that is made here."""

import logging
import os
import subprocess
import sys
import uuid
from pathlib import Path

from pipeline.base.project import project_root

_SQLITE = "sqlite:///"

# It prints all that it raises, too, with a traceback, at each of the tries.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, else a database in the original repository.

    A relative SQLite path is below the original repository, not below an experiment's copy of it,
    which DVC deletes.
    """
    named = os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}mlflow.db"
    if not named.startswith(_SQLITE):
        return named
    return f"{_SQLITE}{project_root() / named.removeprefix(_SQLITE)}"


def file_of(uri: str) -> Path | None:
    """The file of a SQLite store; None of any other."""
    return Path(uri.removeprefix(_SQLITE).partition("?")[0]) if uri.startswith(_SQLITE) else None


def lock_file(database: Path | None) -> Path:
    """A store's lock: beside its database, as all its users share it, else the project's own."""
    if database:
        database.parent.mkdir(parents=True, exist_ok=True)
        return database.with_name(f"{database.name}.lock")
    folder = project_root() / ".checkpoints"
    folder.mkdir(exist_ok=True)
    return folder / "mlflow.lock"


_MAKE_TABLES = """
import sys, mlflow
from srcnn.masking import brief
try:
    mlflow.MlflowClient(sys.argv[1]).search_experiments()
except Exception as error:
    sys.exit(brief(error))
"""


def create(database: Path) -> None:
    """Make a SQLite database with MLflow's tables, unless it is there.

    In a process of its own and under another name, because a process that dies while it makes the
    tables, as any may, leaves a database that MLflow can never use. The name is new each time: what
    a killed process started may still be at it.
    """
    if database.exists():
        return
    for left in database.parent.glob(f".{database.name}.*.partial*"):
        left.unlink(missing_ok=True)
    partial = database.with_name(f".{database.name}.{uuid.uuid4().hex[:8]}.partial")
    making = [sys.executable, "-c", _MAKE_TABLES, _SQLITE + str(partial)]
    made = subprocess.run(  # noqa: S603  # this Python, and code that stands here
        making,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise OSError(f"it cannot be created: {(made.stderr.strip() or 'killed').splitlines()[-1]}")
    for journal in database.parent.glob(f"{database.name}-*"):
        journal.unlink()  # of a database that was deleted; SQLite would write it into the new one
    partial.replace(database)

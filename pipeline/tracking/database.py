"""Where MLflow's store is: a server, or a SQLite database that is made here."""

import logging
import os
import uuid
from pathlib import Path

from pipeline.stage import project_root
from srcnn.inference import mlflow_sqlite

# It prints all that it raises, too, with a traceback, at each of the tries.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, else a database in the original repository.

    A relative SQLite path is below the original repository, not below an experiment's copy of it,
    which DVC deletes.
    """
    named = os.environ.get("MLFLOW_TRACKING_URI") or mlflow_sqlite.database_uri(Path("mlflow.db"))
    file = mlflow_sqlite.database_file(named)
    if file is None or file.is_absolute():
        return named
    return mlflow_sqlite.database_uri(project_root() / file) + "".join(named.partition("?")[1:])


def create(database: Path) -> None:
    """Make a SQLite database with MLflow's tables, unless it is there.

    Under another name at first, because a process that dies while it makes the tables, as any may,
    leaves a database that MLflow can never use. The name is new each time, as MLflow keeps
    connections to a database that it could not make.
    """
    if database.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for left in database.parent.glob(f".{database.name}.*.partial*"):
        left.unlink(missing_ok=True)
    partial = database.with_name(f".{database.name}.{uuid.uuid4().hex[:8]}.partial")
    location = mlflow_sqlite.artifact_location(database)
    SqlAlchemyStore(mlflow_sqlite.database_uri(partial), location).engine.dispose()
    for journal in database.parent.glob(f"{database.name}-*"):
        journal.unlink()  # of a database that was deleted; SQLite would write it into the new one
    partial.replace(database)

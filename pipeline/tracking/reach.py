"""Whether MLflow's store can be reached, said before a training instead of after it."""

import sys
from concurrent.futures import Future
from threading import Thread

from pipeline.stage import StageError
from pipeline.tracking import database
from srcnn.inference import mlflow_sqlite
from srcnn.masking import brief, masked

TIMEOUT = 3.0  # seconds for a server to answer


def check_store(experiment: str) -> None:
    """Try the store that MLFLOW_TRACKING_URI names; a warning if it is away.

    A training does not wait for MLflow, and `register` publishes when the store is back. So only an
    address at which there can never be one is an error. The experiment is asked for, and not made.

    Raises:
        StageError: the address is no store's, or its driver is not installed.
    """
    uri = database.tracking_uri()
    if mlflow_sqlite.database_file(uri):
        return
    answer: Future[None] = Future()

    def ask() -> None:
        try:
            _ask(uri, experiment)
            answer.set_result(None)
        except Exception as error:
            answer.set_exception(error)

    # As neither MLflow nor databases' drivers can be told how long to wait.
    Thread(target=ask, daemon=True).start()
    try:
        answer.result(TIMEOUT)
    except (ConnectionError, TimeoutError) as error:
        why = str(error) or f"it does not answer within {TIMEOUT:g} s"
        print(
            f"WARNING: the MLflow store {masked(uri)} cannot be reached: {why}. The experiment "
            "goes on without it; the same command again publishes it when the store is back",
            file=sys.stderr,
            flush=True,
        )
    except Exception as error:
        raise StageError(
            f"MLFLOW_TRACKING_URI is {masked(uri)!r}, which no MLflow store can have: "
            f"{brief(error)}"
        ) from None


def _ask(uri: str, experiment: str) -> None:
    """Raise a ConnectionError if the store is away, and another error if the address is none."""
    from mlflow import MlflowClient
    from mlflow.exceptions import InvalidUrlException, MlflowException
    from mlflow.store.db.db_types import DATABASE_ENGINES
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError

    if uri.partition(":")[0].partition("+")[0] in DATABASE_ENGINES:
        engine = create_engine(uri)  # MLflow's client would create its tables
        try:
            engine.connect().close()
        except DBAPIError as error:
            raise ConnectionError(brief(error)) from None
        return
    client = MlflowClient(uri, registry_uri=uri)
    try:
        client.get_experiment_by_name(experiment)
    except InvalidUrlException:
        raise
    except MlflowException as error:
        raise ConnectionError(brief(error)) from None

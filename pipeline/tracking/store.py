"""MLflow's store: the experiment that this project's runs are in, and what is logged to them.

All that is logged may be logged again: MLflow takes an equal parameter, tag, file or point (metric,
step, timestamp and value) as the one that is there. So nobody asks what a run holds already, but
for the times of a curve's points, and for files, whose upload takes long.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Any

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from pipeline.stage import StageError, project_root
from pipeline.tracking import database, identity, place
from srcnn.inference import mlflow_sqlite
from srcnn.inference.mlflow_models import EXPERIMENTS_TAG, names_in
from srcnn.masking import brief, masked

# Tags of a run: the place where it was made; the key of its training; the run, if there is another,
# that has this training, too; and, for the names that DVC gives to it, which results it holds.
PLACE, TRAINING_KEY = "pipeline.place", "pipeline.training_key"
TRAINING_RUN, RESULTS = "pipeline.training_run", "pipeline.results"

# MLflow's pages then show runs and curves first, not chats with language models.
_KIND = {"mlflow.experimentKind": "custom_model_development"}

_AT_ONCE = {"metrics": 1000, "params": 100, "tags": 100}  # that log_batch takes


class RunState(StrEnum):
    """A run's life, as MLflow's status says it.

    | from           | to             | when                                                     |
    | -------------- | -------------- | -------------------------------------------------------- |
    | (none)         | RUNNING        | a training begins; it holds the lock of its key          |
    | RUNNING        | SCHEDULED      | it has ended; the run waits for `register`               |
    | RUNNING        | FAILED, KILLED | it failed or was interrupted; its process died           |
    | FAILED, KILLED | RUNNING        | the same training goes on                                |
    | (none)         | SCHEDULED      | `register` finds no run of the training                  |
    | all but RUNNING| FINISHED       | `register` has logged all of it                          |
    | SCHEDULED      | (deleted)      | another training continues this one, or the same results |
    |                |                | are published already                                    |
    | FINISHED       | (deleted)      | two hosts published the same; the first run stays        |
    """

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


class Store:
    """The MLflow experiment that this project's runs are in.

    Attributes:
        uri: of the store.
        lock: held while somebody decides which run an experiment is in, and publishes it. It lies
            beside a SQLite database, so that all who use the database share it; for a server it is
            the project's own.

    Args:
        experiment: its name.
        create: make the experiment, and a SQLite database, where they are missing.

    Raises:
        StageError: the store cannot be used, or the experiment is missing or was deleted there.
    """

    def __init__(self, experiment: str, create: bool = True) -> None:
        self.uri = database.tracking_uri()
        self._file = mlflow_sqlite.database_file(self.uri)
        self.lock = (
            FileLock(mlflow_sqlite.lock_file(self._file)) if self._file else place.lock("mlflow")
        )
        try:
            if self._file and create and not self._file.exists():
                with self.lock:
                    database.create(self._file)
            if self._file and self._file.parent == project_root():  # else it may be of another one
                mlflow_sqlite.bring_up_to_date(self._file)
            self.client = MlflowClient(self.uri, registry_uri=self.uri)
            found = self.client.get_experiment_by_name(experiment)
            if not found and create:
                found = self._create(experiment)
        except TROUBLE as error:
            raise StageError(
                f"the MLflow store {self.name} cannot be used: {brief(error)}"
            ) from None
        if not found:
            raise StageError(
                f"tracking.experiment is {experiment!r}, which {self.name} does not hold; "
                "`dvc repro` makes it"
            )
        self.experiment_id = found.experiment_id
        if found.lifecycle_stage != "active":
            raise StageError(
                f"tracking.experiment is {experiment!r}, which was deleted in MLflow; restore it "
                f"(mlflow experiments restore -x {self.experiment_id}) or choose another name"
            )

    @property
    def name(self) -> str:
        """The store's URI, to be shown: without a password."""
        return masked(self.uri)

    def _create(self, name: str) -> Experiment | None:
        # The default location is this process's folder: a copy that DVC deletes.
        remote = self.uri.startswith(("http://", "https://", "databricks"))
        beside = self._file or project_root() / "mlflow.db"
        location = None if remote else mlflow_sqlite.artifact_location(beside)
        try:
            self.client.create_experiment(name, location, _KIND)
        except MlflowException:  # where another process was faster it is there
            if not self.client.get_experiment_by_name(name):
                raise
        return self.client.get_experiment_by_name(name)

    def runs(self, tag: str, value: str, state: RunState | None = None) -> list[Run]:
        """The runs with this value in a tag, in this state, by start and (of equals) by id."""
        wanted = f"tags.`{tag}` = '{value}'"
        if state:
            wanted += f" AND attributes.status = '{state}'"
        found = self.client.search_runs([self.experiment_id], wanted)
        return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))

    def is_here(self, run: Run) -> bool:
        """Whether a run was made at this place, whose locks say what becomes of it."""
        return run.data.tags.get(PLACE) == place.identity()

    def left(self, key: str) -> list[Run]:
        """Unfinished runs of a training at this place that no training is at work on."""
        done = (RunState.RUNNING, RunState.FINISHED)
        runs = self.runs(TRAINING_KEY, key)
        return [run for run in runs if self.is_here(run) and run.info.status not in done]

    def mark_crashed(self) -> None:
        """Mark as FAILED what was RUNNING at this place when its process died."""
        for run in self.runs(PLACE, place.identity(), RunState.RUNNING):
            lock = place.lock(run.data.tags[TRAINING_KEY])
            with suppress(Timeout), lock.acquire(timeout=0):  # else it lives
                self.move(run.info.run_id, RunState.FAILED)

    def open(
        self,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        state: RunState = RunState.RUNNING,
        old: Iterable[Run] = (),
    ) -> Run:
        """A run with an experiment's parameters, tags and provenance, in a state.

        It is the first of the old ones, unfinished and of this place, that can go on, as they have
        no other parameters, or a new one.
        """
        name = identity.experiment_name()
        tags = {PLACE: place.identity(), **name_tag(name), **identity.provenance(), **tags}
        fitting = (run for run in old if run.data.params.items() <= as_texts(params).items())
        run = next(fitting, None) or self.client.create_run(
            self.experiment_id, tags=tags, run_name=name
        )
        run_id = run.info.run_id
        self.client.update_run(run_id, state, name)
        self.tag(run_id, tags)
        self.log_params(run_id, params)
        return run

    def move(self, run_id: str, state: RunState) -> None:
        """Give a run its next state."""
        if state in (RunState.RUNNING, RunState.SCHEDULED):
            self.client.update_run(run_id, state)
        else:
            self.client.set_terminated(run_id, state)

    def delete(self, run: Run) -> None:
        """Delete a run with its models and their versions."""
        run_id = run.info.run_id
        for version in self.client.search_model_versions(f"run_id = '{run_id}'"):
            self.client.delete_model_version(version.name, version.version)
        self.delete_unregistered_models(run_id)
        self.client.delete_run(run_id)

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Log parameters under their names in params.yaml."""
        self._log(run_id, "params", [Param(n, text) for n, text in as_texts(params).items()])

    def log_points(self, run_id: str, points: list[Metric]) -> None:
        """Log points of metrics."""
        self._log(run_id, "metrics", points)

    def log_metrics(self, run: Run, metrics: Mapping[str, float]) -> None:
        """Log final metrics, all of the time when the run began."""
        at = run.info.start_time
        points = [Metric(name, float(value), at, 0) for name, value in metrics.items()]
        self.log_points(run.info.run_id, points)

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags."""
        self._log(run_id, "tags", [RunTag(name, value) for name, value in tags.items()])

    def _log(self, run_id: str, kind: str, entities: list[Any]) -> None:
        at_once = _AT_ONCE[kind]
        for i in range(0, len(entities), at_once):
            batch: dict[str, Any] = {kind: entities[i : i + at_once]}
            self.client.log_batch(run_id, **batch)

    def delete_unregistered_models(self, run_id: str) -> None:
        """Delete the models that were logged to a run, but are no version of a registered model."""
        versions = self.client.search_model_versions(f"run_id = '{run_id}'")
        registered = {version.source for version in versions}
        of_run = f"source_run_id = '{run_id}'"
        for model in self.client.search_logged_models([self.experiment_id], of_run):
            if model.model_uri not in registered:
                self.client.delete_logged_model(model.model_id)

    def add_names(self, run: Run, others: Iterable[Run] = ()) -> None:
        """Note on a run that this experiment gave the same, and those of other runs."""
        names = {identity.experiment_name()}
        names |= {name for other in others for name in names_in(other.data.tags)}
        missing = sorted(names - set(names_in(run.data.tags)))
        self.tag(run.info.run_id, {t: v for name in missing for t, v in name_tag(name).items()})


def name_tag(name: str) -> dict[str, str]:
    """The tag that gives a run the name of an experiment; its own may not be that of a tag."""
    return {f"{EXPERIMENTS_TAG}.{hashlib.sha256(name.encode()).hexdigest()[:8]}": name}


def as_texts(params: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as MLflow holds them."""
    return {n: v if isinstance(v, str) else json.dumps(v) for n, v in params.items()}


# What a store that cannot be used raises: MLflow's own, of sockets and files, of a missing driver.
TROUBLE = (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError)

"""MLflow's store: the experiment that this project's runs are in, and what is logged to them.

A run's life is in its tag `pipeline.state`: `training` while `train` reports to it, `trained`
until `register` takes it up, `publishing` while that logs results, then `published`.
"""

import hashlib
import json
import math
import sqlite3
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from pipeline.stage import StageError, project_root
from pipeline.tracking import database, identity, owner
from srcnn import mlflow_sqlite
from srcnn.masking import brief, masked
from srcnn.registry import EXPERIMENTS_TAG, STATE_TAG, names_in

STATE, OWNER, HEARTBEAT = STATE_TAG, "pipeline.owner", "pipeline.heartbeat"
TRAINING_KEY, CONTENT_KEY = "pipeline.training_key", "pipeline.content_key"
TRAINING_RUN, RESULTS = "pipeline.training_run", "pipeline.results"

BEAT = 15.0  # seconds between two heartbeats
LEASE = 60.0  # seconds without one after which a process that cannot be looked at counts as dead

# MLflow's pages then show runs and curves first, not chats with language models.
_KIND = {"mlflow.experimentKind": "custom_model_development"}

# log_batch takes no more at once
METRICS_AT_ONCE, PARAMS_AT_ONCE, TAGS_AT_ONCE = 1000, 100, 100

Life = Literal["mine", "alive", "dead", "unknown"]


class Store:
    """The MLflow experiment that this project's runs are in.

    Attributes:
        uri: of the store.
        lock: held while somebody decides which run an experiment is published in. It lies beside
            a SQLite database, so that all who use the database share it; for a server it is the
            project's own.

    Args:
        experiment: its name.
        create: make the experiment, and a SQLite database, where they are missing.

    Raises:
        StageError: the store cannot be used, or the experiment is missing or was deleted there.
    """

    def __init__(self, experiment: str, create: bool = True) -> None:
        self.uri = database.tracking_uri()
        self._file = mlflow_sqlite.database_file(self.uri)
        self.lock = FileLock(database.lock_file(self._file))
        try:
            if self._file and create:
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
        _check_active(found)
        self.experiment_id = found.experiment_id

    @property
    def name(self) -> str:
        """The store's URI, to be shown: without a password."""
        return masked(self.uri)

    def _create(self, name: str) -> Experiment:
        # The default location is this process's folder: a copy that DVC deletes.
        remote = self.uri.startswith(("http://", "https://", "databricks"))
        beside = self._file or project_root() / "mlflow.db"
        location = None if remote else mlflow_sqlite.artifact_location(beside)
        try:
            created = self.client.create_experiment(name, location, _KIND)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise
            return found
        return self.client.get_experiment(created)

    def runs(self, tag: str, value: str) -> list[Run]:
        """The runs, oldest first, that have this value in a tag."""
        wanted = f"tags.`{tag}` = '{value}'"
        return list(
            self.client.search_runs([self.experiment_id], wanted, order_by=["start_time ASC"])
        )

    def life(self, run: Run) -> Life:
        """Whether the process that works on a run is this one, or another, dead or alive.

        "unknown": of another host or pid namespace, which only its heartbeat can tell.
        """
        working = run.data.tags.get(OWNER, "")
        if working == owner.current():
            return "mine"
        if run.info.status != "RUNNING":
            return "dead"
        dead = owner.is_dead(working)
        return "unknown" if dead is None else "dead" if dead else "alive"

    def bury_the_dead(self) -> None:
        """Mark as FAILED what a process of this host was running when it died."""
        for run in self._running():
            if OWNER in run.data.tags and self.life(run) == "dead":
                self.client.set_terminated(run.info.run_id, "FAILED")

    def suspects(self) -> dict[str, str]:
        """Runs under way whose process cannot be looked at from here, with their heartbeats."""
        return {
            run.info.run_id: run.data.tags.get(HEARTBEAT, "")
            for run in self._running()
            # Between train and register nothing beats.
            if run.data.tags.get(STATE) in ("training", "publishing")
            and self.life(run) == "unknown"
        }

    def bury(self, suspects: Mapping[str, str]) -> None:
        """Mark as FAILED those of the suspects whose heartbeats have not changed since."""
        now = self.suspects()
        for run_id, heartbeat in suspects.items():
            if now.get(run_id) == heartbeat:
                self.client.set_terminated(run_id, "FAILED")

    def _running(self) -> list[Run]:
        return list(self.client.search_runs([self.experiment_id], "status = 'RUNNING'"))

    def beat(self, run_id: str) -> None:
        """Show that the process that works on a run is alive."""
        self.tag(run_id, {HEARTBEAT: time.strftime("%Y-%m-%dT%H:%M:%S") + f"+{time.monotonic()}"})

    def create(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> Run:
        """A new run, named after the experiment, with its parameters and where it comes from."""
        name = identity.experiment_name()
        own = {OWNER: owner.current(), **name_tag(name), **identity.provenance(), **tags}
        run = self.client.create_run(self.experiment_id, tags=own, run_name=name)
        self.log_params(run.info.run_id, params)
        return run

    def take_over(self, run: Run, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Make a run that was left unfinished this experiment's own; it is under way again."""
        own: dict[str, str] = {}
        name = identity.experiment_name()
        if self.life(run) != "mine":
            own = {OWNER: owner.current(), **name_tag(name), **identity.provenance()}
        if own or run.info.status != "RUNNING":
            self.client.update_run(run.info.run_id, "RUNNING", name)
        self.log_params(run.info.run_id, params)
        self.tag(run.info.run_id, own | dict(tags))

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Log parameters under their names in params.yaml."""
        entities = [Param(name, text) for name, text in as_texts(params).items()]
        for i in range(0, len(entities), PARAMS_AT_ONCE):
            self.client.log_batch(run_id, params=entities[i : i + PARAMS_AT_ONCE])

    def points(self, run: Run) -> set[tuple[str, int]]:
        """Which points of its metrics a run holds, as (metric, step)."""
        return {
            (metric, point.step)
            for metric in run.data.metrics
            for point in self.client.get_metric_history(run.info.run_id, metric)
        }

    def log_curve(
        self,
        run_id: str,
        rows: Iterable[Mapping[str, Any]],
        there: Collection[tuple[str, int]] = (),
    ) -> None:
        """Log rows of the training curve, without the points that are there.

        Args:
            run_id: the run.
            rows: of training.csv; "time", in seconds, is when a row was measured, if known. A row
                that is logged twice with its time is there once.
            there: see `points`.
        """
        now = time.time()
        points = [
            Metric(
                curve_name(column), float(value), int(row.get("time", now) * 1000), int(row["step"])
            )
            for row in rows
            for column, value in row.items()
            if column not in ("step", "time")
            and not math.isnan(value)
            and (curve_name(column), row["step"]) not in there
        ]
        for i in range(0, len(points), METRICS_AT_ONCE):
            self.client.log_batch(run_id, points[i : i + METRICS_AT_ONCE])

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log final metrics; those that are there already stay as they are."""
        there = self.client.get_run(run_id).data.metrics
        now = int(time.time() * 1000)
        points = [
            Metric(name, float(value), now, step)
            for name, value in metrics.items()
            if there.get(name) != value
        ]
        self.client.log_batch(run_id, points)

    def delete_unregistered_models(self, run_id: str) -> None:
        """Delete the models that were logged to a run, but are no version of a registered model."""
        versions = self.client.search_model_versions(f"run_id = '{run_id}'")
        registered = {version.source for version in versions}
        of_run = f"source_run_id = '{run_id}'"
        for model in self.client.search_logged_models([self.experiment_id], of_run):
            if model.model_uri not in registered:
                self.client.delete_logged_model(model.model_id)

    def files(self, run_id: str, folder: str | None = None) -> set[str]:
        """The paths of a run's artifacts."""
        found = set()
        for file in self.client.list_artifacts(run_id, folder):
            found |= self.files(run_id, file.path) if file.is_dir else {file.path}
        return found

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags."""
        entities = [RunTag(name, value) for name, value in tags.items()]
        for i in range(0, len(entities), TAGS_AT_ONCE):
            self.client.log_batch(run_id, tags=entities[i : i + TAGS_AT_ONCE])

    def add_names(self, run: Run, others: Iterable[Run] = ()) -> None:
        """Note on a run that this experiment gave the same, and those of other runs."""
        name = identity.experiment_name()
        names = {name, *(name for other in others for name in names_in(other.data.tags))}
        missing = sorted(names - set(names_in(run.data.tags)))
        self.tag(run.info.run_id, {t: v for name in missing for t, v in name_tag(name).items()})


def name_tag(name: str) -> dict[str, str]:
    """The tag that gives a run the name of an experiment; its own may not be that of a tag."""
    return {f"{EXPERIMENTS_TAG}.{hashlib.sha256(name.encode()).hexdigest()[:8]}": name}


def agrees(run: Run, params: Mapping[str, Any]) -> bool:
    """Whether a run holds these parameters and no others; of a run that was cut short, some."""
    return run.data.params.items() <= as_texts(params).items()


def as_texts(params: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as MLflow holds them."""
    return {n: v if isinstance(v, str) else json.dumps(v) for n, v in params.items()}


def curve_name(column: str) -> str:
    """A column of training.csv as a metric, grouped: train_loss -> train/loss."""
    group, _, name = column.partition("_")
    return f"{group}/{name}" if name else f"train/{column}"


def _check_active(experiment: Experiment) -> None:
    if experiment.lifecycle_stage != "active":
        raise StageError(
            f"tracking.experiment is {experiment.name!r}, which was deleted in MLflow; restore it "
            f"(mlflow experiments restore -x {experiment.experiment_id}) or choose another name"
        )


# What a store that cannot be used raises: MLflow's own, of sockets and files, of a missing driver.
TROUBLE = (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError)

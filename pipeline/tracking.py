"""The MLflow run of this experiment: found, opened, adopted or replayed, but never twice.

A run's life is in its tag `pipeline.state`: `training` while `train` reports to it, `trained`
until `register` takes it up, `publishing` while that logs results, then `published`.
"""

import json
import math
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, Run, RunStatus, RunTag
from mlflow.exceptions import MlflowException

from pipeline import identity
from pipeline.params import Params
from pipeline.stage import StageError, project_root

STATE, OWNER = "pipeline.state", "pipeline.owner"
TRAINING_KEY, CONTENT_KEY = "pipeline.training_key", "pipeline.content_key"
EXPERIMENTS, TRAINING_RUN = "pipeline.experiments", "pipeline.training_run"

# MLflow's pages then show runs and curves first, not chats with language models.
_KIND = {"mlflow.experimentKind": "custom_model_development"}

# log_batch takes no more at once
METRICS_AT_ONCE, PARAMS_AT_ONCE = 1000, 100


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, else a database in the original repository."""
    named = os.environ.get("MLFLOW_TRACKING_URI")
    return named or f"sqlite:///{project_root() / 'mlflow.db'}"


class Store:
    """The MLflow experiment that this project's runs are in.

    Args:
        experiment: its name; it is created where it is missing.

    Raises:
        StageError: the store cannot be used, or the experiment was deleted there.
    """

    def __init__(self, experiment: str) -> None:
        root = project_root()
        self.uri = tracking_uri()
        folder = root / ".checkpoints"
        folder.mkdir(exist_ok=True)
        # Several processes that create the database at once destroy it.
        self.lock = FileLock(folder / "mlflow.lock")
        try:
            with self.lock:
                self.client = MlflowClient(self.uri, registry_uri=self.uri)
                found = self.client.get_experiment_by_name(experiment)
                if found is None:
                    # The default location is this process's folder: a copy that DVC deletes.
                    remote = self.uri.startswith(("http://", "https://", "databricks"))
                    location = None if remote else str(root / "mlartifacts")
                    created = self.client.create_experiment(experiment, location, _KIND)
                    found = self.client.get_experiment(created)
        except MlflowException as error:
            raise StageError(f"the MLflow store {self.uri} cannot be used: {error}") from None
        _check_active(found)
        self.experiment_id = found.experiment_id

    def runs(self, tag: str, value: str) -> list[Run]:
        """The runs, newest first, that have this value in a tag."""
        wanted = f"tags.`{tag}` = '{value}'"
        return list(self.client.search_runs([self.experiment_id], wanted))

    def bury_the_dead(self) -> None:
        """Mark as FAILED what a process of this host was running when it died."""
        for run in self.client.search_runs([self.experiment_id], "status = 'RUNNING'"):
            if identity.is_dead(run.data.tags.get(OWNER, "")):
                self.client.set_terminated(run.info.run_id, "FAILED")

    def create(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> Run:
        """A new run, named after the experiment, with its parameters and where it comes from."""
        name = identity.experiment_name()
        own = {OWNER: identity.owner(), EXPERIMENTS: name, **identity.provenance(), **tags}
        run = self.client.create_run(self.experiment_id, tags=own, run_name=name)
        self.log_params(run.info.run_id, params)
        return run

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Log parameters under their names in params.yaml."""
        entities = [Param(name, text) for name, text in as_texts(params).items()]
        for i in range(0, len(entities), PARAMS_AT_ONCE):
            self.client.log_batch(run_id, params=entities[i : i + PARAMS_AT_ONCE])

    def last_step(self, run_id: str) -> int:
        """The last step of the training curve that a run holds; -1 without any."""
        # train/psnr is in the row of step 0, train/loss in all others
        names = ("train/psnr", "train/loss")
        points = [p for name in names for p in self.client.get_metric_history(run_id, name)]
        return max((point.step for point in points), default=-1)

    def log_curve(self, run_id: str, rows: Iterable[Mapping[str, Any]], after: int = -1) -> None:
        """Log the rows of the training curve that come after a step."""
        now = int(time.time() * 1000)
        points = [
            Metric(curve_name(column), float(value), now, int(row["step"]))
            for row in rows
            if row["step"] > after
            for column, value in row.items()
            if column != "step" and not math.isnan(value)
        ]
        for i in range(0, len(points), METRICS_AT_ONCE):
            self.client.log_batch(run_id, points[i : i + METRICS_AT_ONCE])

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log final figures."""
        now = int(time.time() * 1000)
        points = [Metric(name, float(value), now, step) for name, value in metrics.items()]
        self.client.log_batch(run_id, points)

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags."""
        self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    def take_over(self, run: Run, tags: Mapping[str, str]) -> None:
        """Make a run that was left unfinished this experiment's own; it is under way again."""
        name = identity.experiment_name()
        self.client.update_run(run.info.run_id, "RUNNING", name)
        own = {OWNER: identity.owner(), EXPERIMENTS: name, **identity.provenance()}
        self.tag(run.info.run_id, own | dict(tags))

    def add_name(self, run: Run) -> None:
        """Note on a run that this experiment gave the same."""
        names = run.data.tags.get(EXPERIMENTS, "").split(", ")
        name = identity.experiment_name()
        if name not in names:
            self.tag(run.info.run_id, {EXPERIMENTS: ", ".join([*names, name])})


def is_active(run: Run) -> bool:
    """Whether a process that may still be alive is working on a run."""
    status = RunStatus.from_string(run.info.status)
    return status == RunStatus.RUNNING and not identity.is_dead(run.data.tags.get(OWNER, ""))


def trained_params(params: Params) -> dict[str, Any]:
    """The parameters that `train` logs: those which are settled when it starts."""
    later = ("evaluate.", "tracking.")
    return {name: value for name, value in params.flat().items() if not name.startswith(later)}


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

"""Models in MLflow's registry and runs: the only file of the library that knows MLflow.

The pipeline registers models; the names that it gives to what the library reads are here.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from srcnn.inference import mlflow_sqlite
from srcnn.masking import brief, masked

MODEL_NAME = "srcnn"
# Aliases: of the best version, and of the best of those with a perceptual loss.
CHAMPION, PERCEPTUAL = "champion", "perceptual"
HOW_TO_TRAIN = (
    "`dvc repro` (or `make repro`) in the project trains and registers one; packaged:x4 needs "
    "neither training nor MLflow"
)

# Tags of a version: its enlargement, and the weight of its perceptual loss.
SCALE_TAG, PERCEPTUAL_WEIGHT_TAG = "scale", "loss.perceptual_weight"
# And the name of its run, its loss in words, and whether that saw an untrained VGG19.
EXPERIMENT_TAG, LOSS_TAG, UNTRAINED_TAG = "experiment", "loss", "untrained_features"

# And how many dB more it gains on its validation pictures than the package's network of its scale.
OVER_PACKAGED_TAG = "val_psnr_over_packaged"

# Tags of a run: key of all that is published of it, and the names of the experiments that gave it.
# Each has a tag that begins so: a tag has an end, and two hosts cannot add to one at the same time.
CONTENT_TAG, EXPERIMENTS_TAG = "pipeline.content_key", "pipeline.experiments"

_LISTED = 5  # names in a message
_MOST_RUNS = 50_000  # that MLflow gives at once


class NoModel(ValueError):
    """The model cannot be found; the message says what would help."""


@dataclass(frozen=True)
class RegisteredModel:
    """A version of the registered model.

    Attributes:
        version: its number.
        scale: the enlargement; None where the version does not say.
        perceptual_weight: of its loss; 0 of the pixel loss alone.
        is_champion: whether it has the alias.
        experiment: the name of the run that made it; "" where the version does not say.
        loss: what it was trained with, in words; "" where the version does not say.
        date: when it was registered, as 2026-11-26.
        learned_from_untrained: whether the VGG19 of its perceptual loss was an untrained one.
        over_packaged: its PSNR on its validation pictures, in dB, less that of the package's
            network of its scale; None where they were not compared.
    """

    version: int
    scale: int | None
    perceptual_weight: float
    is_champion: bool
    experiment: str
    loss: str
    date: str
    learned_from_untrained: bool
    over_packaged: float | None

    @property
    def reference(self) -> str:
        """For `srcnn.load_model`."""
        return f"models:/{MODEL_NAME}/{self.version}"


def registered_models() -> list[RegisteredModel]:
    """All versions of the registered model, newest first, one of them the champion.

    The list is empty where nothing was registered, where there is no store, and where there is no
    MLflow to read an mlflow.db that is near.

    Raises:
        NoModel: the store cannot be read, or MLFLOW_TRACKING_URI names one without MLflow.
    """
    named = os.environ.get("MLFLOW_TRACKING_URI")
    if not named and not (_nearest_database() and find_spec("mlflow")):
        return []
    with reading("the registered models") as client:
        versions = client.search_model_versions(f"name = '{MODEL_NAME}'")
        if not versions:
            return []
        aliases = client.get_registered_model(MODEL_NAME).aliases
    newest_first = sorted(versions, key=lambda version: -int(version.version))
    champion = str(aliases.get(CHAMPION, newest_first[0].version))
    return [
        RegisteredModel(
            version=int(version.version),
            scale=int(version.tags[SCALE_TAG]) if SCALE_TAG in version.tags else None,
            perceptual_weight=float(version.tags.get(PERCEPTUAL_WEIGHT_TAG, 0)),
            is_champion=str(version.version) == champion,
            experiment=version.tags.get(EXPERIMENT_TAG, ""),
            loss=version.tags.get(LOSS_TAG, ""),
            date=f"{datetime.fromtimestamp(version.creation_timestamp / 1000):%Y-%m-%d}",
            learned_from_untrained=version.tags.get(UNTRAINED_TAG) == "true",
            over_packaged=float(over) if (over := version.tags.get(OVER_PACKAGED_TAG)) else None,
        )
        for version in newest_first
    ]


def run_of_experiment(name: str) -> str:
    """The id of the newest run that was published under this name, its own or an equal one's.

    Raises:
        NoModel: there is none, or MLflow cannot be read.
    """
    with reading("the experiments") as client:
        places = [experiment.experiment_id for experiment in client.search_experiments()]
        runs = published_runs(client, places)
    known: dict[str, str] = {}
    for run in runs:
        for called in filter(None, (run.info.run_name, *names_in(run.data.tags))):
            known.setdefault(called, run.info.run_id)
    if name in known:
        return known[name]
    names = list(known)
    there = ", ".join(names[:_LISTED]) or "none"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    raise NoModel(f"there is no experiment {name!r} in MLflow, where there are: {there}{more}")


def published_runs(client: Any, experiment_ids: Sequence[str]) -> list[Any]:
    """The runs of MLflow experiments that are there whole, newest first."""
    wanted = f"attributes.status = 'FINISHED' AND tags.`{CONTENT_TAG}` != ''"
    order = ["start_time DESC"]
    return list(client.search_runs(experiment_ids, wanted, max_results=_MOST_RUNS, order_by=order))


def names_in(tags: Mapping[str, str]) -> list[str]:
    """The names of the experiments that gave a run, from its tags, sorted."""
    return sorted({v for tag, v in tags.items() if tag.startswith(EXPERIMENTS_TAG) and v})


def pinned(uri: str) -> str:
    """The version that a reference to the registry means now, as `models:/NAME/VERSION`.

    Args:
        uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `models:/NAME`.

    Raises:
        NoModel: there is none, or MLflow cannot be read.
    """
    with reading(uri) as client:
        version = _model_version(client, uri)
    return f"models:/{version.name}/{version.version}"


@contextmanager
def fetched(uri: str) -> Iterator[tuple[Path, str, str]]:
    """The weights of a model in MLflow, while the block runs.

    Args:
        uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/NAME` or `runs:/RUN_ID`.

    Yields:
        The .safetensors file, the model's name for people, and the run that made it.

    Raises:
        NoModel: there is none, it is not one of this project, or MLflow cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        with reading(uri) as client:
            from mlflow.artifacts import download_artifacts

            if uri.startswith("models:"):
                version = _model_version(client, uri)
                source = f"models:/{version.name}/{version.version}"
                name = f"{version.name} version {version.version}"
                run_id = version.run_id or ""
            else:
                run_id, _, inner = uri.removeprefix("runs:").strip("/").partition("/")
                source = f"runs:/{run_id}/{inner or 'model'}"
                name = f"run {run_id}"
            files = Path(download_artifacts(source, dst_path=folder))
        weights = sorted(files.glob("artifacts/*.safetensors"))
        if len(weights) != 1:
            raise NoModel(f"{uri} is not a model of this project: it holds no one .safetensors")
        yield weights[0], name, run_id


def tracking_uri() -> str:
    """MLflow's store: `MLFLOW_TRACKING_URI`, else the nearest mlflow.db here or above.

    Raises:
        NoModel: there is neither, or the SQLite file that is named does not exist. (Opening a store
            that is not there would create it.)
    """
    named = os.environ.get("MLFLOW_TRACKING_URI")
    if named:
        file = mlflow_sqlite.database_file(named)
        if file and not file.is_file():
            raise NoModel(
                f"MLFLOW_TRACKING_URI is {masked(named)}, but there is no such file; {HOW_TO_TRAIN}"
            )
        return named
    nearest = _nearest_database()
    if nearest is None:
        raise NoModel(
            "there is no MLflow store: MLFLOW_TRACKING_URI is not set and no mlflow.db is in "
            f"{Path.cwd()} or above; {HOW_TO_TRAIN}"
        )
    return mlflow_sqlite.database_uri(nearest)


@contextmanager
def reading(what: str) -> Iterator[Any]:
    """MLflow's client while the block runs; its store is made that of `mlflow` itself, too.

    Args:
        what: is read in the block, for the sentence that says what went wrong.

    Raises:
        NoModel: MLflow is not installed, there is no store, or MLflow, the store, a file or a
            driver failed; the sentence shows no password.
    """
    uri = tracking_uri()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it waits for the network
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # else minutes without a server
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        import mlflow
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        raise NoModel(
            "a registry or experiment needs MLflow, which is not installed: "
            "pip install 'srcnn[mlflow]'; without it, name a .safetensors file or packaged:x4"
        ) from None
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        nearest = _nearest_database()
        if nearest and uri == mlflow_sqlite.database_uri(nearest):
            mlflow_sqlite.bring_up_to_date(nearest)
        yield mlflow.MlflowClient(uri, registry_uri=uri)
    except (mlflow.MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
        place = masked(f"{what} in {uri}")
        raise NoModel(f"{place} cannot be read: {brief(error)}; {HOW_TO_TRAIN}") from None


def _nearest_database() -> Path | None:
    here = Path.cwd().resolve()
    files = (folder / "mlflow.db" for folder in (here, *here.parents))
    return next((file for file in files if file.is_file()), None)


def _model_version(client: Any, uri: str) -> Any:
    """See `pinned`."""
    from mlflow.store.artifact.utils.models import get_model_name_and_version

    reference = uri.removeprefix("models:").strip("/")
    if not {"@", "/"} & set(reference):
        reference += "/latest"
    name, number = get_model_name_and_version(client, f"models:/{reference}")
    return client.get_model_version(name, number)

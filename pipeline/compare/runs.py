"""Published runs and their results, read from MLflow alone: no checkout, no DVC cache."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from pipeline.stage import StageError, paths
from pipeline.tracking import database, identity
from pipeline.tracking.store import RESULTS, TROUBLE, Store, name_tag
from srcnn.inference import mlflow_sqlite
from srcnn.inference.mlflow_models import names_in, published_runs
from srcnn.masking import brief, masked
from srcnn.scoring.measures import Measure
from srcnn.scoring.scores import Score, read_scores

KINDS = ("lr", "bicubic", "sr", "hr")


@dataclass(frozen=True)
class Reconstruction:
    """A test picture as one network reconstructed it.

    Attributes:
        id: its name in per_image.csv.
        whole: whether the files show all of it; else they show its middle.
        png: the PNG file of each of KINDS.
    """

    id: str
    whole: bool
    png: Mapping[str, bytes]


@dataclass(frozen=True)
class Results:
    """What a run reported.

    Attributes:
        evaluation: evaluation.json.
        scores: per_image.csv: of each set by the ids of its pictures.
        curve: training.csv.
        pictures: chosen test pictures.
        by_seed: where these are means of trainings that differ in their seed alone: the scores of
            each.
    """

    evaluation: Mapping[str, Any]
    scores: Mapping[str, Mapping[str, Score]]
    curve: pd.DataFrame
    pictures: Sequence[Reconstruction]
    by_seed: Sequence[Mapping[str, Mapping[str, Score]]] = ()

    def of_set(self, name: str) -> Mapping[str, Score]:
        """The scores of a test set, by the ids of its pictures; none if it was not scored."""
        return self.scores.get(name, {})

    def taken(self, name: str, measure: Measure) -> dict[str, Score]:
        """The scores of those pictures of a test set that a measure was taken of."""
        return {id_: score for id_, score in self.of_set(name).items() if measure.name in score.sr}

    def values(self, name: str, measure: Measure, ids: Sequence[str]) -> np.ndarray:
        """A measure of pictures of a test set, (seeds, pictures)."""
        every = self.by_seed or (self.scores,)
        return np.array([[of[name][id_].sr[measure.name] for id_ in ids] for of in every])


@dataclass(frozen=True)
class PublishedRun:
    """A published experiment, as MLflow holds it.

    Attributes:
        run_id: MLflow's; empty of what no run holds.
        name: the run's name.
        params: all parameters, by their names in params.yaml, as MLflow's texts.
        tags: the run's tags.
        metrics: the last value of each metric.
        read_results: reads its results, from the run's artifacts.
    """

    run_id: str
    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    read_results: Callable[[], Results] = field(repr=False, compare=False)

    def weight(self, term: str) -> float:
        """Of a further term of its loss."""
        return float(self.params.get(f"loss.{term}_weight", 0))

    @property
    def is_perceptual(self) -> bool:
        """Whether a perceptual or an adversarial loss took part in its training."""
        return self.weight("perceptual") > 0 or self.is_adversarial

    @property
    def is_adversarial(self) -> bool:
        """Whether a discriminator took part in its training."""
        return self.weight("adversarial") > 0

    @property
    def learned_from_untrained(self) -> bool:
        """Whether the VGG19 of its perceptual loss was an untrained one."""
        return self.weight("perceptual") > 0 and self.params["loss.vgg19_weights"] == "random"

    @property
    def steps(self) -> int:
        """Of all its trainings."""
        return sum(int(self.params.get(f"{stage}.steps", 0)) for stage in ("train", "finetune"))

    def differing(self, other: "PublishedRun") -> dict[str, tuple[str, str]]:
        """The parameters that differ, with both values; what one lacks is shown as a dash.

        Without those of where it is recorded, which is not about the network.
        """
        return {
            name: (self.params.get(name, "–"), other.params.get(name, "–"))
            for name in sorted({*self.params, *other.params})
            if self.params.get(name) != other.params.get(name) and not name.startswith("tracking.")
        }

    @property
    def data(self) -> str:
        """Digest of its LR/HR pairs, split, scale and luma."""
        return self.tags["data.pairs"]

    @property
    def label(self) -> str:
        """Its name and the beginning of its run id."""
        return f"{self.name} (run {self.run_id[:8]})" if self.run_id else self.name

    @property
    def other_names(self) -> list[str]:
        """The names of equal experiments, which are the same run."""
        return [name for name in names_in(self.tags) if name != self.name]

    @property
    def called(self) -> set[str]:
        """All by which it can be found."""
        version = self.tags.get("model.version", "")
        return {self.run_id, self.name, version, *self.other_names} - {""}

    @cached_property
    def results(self) -> Results:
        """Its results, from the run's artifacts.

        Raises:
            StageError: the run lacks some of them.
        """
        try:
            return self.read_results()
        except (MlflowException, OSError, ValueError, KeyError) as error:
            raise StageError(f"{self.label} lacks results in MLflow: {brief(error)}") from None


def kept_by_all(runs: Sequence[PublishedRun]) -> dict[str, list[Reconstruction]]:
    """The test pictures that all experiments keep, by their ids, as each reconstructed them."""
    pictures = [{picture.id: picture for picture in run.results.pictures} for run in runs]
    return {
        id_: [of[id_] for of in pictures]
        for id_ in pictures[0]
        if all(id_ in of for of in pictures)
    }


def published(experiment: str) -> list[PublishedRun]:
    """All runs that were published whole, newest first, also by DVC's present names.

    What is not there is not made.

    Args:
        experiment: MLflow's, as in tracking.experiment.

    Raises:
        StageError: there is no store, no such experiment or no such run in it, or MLflow does not
            answer.
    """
    uri = database.tracking_uri()
    file = mlflow_sqlite.database_file(uri)
    if file and not file.is_file():
        raise StageError(f"there is no MLflow store {masked(uri)} yet; `dvc repro` makes one")
    store = Store(experiment, create=False)
    renamed = identity.names_in_dvc()
    try:
        published = published_runs(store.client, [store.experiment_id])
    except TROUBLE as error:
        raise StageError(f"{store.name} cannot be read: {brief(error)}") from None
    if not published:
        raise StageError(
            f"MLflow experiment {experiment!r} holds no finished run; `dvc repro` makes one"
        )
    return [_run(run, store.client, renamed) for run in published]


def _run(run: Run, client: MlflowClient, renamed: Mapping[str, Sequence[str]]) -> PublishedRun:
    info, data = run.info, run.data
    tags = dict(data.tags)
    for name in renamed.get(tags.get(RESULTS, ""), ()):
        tags |= name_tag(name)
    read = partial(_read, client, info.run_id)
    return PublishedRun(info.run_id, info.run_name, data.params, tags, data.metrics, read)


def _read(client: MlflowClient, run_id: str) -> Results:
    with tempfile.TemporaryDirectory() as folder:
        metrics, pictures = (
            Path(client.download_artifacts(run_id, name, folder))
            for name in (paths.EVALUATION.parent.name, paths.RECONSTRUCTIONS.name)
        )
        index = json.loads((pictures / "index.json").read_text(encoding="utf-8"))
        scores = read_scores(metrics / paths.PER_IMAGE.name)
        return Results(
            json.loads((metrics / paths.EVALUATION.name).read_text(encoding="utf-8")),
            {name: {score.id: score for score in of_set} for name, of_set in scores.items()},
            pd.read_csv(metrics / paths.TRAINING_CURVE.name),
            [_reconstruction(pictures, entry) for entry in index],
        )


def _reconstruction(folder: Path, entry: Mapping[str, Any]) -> Reconstruction:
    files = {kind: folder / f"{entry['file']}-{kind}.png" for kind in KINDS}
    png = {kind: file.read_bytes() for kind, file in files.items()}
    return Reconstruction(entry["id"], entry["whole"], png)

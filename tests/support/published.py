"""Whether MLflow's store holds an experiment whole and once."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from pipeline.stage import paths
from pipeline.tracking.points import curve_name
from srcnn.masking import brief

FOLDERS = (paths.FIGURES, paths.RECONSTRUCTIONS, paths.EVALUATION.parent)


def wrong(client: MlflowClient, run: Run, model: str = "srcnn", folder: Path = Path()) -> list[str]:
    """What is wrong with a run that should hold the experiment in a folder, in words.

    Args:
        client: of the store.
        run: the only one of its MLflow experiment that was published.
        model: the name of the registered model, which has one version.
        folder: of a project with all results.
    """
    found = [] if run.info.status == "FINISHED" else [f"the run is {run.info.status}"]
    try:
        found += wrong_metrics(client, run, folder)
        found += _wrong_files(client, run, folder)
        found += _wrong_model(client, run, model, folder)
    except MlflowException as error:  # of what is missing
        found.append(brief(error))
    return found


def points(client: MlflowClient, run: Run, metric: str) -> list[tuple[int, float]]:
    """Steps and values of a metric's points."""
    history = client.get_metric_history(run.info.run_id, metric)
    return sorted((point.step, point.value) for point in history)


def wrong_metrics(client: MlflowClient, run: Run, folder: Path) -> Iterator[str]:
    """What differs from the curve and the evaluation that are in a folder."""
    curve = pd.read_csv(folder / paths.TRAINING_CURVE, index_col="step")
    expected = {curve_name(column): list(curve[column].dropna().items()) for column in curve}
    evaluation = json.loads((folder / paths.EVALUATION).read_text(encoding="utf-8"))
    for name in ("psnr", "ssim_bicubic"):
        expected[f"test/{name}"] = [(0, evaluation[name])]
    for name, values in expected.items():
        if points(client, run, name) != values:
            yield f"{name} differs"


def _wrong_files(client: MlflowClient, run: Run, folder: Path) -> Iterator[str]:
    if not client.list_artifacts(run.info.run_id, "images"):
        yield "there are no images"
    with tempfile.TemporaryDirectory() as parent:
        there = Path(client.download_artifacts(run.info.run_id, "", parent))
        made = [path for of in FOLDERS for path in (folder / of).rglob("*.*")]
        for path in sorted(made):
            name = path.relative_to(folder)
            # The speed is measured: that of a twin is another one.
            if name.name in (".gitignore", paths.SPEED.name):
                continue
            if not (there / name).is_file() or (there / name).read_bytes() != path.read_bytes():
                yield f"artifact {name} differs or is missing"


def _wrong_model(client: MlflowClient, run: Run, name: str, folder: Path) -> Iterator[str]:
    versions = client.search_model_versions(f"name = '{name}'")
    models = client.search_logged_models([run.info.experiment_id])
    sources = [(version.run_id, version.source) for version in versions]
    if len(models) != 1 or sources != [(run.info.run_id, models[0].model_uri)]:
        yield f"{len(versions)} versions, {len(models)} models"
        return
    (version,) = versions
    champion = client.get_model_version_by_alias(name, "champion").version
    number = run.data.tags.get("model.version")
    if {str(champion), number} != {str(version.version)}:
        yield f"version {version.version}, champion {champion}, in the run {number}"
    with tempfile.TemporaryDirectory() as parent:
        source = f"{models[0].artifact_location}/artifacts/{paths.WEIGHTS.name}"
        file = download_artifacts(source, dst_path=parent, tracking_uri=client.tracking_uri)
        if Path(file).read_bytes() != (folder / paths.WEIGHTS).read_bytes():
            yield "the model's weights differ"

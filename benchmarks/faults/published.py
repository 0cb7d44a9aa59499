"""Whether MLflow's store holds an experiment whole and once."""

from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from benchmarks.faults.project import Project
from pipeline.tracking.store import curve_name
from tests.e2e.conftest import curves

FOLDERS = ("figures", "metrics", "reconstructions")


def wrong(
    project: Project,
    client: MlflowClient,
    names: tuple[str, str] = ("portrait-srcnn", "srcnn"),
    artifacts: Path = Path("/"),
) -> list[str]:
    """What is wrong with the published experiment in a workspace, in words.

    Args:
        project: the workspace.
        client: of the store.
        names: of the MLflow experiment and the model, which have no other run or version.
        artifacts: the folder in which a server keeps artifacts; of a store on disk "/".
    """
    experiment = client.get_experiment_by_name(names[0])
    if experiment is None:
        return ["MLflow holds no experiment"]
    runs = list(client.search_runs([experiment.experiment_id]))
    states = [run.info.status for run in runs]
    if states != ["FINISHED"]:
        return [f"MLflow holds {states}"]
    (run,) = runs
    return [
        *_wrong_curve(project, client, run),
        *_wrong_files(project, folder_of(run.info.artifact_uri, artifacts)),
        *_wrong_model(project, client, run, names[1], artifacts),
    ]


def folder_of(uri: str, artifacts: Path) -> Path:
    """Where an artifact lies: of a server that takes uploads the URI says only its end."""
    return artifacts / uri.removeprefix("mlflow-artifacts:/")


def _wrong_curve(project: Project, client: MlflowClient, run: Run) -> list[str]:
    found = []
    curve = pd.read_csv(project.folder / "metrics/training.csv")
    for column in curve.columns.drop("step"):
        points = curve[["step", column]].dropna().itertuples(index=False, name=None)
        if curves(client, run, curve_name(column)) != [list(points)]:
            found.append(f"{curve_name(column)} differs")
    return found


def _wrong_files(project: Project, folder: Path) -> list[str]:
    made = [path for name in FOLDERS for path in (project.folder / name).rglob("*.*")]
    differing = [
        name
        for path in sorted(made)
        # The speed is measured: that of a twin is another one.
        if path.name not in (".gitignore", "speed.json")
        for name in [str(path.relative_to(project.folder))]
        if not (folder / name).is_file() or (folder / name).read_bytes() != path.read_bytes()
    ]
    return [f"artifact {name} differs or is missing" for name in differing]


def _wrong_model(
    project: Project, client: MlflowClient, run: Run, name: str, artifacts: Path
) -> list[str]:
    versions = client.search_model_versions(f"name='{name}'")
    if [version.run_id for version in versions] != [run.info.run_id]:
        return [f"{len(versions)} model versions"]
    champion = client.get_registered_model(name).aliases.get("champion")
    found = [] if str(champion) == str(versions[0].version) else [f"champion is {champion}"]
    models = client.search_logged_models([run.info.experiment_id])
    states = [str(model.status) for model in models]
    if states != ["READY"]:
        found.append(f"logged models: {states}")
    weights = folder_of(models[0].artifact_location, artifacts) / "artifacts/srcnn.safetensors"
    if not weights.is_file() or weights.read_bytes() != project.read("models/srcnn.safetensors"):
        found.append("the model's weights differ or are missing")
    return found

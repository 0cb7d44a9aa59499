"""Publishing an experiment: one run of it, whole, also if it was published before, or in part.

On one machine one process at a time publishes, as it holds the store's lock. Hosts that share a
server have no lock in common; `_settle` makes one run of what they published at the same moment.
"""

from collections.abc import Iterable
from pathlib import Path

from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Dataset, DatasetInput, InputTag, Run
from mlflow.entities.model_registry import ModelVersion

from pipeline.stage import paths
from pipeline.stage.inputs import digest, hash_of
from pipeline.tracking import identity, image_grid, registry
from pipeline.tracking.experiment import Experiment
from pipeline.tracking.points import log_curve, times
from pipeline.tracking.store import RESULTS, TRAINING_KEY, TRAINING_RUN, RunState, Store
from srcnn.inference.mlflow_models import CONTENT_TAG

# Tags of a run: its version of the registered model; a digest of the files that it was given.
_VERSION, _FILES = "model.version", "pipeline.files"
_FOLDERS = (paths.FIGURES, paths.RECONSTRUCTIONS, paths.EVALUATION.parent)


def publish(
    store: Store, experiment: Experiment, model_name: str
) -> tuple[Run, ModelVersion, bool]:
    """Put an experiment into MLflow, or add its name to the run that holds the same already.

    Returns:
        Its run, its version of the registered model, and whether the run was there already.
    """
    with store.lock:
        store.mark_crashed()
        whole = store.runs(CONTENT_TAG, experiment.content, RunState.FINISHED)
        run = whole[0] if whole else _open(store, experiment)
        if not whole:
            _log_results(store, run, experiment)
        _log_files(store, run)  # those of a whole run may have been deleted
        version = registry.register(store, run, model_name, experiment)
        if run.data.tags.get(_VERSION) != str(version.version):
            _tag(store, run, experiment, str(version.version))
        if not whole:
            store.move(run.info.run_id, RunState.FINISHED)
        kept = _settle(store, experiment)
        if kept.info.run_id != run.info.run_id:
            version = registry.register(store, kept, model_name, experiment)
        return kept, version, bool(whole)


def _left(store: Store, experiment: Experiment) -> list[Run]:
    """Unfinished runs of this training, but for those that another evaluation of it began."""
    contents = (None, experiment.content)
    runs = store.left(experiment.trained.key)
    return [run for run in runs if run.data.tags.get(CONTENT_TAG) in contents]


def _open(store: Store, experiment: Experiment) -> Run:
    """The run to publish in: that of the training, or a new one."""
    key = experiment.trained.key
    tags = {CONTENT_TAG: experiment.content, TRAINING_KEY: key}
    run = store.open(experiment.params, tags, RunState.SCHEDULED, _left(store, experiment))
    first = store.runs(TRAINING_KEY, key)[0]
    if first.info.run_id != run.info.run_id:
        store.tag(run.info.run_id, {TRAINING_RUN: first.info.run_id})
    return run


def _log_results(store: Store, run: Run, experiment: Experiment) -> None:
    trained, *_ = store.runs(TRAINING_KEY, experiment.trained.key)
    known = times(store, [trained, run])
    log_curve(store, run, experiment.curve.to_dict("records"), known)
    store.log_metrics(run, experiment.metrics())
    store.client.log_inputs(run.info.run_id, [_dataset(experiment)])


def _log_files(store: Store, run: Run) -> None:
    """Log the files, unless the run says that it has the same ones, and lists all of them."""
    with image_grid.drawn(run) as pictures:
        folders = (*_FOLDERS, pictures)
        content = hash_of([digest(path) for path in (*folders, paths.TRAINED)])
        if run.data.tags.get(_FILES) == content and _are_listed(store, run, folders):
            return
        for folder in folders:
            store.client.log_artifacts(run.info.run_id, str(folder), folder.name)
    store.client.log_artifact(run.info.run_id, str(paths.TRAINED))
    store.tag(run.info.run_id, {_FILES: content, "mlflow.loggedImages": "True"})


def _are_listed(store: Store, run: Run, folders: Iterable[Path]) -> bool:
    wanted = {"": [paths.TRAINED]} | {folder.name: list(folder.iterdir()) for folder in folders}
    for place, files in wanted.items():
        listed = store.client.list_artifacts(run.info.run_id, place or None)
        if not {file.name for file in files} <= {Path(file.path).name for file in listed}:
            return False
    return True


def _dataset(experiment: Experiment) -> DatasetInput:
    source = experiment.params["data.source"]
    pairs = experiment.pairs
    origin = CodeDatasetSource({"source": source, "path": experiment.params["data.path"] or ""})
    name = f"{source}-x{pairs.scale}"
    dataset = MetaDataset(origin, name, pairs.digest[:32])  # type: ignore[abstract]  # no `profile`
    context = [InputTag("mlflow.data.context", "training, evaluation")]
    return DatasetInput(Dataset(**dataset.to_dict()), context)


def _tag(store: Store, run: Run, experiment: Experiment, version: str) -> None:
    evaluation = experiment.evaluation
    trained = experiment.trained
    tags = {
        "params.hash": hash_of(experiment.params),
        "data.raw": digest(paths.RAW_INDEX)[:32],
        "data.pairs": experiment.pairs.digest[:32],
        _VERSION: version,
        RESULTS: identity.results_id(),
        "loss": evaluation["loss"],
        "trained_in": trained.environment.precision,
        "trained_on": str(trained.environment),
        "trained_from": f"sha256 {trained.initial}" if trained.initial else "random weights",
        "mlflow.note.content": f"{experiment.summary()}, model version {version}.\n\n"
        f"Figures: {_links(store, run)}.",
        **{n: text for n, text in evaluation.items() if n.endswith(("_note", "_weights"))},
    }
    store.tag(run.info.run_id, tags)


def _links(store: Store, run: Run) -> str:
    """Links of MLflow's pages to the run's figures."""
    artifacts = f"#/experiments/{store.experiment_id}/runs/{run.info.run_id}/artifacts"
    figures = sorted(paths.FIGURES.glob("*.png"))
    return ", ".join(f"[{file.stem}]({artifacts}/{file.as_posix()})" for file in figures)


def _settle(store: Store, experiment: Experiment) -> Run:
    """Of all runs of an experiment keep the first that was published, with the names of all.

    Two hosts that share a server publish the same at the same moment in two runs. All of them come
    to the same choice, whoever is the last. Runs of this training at this place that were left
    unfinished, as those of a twin, have nothing to wait for any more.
    """
    first, *others = store.runs(CONTENT_TAG, experiment.content, RunState.FINISHED)
    store.add_names(first, others)
    for run in (*others, *_left(store, experiment)):
        store.delete(run)
    return first

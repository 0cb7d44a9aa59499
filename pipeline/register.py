"""Stage register: this experiment in MLflow, exactly once, with all its results and its model.

It runs at every `dvc repro` and `dvc exp run`, also when nothing changed: DVC knows what was
computed, but not what MLflow's store holds. What is there already stays as it is.
"""

import json
import time
from contextlib import nullcontext
from pathlib import Path

from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Dataset, DatasetInput, InputTag

from pipeline import stage
from pipeline.stage import paths
from pipeline.stage.inputs import digest, hash_of
from pipeline.stage.params import Params
from pipeline.tracking import identity, registry, view
from pipeline.tracking.claims import beating, claim, is_ours, settle
from pipeline.tracking.experiment import Experiment
from pipeline.tracking.store import RESULTS, STATE, TROUBLE, Store
from srcnn.masking import brief
from srcnn.registry import (
    EXPERIMENT_TAG,
    LOSS_TAG,
    OVER_PACKAGED_TAG,
    PERCEPTUAL_WEIGHT_TAG,
    SCALE_TAG,
    UNTRAINED_TAG,
)
from srcnn.scoring.measures import measures_among

_PAUSES = (1, 2, 4, 8)  # seconds between tries
_VERSION = "model.version"
_FOLDERS = (paths.FIGURES, paths.RECONSTRUCTIONS, paths.EVALUATION.parent)


def main(params: Params) -> None:
    """Publish the experiment, and choose the champion among the registered models.

    Raises:
        StageError: its results do not belong together, or MLflow cannot be reached.
    """
    experiment = Experiment.read()
    for pause in (*_PAUSES, None):
        try:
            _publish(experiment, params)
            return
        except (*TROUBLE, stage.StageError) as error:
            if pause is None:
                raise stage.StageError(
                    f"{brief(error)}. The results are kept: the same command again publishes them "
                    "when MLflow can be reached, and computes nothing anew"
                ) from None
            time.sleep(pause)


def _publish(experiment: Experiment, params: Params) -> None:
    store = Store(params.tracking.experiment)
    run, ours = claim(store, experiment.trained.key, experiment.training_params, experiment.content)
    run_id = run.info.run_id
    name = params.tracking.model_name
    if not ours and run.data.tags[STATE] != "published":
        print(f"Another process is publishing this experiment: run {run_id}")
        return
    with beating(store, run_id) if ours else nullcontext():
        if ours:
            rows = experiment.curve.to_dict("records")
            named = [{str(name): value for name, value in row.items()} for row in rows]
            store.log_curve(run_id, named, store.points(run))
            _log_results(store, run_id, experiment)
            if not is_ours(store, run_id):
                print(f"Another process is publishing this experiment: run {run_id}")
                return
        with store.lock:
            version = registry.register(
                store,
                run_id,
                name,
                experiment.summary(),
                _version_tags(experiment, run.info.run_name),
            )
        again = [] if ours else _log_missing_files(store, run_id)
        if not ours and run.data.tags.get(_VERSION) != str(version.version):
            _describe(store, run_id, experiment, str(version.version))
            again.append(f"model version {version.version}")
        if ours:
            _describe(store, run_id, experiment, str(version.version))
            store.client.set_terminated(run_id, "FINISHED")
            store.tag(run_id, {STATE: "published"})
            run_id = settle(store, experiment.content).info.run_id
            made, version = version, registry.keep_first(store, run_id, version)
            if made.run_id == run_id and made.version != version.version:
                _describe(store, run_id, experiment, str(version.version))
    with store.lock:
        champion = registry.choose_champion(store.client, name, version, params.tracking.promote)
    view.share(store, measures_among(experiment.evaluation))
    known = "" if ours or again else " (it was there already)"
    if again:
        print(f"Published again, as MLflow did not have it: {', '.join(again)}")
    print(
        f"{experiment.result()}\n"
        f"MLflow run {run_id}{known}, model {name} version {version.version}, "
        f"champion version {champion.version}: {store.name}"
    )
    if registry.validated_on(champion) != registry.validated_on(version):
        print(
            "The champion was validated on other pictures or at another scale, so the two were not "
            "compared. `dvc repro` with tracking.promote: true makes this experiment's the standard"
        )
    _say_what_is_not_committed(params)
    print(
        "Next: `python -m pipeline.compare` sets two experiments side by side; all of them: "
        f"`mlflow ui`, {view.link(store)}"
    )


def _say_what_is_not_committed(params: Params) -> None:
    if changes := identity.changed_parameters(params):
        in_a_copy = stage.project_root() != Path.cwd()
        way_back = "" if in_a_copy else ". `git restore params.yaml` takes it back"
        print(f"Not as committed in params.yaml: {changes}{way_back}")
    elif identity.only_results_differ():
        print(
            "The files in metrics/ are not the committed ones: the last digits depend on the kind "
            "of CPU and on PyTorch's version. Commit them or leave them, both are fine"
        )


def _log_results(store: Store, run_id: str, experiment: Experiment) -> None:
    given = experiment.params.items()
    store.log_params(run_id, {n: v for n, v in given if n.startswith("evaluate.")})
    store.log_metrics(run_id, experiment.metrics())
    store.client.log_inputs(run_id, [_dataset(experiment)])
    for folder in _FOLDERS:
        store.client.log_artifacts(run_id, str(folder), folder.name)
    store.client.log_artifact(run_id, str(paths.TRAINED))


def _log_missing_files(store: Store, run_id: str) -> list[str]:
    """Log what a published run has lost of its files since; their paths."""
    there = store.files(run_id)
    files = [path for folder in _FOLDERS for path in folder.rglob("*") if path.is_file()]
    missing = sorted(path for path in files if path.as_posix() not in there)
    for path in missing:
        store.client.log_artifact(run_id, str(path), path.parent.as_posix())
    if paths.TRAINED.name not in there:
        store.client.log_artifact(run_id, str(paths.TRAINED))
        missing.append(paths.TRAINED)
    return [str(path) for path in missing]


def _dataset(experiment: Experiment) -> DatasetInput:
    source = experiment.params["data.source"]
    pairs = experiment.pairs
    origin = CodeDatasetSource({"source": source, "path": experiment.params["data.path"] or ""})
    name = f"{source}-x{pairs.scale}"
    dataset = MetaDataset(origin, name, pairs.digest[:32])  # type: ignore[abstract]  # no `profile`
    context = [InputTag("mlflow.data.context", "training, evaluation")]
    return DatasetInput(Dataset(**dataset.to_dict()), context)


def _version_tags(experiment: Experiment, run_name: str) -> dict[str, str]:
    params = experiment.params
    evaluation = experiment.evaluation
    scores = {name: f"{evaluation[name]:.6g}" for name in ("psnr", "ssim", "psnr_gain")}
    over_packaged = evaluation["validation"]["psnr_over_packaged"]
    return {
        registry.GAIN: f"{experiment.gain:.6f}",
        registry.DATA: experiment.pairs.digest,
        SCALE_TAG: str(experiment.pairs.scale),
        registry.PICTURES: str(params["train.val_pictures"]),
        "luma": experiment.pairs.luma,
        PERCEPTUAL_WEIGHT_TAG: f"{params['loss.perceptual_weight']:g}",
        EXPERIMENT_TAG: run_name,
        LOSS_TAG: evaluation["loss"],
        UNTRAINED_TAG: json.dumps(experiment.has_untrained_features),
        **({} if over_packaged is None else {OVER_PACKAGED_TAG: str(over_packaged)}),
        **{f"test_{name}": value for name, value in scores.items()},
    }


def _describe(store: Store, run_id: str, experiment: Experiment, version: str) -> None:
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
        f"Figures: {_links(store, run_id)}.",
        **{n: text for n, text in evaluation.items() if n.endswith(("_note", "_weights"))},
    }
    store.tag(run_id, tags)


def _links(store: Store, run_id: str) -> str:
    """Links of MLflow's pages to the run's figures."""
    artifacts = f"#/experiments/{store.experiment_id}/runs/{run_id}/artifacts"
    figures = sorted(paths.FIGURES.glob("*.png"))
    return ", ".join(f"[{file.stem}]({artifacts}/{file.as_posix()})" for file in figures)


if __name__ == "__main__":
    stage.run(main)

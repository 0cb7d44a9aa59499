"""Stage register: this experiment in MLflow, exactly once, with all its results and its model.

It runs at every `dvc repro` and `dvc exp run`, also when nothing changed: DVC knows what was
computed, but not what MLflow's store holds. What is there already stays as it is.
"""

import json
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Dataset, DatasetInput, InputTag

from pipeline.base import artifacts, paths, stage
from pipeline.base.inputs import digest, hash_of
from pipeline.base.params import Params
from pipeline.base.record import Degraded, Evaluated, Trained, check_weights
from pipeline.tracking import identity, registry, view
from pipeline.tracking.claims import beating, claim, settle
from pipeline.tracking.store import STATE, TROUBLE, Store, brief
from srcnn.measures import measures_among
from srcnn.pairs import Pairs
from srcnn.registry import (
    EXPERIMENT_TAG,
    LOSS_TAG,
    PERCEPTUAL_WEIGHT_TAG,
    SCALE_TAG,
    UNTRAINED_TAG,
)

_PAUSES = (1, 2, 4, 8)  # seconds between tries


@dataclass(frozen=True)
class Experiment:
    """All that is published of an experiment, as its stages left it.

    Attributes:
        trained: what the model was trained from.
        training_params: the parameters of data and training, by dotted names.
        params: these and the parameters of the evaluation.
        evaluation: evaluation.json.
        curve: training.csv.
        pairs: the data.
    """

    trained: Trained
    training_params: Mapping[str, Any]
    params: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    curve: pd.DataFrame
    pairs: Pairs

    @property
    def content(self) -> str:
        """Key of what is published: parameters and results."""
        results = (paths.WEIGHTS, paths.TRAINING_CURVE, paths.PER_IMAGE, paths.EVALUATION)
        return hash_of([self.params, {str(path): digest(path) for path in results}])

    @property
    def gain(self) -> float:
        """Gain in PSNR over bicubic of the kept weights, on validation pictures."""
        kept = self.trained.kept
        return kept["val_psnr"] - kept["val_psnr_bicubic"]


def main(params: Params) -> None:
    """Publish the experiment, and choose the champion among the registered models.

    Raises:
        StageError: its results do not belong together, or MLflow cannot be reached.
    """
    experiment = _read()
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


def _read() -> Experiment:
    degraded = Degraded.read(paths.DEGRADED)
    trained = Trained.read(paths.TRAINED)
    evaluated = Evaluated.read(paths.EVALUATED)
    check_weights(trained)
    with artifacts.reading(paths.PAIRS):
        pairs = Pairs.open(paths.PAIRS, verify=True)
    try:
        evaluation = json.loads(paths.EVALUATION.read_text(encoding="utf-8"))
        curve = pd.read_csv(paths.TRAINING_CURVE)
    except (OSError, ValueError) as error:
        raise stage.StageError(f"{error}; `dvc repro` makes what is missing") from None
    parts = {
        str(paths.PAIRS): {pairs.digest, degraded.pairs, trained.pairs, evaluated.pairs},
        str(paths.WEIGHTS): {trained.weights, evaluated.weights},
        str(paths.TRAINING_CURVE): {trained.curve, digest(paths.TRAINING_CURVE)},
        "seed": {part.params["seed"] for part in (degraded, trained, evaluated)},
    }
    mixed = [what for what, versions in parts.items() if len(versions) > 1]
    if mixed:
        raise stage.StageError(
            "the results do not belong to one experiment: they differ in "
            f"{' and '.join(mixed)}. `dvc repro` makes what is missing"
        )
    training_params = degraded.params | trained.params
    params = training_params | evaluated.params
    return Experiment(trained, training_params, params, evaluation, curve, pairs)


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
        with store.lock:
            version = registry.register(
                store,
                run_id,
                name,
                _summary(experiment),
                _version_tags(experiment, run.info.run_name),
            )
        if ours:
            _describe(store, run_id, experiment, str(version.version))
            store.client.set_terminated(run_id, "FINISHED")
            store.tag(run_id, {STATE: "published"})
            run_id = settle(store, experiment.content).info.run_id
    with store.lock:
        champion = registry.choose_champion(store.client, name, version, params.tracking.promote)
    view.share(store)
    known = "" if ours else " (it was there already)"
    print(
        f"{_result(experiment)}\n"
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


def _result(experiment: Experiment) -> str:
    evaluation = experiment.evaluation
    interval = evaluation["psnr_gain_ci95"]
    certain = f" (95 % interval {interval[0]:+.2f} to {interval[1]:+.2f})" if interval else ""
    return (
        f"SRCNN {evaluation['psnr']:.2f} dB, bicubic {evaluation['psnr_bicubic']:.2f}: "
        f"gain {evaluation['psnr_gain']:+.2f} dB{certain} "
        f"on {evaluation['pictures']} test pictures of {evaluation['sources']} sources"
    )


def _log_results(store: Store, run_id: str, experiment: Experiment) -> None:
    given = experiment.params.items()
    store.log_params(run_id, {n: v for n, v in given if n.startswith("evaluate.")})
    store.log_metrics(run_id, _final_metrics(experiment))
    store.client.log_inputs(run_id, [_dataset(experiment)])
    for folder in (paths.FIGURES, paths.RECONSTRUCTIONS, paths.EVALUATION.parent):
        store.client.log_artifacts(run_id, str(folder), folder.name)
    store.client.log_artifact(run_id, str(paths.TRAINED))


def _final_metrics(experiment: Experiment) -> dict[str, float]:
    """What experiments are compared by: test/psnr, test/psnr_gain, test-Set5/psnr, ...

    The rest of evaluation.json is in the run's artifacts; each metric is one more chart in the UI.
    """
    evaluation = experiment.evaluation
    kept = experiment.trained.kept
    speed = json.loads(paths.SPEED.read_text(encoding="utf-8"))
    metrics = {
        "val/psnr_gain": experiment.gain,
        "kept/step": kept["step"],
        "network/parameters": evaluation["parameters"],
        "network/macs_per_pixel": evaluation["macs_per_pixel"],
        "network/megapixels_per_second": speed["megapixels_per_second"],
        **_measures("test", evaluation),
    }
    validation = evaluation["validation"].items()
    metrics |= {f"val/{n}": v for n, v in validation if n != "pictures" and v is not None}
    if "val_perceptual" in kept:
        metrics["kept/perceptual"] = kept["val_perceptual"]
    for name, scores in evaluation["test_sets"].items():
        metrics |= _measures(f"test-{name}", scores)
    return metrics


def _measures(group: str, summary: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{group}/{measure.name}{part}": summary[f"{measure.name}{part}"]
        for measure in measures_among(summary)
        for part in ("", "_bicubic", "_gain")
    }


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
    return {
        registry.GAIN: f"{experiment.gain:.6f}",
        registry.DATA: experiment.pairs.digest,
        SCALE_TAG: str(experiment.pairs.scale),
        registry.PICTURES: str(params["train.val_pictures"]),
        "luma": experiment.pairs.luma,
        PERCEPTUAL_WEIGHT_TAG: f"{params['loss.perceptual_weight']:g}",
        EXPERIMENT_TAG: run_name,
        LOSS_TAG: evaluation["loss"],
        UNTRAINED_TAG: json.dumps(_has_untrained_features(params)),
        **{f"test_{name}": value for name, value in scores.items()},
    }


def _has_untrained_features(params: Mapping[str, Any]) -> bool:
    return bool(params["loss.perceptual_weight"]) and params["loss.vgg19_weights"] == "random"


def _describe(store: Store, run_id: str, experiment: Experiment, version: str) -> None:
    evaluation = experiment.evaluation
    trained = experiment.trained
    tags = {
        "params.hash": hash_of(experiment.params),
        "data.raw": digest(paths.RAW_INDEX)[:32],
        "data.pairs": experiment.pairs.digest[:32],
        "model.version": version,
        "loss": evaluation["loss"],
        "trained_in": trained.precision,
        "trained_on": f"{trained.device}, {trained.instructions}, PyTorch {trained.torch}",
        "vgg19_weights": evaluation["vgg19_weights"] or "none",
        "mlflow.note.content": f"{_summary(experiment)}, model version {version}.\n\n"
        f"Figures: {_links(store, run_id)}.",
        **{name: note for name, note in evaluation.items() if name.endswith("_note")},
    }
    store.tag(run_id, tags)


def _summary(experiment: Experiment) -> str:
    params = experiment.params
    evaluation = experiment.evaluation
    return (
        f"SRCNN {'-'.join(str(k) for k in params['model.kernels'])}, x{params['degrade.scale']}, "
        f"{evaluation['loss']}, "
        f"{params['data.source']}: **{evaluation['psnr']:.2f} dB**, SSIM {evaluation['ssim']:.4f} "
        f"on {evaluation['pictures']} test pictures (bicubic {evaluation['psnr_bicubic']:.2f} dB, "
        f"{evaluation['ssim_bicubic']:.4f}); luma {experiment.pairs.luma}"
    )


def _links(store: Store, run_id: str) -> str:
    """Links of MLflow's pages to the run's figures."""
    artifacts = f"#/experiments/{store.experiment_id}/runs/{run_id}/artifacts"
    figures = sorted(paths.FIGURES.glob("*.png"))
    return ", ".join(f"[{file.stem}]({artifacts}/{file.as_posix()})" for file in figures)


if __name__ == "__main__":
    stage.run(main)

"""Stage register: this experiment in MLflow, exactly once, with all its results and its model."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import DatasetInput, InputTag, Run

from pipeline import identity, paths, registry, stage, tracking
from pipeline.params import Params
from pipeline.tracking import CONTENT_KEY, STATE, TRAINING_KEY, TRAINING_RUN, Store
from srcnn.comparison import measures_of
from srcnn.pairs import Pairs
from srcnn.selection import kept_row


def main(params: Params) -> None:
    """Adopt the run that `train` opened, or replay the training into a new one; log the results."""
    store = Store(params.tracking.experiment)
    run = _claim(store, params)
    if run is None:
        return
    _publish(store, run.info.run_id, params)


def _claim(store: Store, params: Params) -> Run | None:
    """The run to publish this experiment in; None if it stands in MLflow already.

    Under the lock, so that of two identical experiments at once one publishes.
    """
    content = identity.content_key(params)
    training = identity.stage_key("train", params)
    with store.lock:
        store.bury_the_dead()
        live = [r for r in store.runs(TRAINING_KEY, training) if r.data.tags[STATE] == "trained"]
        same = store.runs(CONTENT_KEY, content)
        if same and (same[0].data.tags[STATE] == "published" or tracking.is_active(same[0])):
            store.add_name(same[0])
            for run in live:  # trained again, by changed code, to the same result
                store.client.delete_run(run.info.run_id)
            print(f"This experiment stands in MLflow already: run {same[0].info.run_id}")
            return None
        tags = {CONTENT_KEY: content, TRAINING_KEY: training, STATE: "publishing"}
        logged = tracking.trained_params(params)
        texts = tracking.as_texts(logged)
        unfinished = same or [run for run in live if run.data.params == texts]
        if unfinished:
            store.take_over(unfinished[0], tags)
            return unfinished[0]
        trained = store.runs(TRAINING_KEY, training)
        if trained:
            tags[TRAINING_RUN] = trained[-1].data.tags.get(TRAINING_RUN, trained[-1].info.run_id)
        return store.create(logged, tags)


def _publish(store: Store, run_id: str, params: Params) -> None:
    curve = pd.read_csv(paths.TRAINING_CURVE)
    evaluation = json.loads(paths.EVALUATION.read_text(encoding="utf-8"))
    kept = curve.loc[kept_row(curve)]
    gain = float(kept["val_psnr"] - kept["val_psnr_bicubic"])
    store.log_curve(run_id, curve.to_dict("records"), store.last_step(run_id))
    flat = params.flat()
    store.log_params(run_id, {n: v for n, v in flat.items() if n.startswith("evaluate.")})
    store.log_metrics(run_id, _final_metrics(evaluation) | {"val/psnr_gain": gain})

    pairs = Pairs.open(paths.PAIRS)
    store.client.log_inputs(run_id, [_dataset(pairs, params)])
    for folder in (paths.FIGURES, paths.RECONSTRUCTIONS, paths.EVALUATION.parent):
        store.client.log_artifacts(run_id, str(folder), folder.name)
    scores = {name: f"{evaluation[name]:.6g}" for name in ("psnr", "ssim", "psnr_gain")}
    version = registry.register(
        store,
        run_id,
        params.tracking.model_name,
        {
            registry.GAIN: f"{gain:.6f}",
            registry.DATA: pairs.digest,
            registry.SCALE: str(pairs.scale),
            "luma": pairs.luma,
            "loss.perceptual_weight": f"{params.loss.perceptual_weight:g}",
            **{f"test_{name}": value for name, value in scores.items()},
        },
    )
    tags = {
        STATE: "published",
        "params.hash": identity.params_hash(params),
        "data.raw": identity.digest(paths.RAW_INDEX)[:32],
        "data.pairs": pairs.digest[:32],
        "model.version": str(version.version),
        "loss": evaluation["loss"],
        "trained_in": evaluation["trained_in"],
        "vgg19_weights": evaluation["vgg19_weights"] or "none",
        "mlflow.note.content": _description(params, evaluation, str(version.version))
        + f"\n\nFigures: {_links(store, run_id)}.",
        **{name: note for name, note in evaluation.items() if name.endswith("_note")},
    }
    store.tag(run_id, tags)
    store.client.set_terminated(run_id, "FINISHED")
    print(f"MLflow run {run_id}, model {version.name} version {version.version}: {store.uri}")


def _final_metrics(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """What experiments are compared by: test/psnr, test/psnr_gain, test-Set5/psnr, ...

    The rest of evaluation.json is in the run's artifacts; each metric is one more chart in the UI.
    """
    speed = json.loads(paths.SPEED.read_text(encoding="utf-8"))
    metrics = {
        "network/parameters": evaluation["parameters"],
        "network/macs_per_pixel": evaluation["macs_per_pixel"],
        "network/megapixels_per_second": speed["megapixels_per_second"],
        **_measures("test", evaluation),
    }
    for name, scores in evaluation["test_sets"].items():
        metrics |= _measures(f"test-{name}", scores)
    return metrics


def _measures(group: str, figures: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{group}/{measure}{part}": figures[f"{measure}{part}"]
        for measure in measures_of(list(figures))
        for part in ("", "_bicubic", "_gain")
    }


def _dataset(pairs: Pairs, params: Params) -> DatasetInput:
    source = CodeDatasetSource({"source": params.data.source, "path": params.data.path or ""})
    name = f"{params.data.source}-x{pairs.scale}"
    dataset = MetaDataset(source, name, pairs.digest[:32])._to_mlflow_entity()
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training, evaluation")])


def _description(params: Params, evaluation: Mapping[str, Any], version: str) -> str:
    return (
        f"SRCNN {'-'.join(str(k) for k in params.model.kernels)}, x{params.degrade.scale}, "
        f"{evaluation['loss']}, "
        f"{params.data.source}: **{evaluation['psnr']:.2f} dB**, SSIM {evaluation['ssim']:.4f} on "
        f"{evaluation['pictures']} test pictures (bicubic {evaluation['psnr_bicubic']:.2f} dB, "
        f"{evaluation['ssim_bicubic']:.4f}); luma {params.degrade.luma}, model version {version}."
    )


def _links(store: Store, run_id: str) -> str:
    """Links of MLflow's pages to the run's figures."""
    artifacts = f"#/experiments/{store.experiment_id}/runs/{run_id}/artifacts"
    figures = sorted(paths.FIGURES.glob("*.png"))
    return ", ".join(f"[{file.stem}]({artifacts}/{file.as_posix()})" for file in figures)


if __name__ == "__main__":
    stage.run(main)

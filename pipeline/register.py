"""Stage register: this experiment in MLflow, exactly once, with all its results and its model.

It runs at every `dvc repro` and `dvc exp run`, also when nothing changed: DVC knows what was
computed, but not what MLflow's store holds.
"""

import time
from pathlib import Path

from pipeline import stage
from pipeline.stage.params import Params
from pipeline.tracking import identity, image_grid, registry, view
from pipeline.tracking.experiment import Experiment
from pipeline.tracking.publication import publish
from pipeline.tracking.store import TROUBLE, Store
from srcnn.masking import brief
from srcnn.scoring.measures import measures_among

_PAUSES = (1, 2, 4, 8)  # seconds between tries


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
    name = params.tracking.model_name
    run, made, was_there = publish(store, experiment, name)
    with store.lock:
        champion = registry.choose_aliases(store.client, name, made, params.tracking.promote)
    view.share(store, measures_among(experiment.evaluation), image_grid.names())
    known = " (it was there already)" if was_there else ""
    print(
        f"{experiment.result()}\n"
        f"MLflow run {run.info.run_id}{known}, model {name} version {made.version}, "
        f"champion version {champion.version}: {store.name}"
    )
    if registry.validated_on(champion) != registry.validated_on(made):
        print(
            "The champion was validated on other pictures or at another scale, so the two were not "
            "compared. `dvc repro` with tracking.promote: true makes this experiment's the standard"
        )
    if changes := identity.changed_parameters(params):
        in_a_copy = stage.project_root() != Path.cwd()
        recovery_hint = "" if in_a_copy else ". `git restore params.yaml` takes it back"
        print(f"Not as committed in params.yaml: {changes}{recovery_hint}")
    elif identity.only_results_differ():
        print(
            "The files in metrics/ are not the committed ones: the last digits depend on the kind "
            "of CPU and on PyTorch's version. Commit them or leave them, both are fine"
        )
    print(
        "Next: `python -m pipeline.compare` sets two experiments side by side; all of them: "
        f"`mlflow ui`, {view.link(store)}"
    )


if __name__ == "__main__":
    stage.run(main)

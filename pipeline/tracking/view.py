"""The columns and charts that MLflow's pages show of this project's experiment.

MLflow keeps a shared view as a tag of the experiment, in JSON, and opens it by its name in a link.
"""

import json
from collections.abc import Sequence
from typing import Any

from pipeline.tracking.store import Store
from srcnn.scoring.measures import PSNR, SIFID, Measure

_NAME = "results"
_TAG = f"mlflow.sharedViewState.{_NAME}"

# Bars begin at 0, where a gain of 0.1 dB shows and 27.1 dB beside 27.0 does not.
_IMAGES, _GAINS, _LINES = "Reconstructions", "Gain over bicubic on test pictures", "Curves"
_SIZES = {_LINES: {}, _IMAGES: {"columns": 1, "cardHeight": 720}, _GAINS: {}}
_CURVES = {
    "val/psnr": "Validation PSNR, dB",
    "val/ssim": "Validation SSIM",
    "val/loss": "Validation loss",
    "train/loss": "Training loss",
}


def share(store: Store, measures: Sequence[Measure], images: Sequence[str]) -> None:
    """Put the view into the experiment, with these measures and images."""
    state = json.dumps(_state(measures, images), sort_keys=True)
    store.client.set_experiment_tag(store.experiment_id, _TAG, state)


def link(store: Store) -> str:
    """Where the view is: on the server, or on the one that `mlflow ui` starts."""
    server = store.name if store.name.startswith("http") else "http://127.0.0.1:5000"
    page = f"#/experiments/{store.experiment_id}/runs"
    return f"{server.rstrip('/')}/{page}?viewStateShareKey={_NAME}"


def _state(measures: Sequence[Measure], images: Sequence[str]) -> dict[str, Any]:
    gains = {f"test/{measure.name}_gain": measure.heading for measure in measures}
    # MLflow sorts them, and a narrow window has room for few; the charts have the others.
    of_both_axes = [f"test/{each.name}_gain" for each in (PSNR, SIFID) if each in measures]
    columns = [f"metrics.`{name}`" for name in ("best/step", *of_both_axes)]
    columns += ["tags.`loss`", "tags.`model.version`"]
    grid = {"imageKeys": list(images), "step": 0, "showRunParams": False}
    charts = [
        *(_chart(_LINES, "LINE", title, {"metricKey": name}) for name, title in _CURVES.items()),
        _chart(_IMAGES, "IMAGE", "Along the training", grid),
        *(_chart(_GAINS, "BAR", title, {"metricKey": name}) for name, title in gains.items()),
    ]
    return {
        "selectedColumns": columns,
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "compareRunSections": [
            {"uuid": name, "name": name, "display": True, "isReordered": False, **size}
            for name, size in _SIZES.items()
        ],
        "compareRunCharts": charts,
        "isAccordionReordered": True,
    }


def _chart(section: str, kind: str, title: str, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "uuid": f"{kind} {title}",
        "type": kind,
        "displayName": title,
        "metricSectionId": section,
        "runsCountToCompare": 10,
        "deleted": False,
        "isGenerated": False,
        **content,
    }

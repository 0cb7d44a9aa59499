"""The columns and charts that MLflow's pages show of this project's experiment.

MLflow keeps a shared view as a tag of the experiment, in JSON, and opens it by its name in a link.
"""

import json
from typing import Any

from pipeline.tracking.store import Store

_NAME = "results"
_TAG = f"mlflow.sharedViewState.{_NAME}"

_COLUMNS = (
    ("tags", "loss"),
    ("metrics", "test/psnr_gain"),
    ("metrics", "test/ssim_gain"),
    ("metrics", "test/vgg19"),
    ("metrics", "test/gmsd"),
    ("tags", "model.version"),
)
_CHARTS = {
    # Bars begin at 0, where a gain of 0.1 dB shows and 27.1 dB beside 27.0 does not.
    "Gain over bicubic on test pictures": (
        "BAR",
        {
            "test/psnr_gain": "PSNR, dB",
            "test/ssim_gain": "SSIM",
            "test/vgg19_gain": "VGG19",
            "test/gmsd_gain": "GMSD",
        },
    ),
    "Curves": (
        "LINE",
        {
            "val/psnr": "Validation PSNR, dB",
            "val/ssim": "Validation SSIM",
            "val/loss": "Validation loss",
            "train/loss": "Training loss",
        },
    ),
}


def share(store: Store) -> None:
    """Put the view into the experiment, unless it is there."""
    state = json.dumps(_state(), sort_keys=True)
    if store.client.get_experiment(store.experiment_id).tags.get(_TAG) != state:
        store.client.set_experiment_tag(store.experiment_id, _TAG, state)


def link(store: Store) -> str:
    """Where the view is: on the server, or on the one that `mlflow ui` starts."""
    server = store.name if store.name.startswith("http") else "http://127.0.0.1:5000"
    page = f"#/experiments/{store.experiment_id}/runs"
    return f"{server.rstrip('/')}/{page}?viewStateShareKey={_NAME}"


def _state() -> dict[str, Any]:
    return {
        "selectedColumns": [f"{kind}.`{name}`" for kind, name in _COLUMNS],
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "compareRunSections": [
            {"uuid": name, "name": name, "display": True, "isReordered": False} for name in _CHARTS
        ],
        "compareRunCharts": [
            {
                "uuid": metric,
                "type": kind,
                "metricKey": metric,
                "displayName": title,
                "metricSectionId": section,
                "runsCountToCompare": 10,
                "deleted": False,
                "isGenerated": False,
            }
            for section, (kind, metrics) in _CHARTS.items()
            for metric, title in metrics.items()
        ],
        "isAccordionReordered": True,
    }

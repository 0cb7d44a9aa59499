"""The comparison as one HTML page that needs nothing else: pictures, styles and scripts inside."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from pipeline.compare import wording
from pipeline.compare.experiments import Experiment, Reconstruction
from pipeline.compare.results import Comparison
from pipeline.stage.paths import HELD_OUT
from srcnn.scoring.measures import Measure
from srcnn.scoring.scores import Score
from srcnn.scoring.significance import Difference

_TEMPLATES = Path(__file__).parent

# Columns of training.csv and their titles. Only those that have values are drawn.
_LOSSES = {
    "train_loss": "Loss, all terms",
    "train_pixel": "Loss, pixel term",
    "train_perceptual": "Loss, perceptual term without its weight",
}
_CHARTS = _LOSSES | {"val_psnr": "Validation PSNR in dB", "val_ssim": "Validation SSIM"}
_NO_BREAK = "\N{NO-BREAK SPACE}"


def render(comparison: Comparison) -> str:
    """The page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    evaluation = comparison.a.results.evaluation
    return environment.get_template("page.html").render(
        sides={
            letter: _side(experiment)
            for letter, experiment in (("A", comparison.a), ("B", comparison.b))
        },
        scale=evaluation["scale"],
        luma=evaluation["luma"],
        shave=evaluation["shave"],
        sources=evaluation["sources"],
        held_out=len(comparison.a.results.of_set(HELD_OUT)),
        sets=[
            {
                "title": wording.set_title(name),
                "rows": [_row(difference) for difference in differences],
                "verdict": wording.verdict(differences),
            }
            for name, differences in comparison.differences.items()
        ],
        remarks=wording.remarks(comparison),
        parameters=comparison.parameters,
        pictures=len(comparison.pictures),
        cropped=any(not a.whole for a, _ in comparison.pictures),
        data=_script_data(
            {
                "names": {"A": comparison.a.name, "B": comparison.b.name},
                "charts": _charts(comparison),
                "pictures": _pictures(comparison),
            },
        ),
    )


def _side(experiment: Experiment) -> dict[str, Any]:
    tags = experiment.tags
    version = tags.get("model.version")
    commit = tags.get("mlflow.source.git.commit", "")[:10]
    about = {
        "MLflow run": experiment.run_id,
        "Other names": ", ".join(experiment.other_names),
        "Model version": version or "",
        "Commit": commit + (" with changes" if tags.get("git.dirty") == "true" else ""),
    }
    return {
        "name": experiment.name,
        "loss": wording.loss(experiment),
        "about": {name: value for name, value in about.items() if value},
    }


def _row(difference: Difference) -> dict[str, Any]:
    """A row of the measures' table; the interval as percentages of a scale centred on 0."""
    measure = difference.measure
    low, high = difference.interval or (difference.mean, difference.mean)
    reach = 1.25 * max(abs(low), abs(high), abs(difference.mean)) or 1.0
    # To the right is where B is better.
    sign = 1 if measure.higher_is_better else -1
    ends = sorted(50 + 50 * sign * end / reach for end in (low, high))
    better = (difference.better or "").upper()
    return {
        "title": measure.heading,
        "measured_on": wording.measured_on(difference.sources, difference.pictures),
        "arrow": measure.arrow,
        "direction": measure.direction,
        "bicubic": measure.number(difference.bicubic),
        "A": measure.number(difference.a),
        "B": measure.number(difference.b),
        "difference": measure.number(difference.mean, signed=True),
        "interval": wording.interval(difference),
        "better": better,
        "significance": wording.significance(difference)
        .removeprefix(better)
        .replace(", p ", f", p{_NO_BREAK}"),
        "left": round(ends[0], 2),
        "width": round(ends[1] - ends[0], 2),
        "mean": round(50 + 50 * sign * difference.mean / reach, 2),
    }


def _charts(comparison: Comparison) -> list[dict[str, Any]]:
    curves = {"A": comparison.a.results.curve, "B": comparison.b.results.curve}
    charts = []
    for column, title in _CHARTS.items():
        is_loss = column in _LOSSES
        series = [
            {"name": letter, "points": points, "smooth": _smooth(points) if is_loss else None}
            for letter, curve in curves.items()
            if (points := _points(curve, column))
        ]
        if not series or _repeats_pixel_term(column, curves.values()):
            continue
        baseline = curves["A"].get(f"{column}_bicubic", pd.Series(dtype=float)).dropna()
        charts.append(
            {
                "title": f"{title}{_NO_BREAK}{'↓' if is_loss else '↑'}",
                "log": is_loss,
                "series": series,
                "bicubic": float(baseline.iloc[-1]) if len(baseline) else None,
            }
        )
    return charts


def _repeats_pixel_term(column: str, curves: Iterable[pd.DataFrame]) -> bool:
    """Whether the total loss of both is nothing but the pixel term."""
    return column == "train_loss" and all(c["train_loss"].equals(c["train_pixel"]) for c in curves)


def _points(curve: pd.DataFrame, column: str) -> list[tuple[int, float]]:
    if column not in curve:
        return []
    there = curve[np.isfinite(curve[column])]
    return [
        (int(step), float(f"{value:.6g}"))
        for step, value in zip(there["step"], there[column], strict=True)
    ]


def _smooth(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Running mean over a twentieth of the curve."""
    values = pd.Series([value for _, value in points])
    means = values.rolling(2 * (len(points) // 40) + 1, center=True, min_periods=1).mean()
    return [(step, float(f"{mean:.6g}")) for (step, _), mean in zip(points, means, strict=True)]


def _pictures(comparison: Comparison) -> list[dict[str, Any]]:
    mine, other = (side.results.of_set(HELD_OUT) for side in (comparison.a, comparison.b))
    return [
        {
            "id": a.id,
            "src": {
                "LR": _uri(a, "lr"),
                "bicubic": _uri(a, "bicubic"),
                "A": _uri(a, "sr"),
                "B": _uri(b, "sr"),
                "HR": _uri(a, "hr"),
            },
            "measures": [
                {
                    "title": difference.measure.title,
                    "heading": f"{difference.measure.title}{_NO_BREAK}{difference.measure.arrow}",
                    "better": 1 if difference.measure.higher_is_better else -1,
                    "values": _values(difference.measure, mine[a.id], other[a.id]),
                }
                for difference in comparison.differences[HELD_OUT]
            ],
        }
        for a, b in comparison.pictures
    ]


def _values(measure: Measure, a: Score, b: Score) -> dict[str, str]:
    """A picture's measure of bicubic, A and B; empty where it was not taken."""
    values = {"bicubic": a.bicubic, "A": a.sr, "B": b.sr}
    return {
        name: measure.number(of[measure.name]) if measure.name in of else ""
        for name, of in values.items()
    }


def _uri(picture: Reconstruction, kind: str) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture.png[kind]).decode('ascii')}"


def _script_data(content: Any) -> str:
    """JSON that can stand inside a script element: nothing in it ends the element."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")

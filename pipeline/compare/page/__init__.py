"""The comparison as one HTML page that needs nothing else: pictures, styles and scripts inside."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from pipeline.compare import wording
from pipeline.compare.comparison import Comparison, contestants
from pipeline.compare.runs import PublishedRun, kept_by_all
from pipeline.stage.paths import HELD_OUT
from srcnn import figures
from srcnn.scoring.measures import MEASURES, Measure
from srcnn.scoring.significance import Difference

_TEMPLATES = Path(__file__).parent


def render(comparisons: Sequence[Comparison]) -> str:
    """The page of all comparisons with the first experiment."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    sides = contestants(comparisons)
    kinds = {"LR": "LR", "bicubic": "Bicubic"}
    kinds |= {letter: f"{letter}: {run.name}" for letter, run in sides.items()} | {"HR": "HR"}
    taken = {d.measure for each in comparisons for d in each.differences[HELD_OUT]}
    measures = [measure for measure in MEASURES.values() if measure in taken]
    pictures = _pictures(sides, measures)
    return environment.get_template("page.html").render(
        comparisons=comparisons,
        sides=sides,
        results=comparisons[0].a.results,
        held_out=HELD_OUT,
        kinds=kinds,
        measures=measures,
        pictures=pictures,
        parameters=sorted({name for each in comparisons for name in each.parameters}),
        wording=wording,
        about=_about,
        curves=_curves,
        place=_place,
        # Nothing in this JSON can end the script element in which it stands.
        data=json.dumps({"names": kinds, "pictures": pictures}, allow_nan=False).replace(
            "<", "\\u003c"
        ),
    )


def _about(run: PublishedRun) -> dict[str, str]:
    """Where it comes from, as far as it is known."""
    commit = run.tags.get("mlflow.source.git.commit", "")[:10]
    about = {
        "MLflow run": run.run_id,
        "Other names": ", ".join(run.other_names),
        "Model version": run.tags.get("model.version", ""),
        "Commit": commit + (" with changes" if run.tags.get("git.dirty") == "true" else ""),
    }
    return {name: value for name, value in about.items() if value}


def _place(difference: Difference) -> dict[str, float]:
    """Interval and mean as percentages of a scale centered on 0; to the right is where B is better.

    Returns:
        `left` and `width` of the interval, and `mean`.
    """
    low, high = difference.interval or (difference.mean, difference.mean)
    reach = 1.25 * max(abs(low), abs(high), abs(difference.mean)) or 1.0
    low, high, mean = (
        50 + 50 * difference.measure.gain(value, 0) / reach
        for value in (low, high, difference.mean)
    )
    places = {"left": min(low, high), "width": abs(high - low), "mean": mean}
    return {name: round(value, 2) for name, value in places.items()}


def _curves(run: PublishedRun) -> str:
    """The figure of the training curve, as a URI."""
    evaluation = run.results.evaluation
    columns = {str(name): of.to_numpy(float) for name, of in run.results.curve.items()}
    names = ("best/step", "kept/step")  # the latter of older runs
    best = next(int(run.metrics[name]) for name in names if name in run.metrics)
    figure = figures.curves(columns, best, evaluation["luma"], evaluation["loss"])
    return _uri(figures.encoded(figure, "svg"), "svg+xml")


def _pictures(
    sides: Mapping[str, PublishedRun], measures: Sequence[Measure]
) -> list[dict[str, Any]]:
    """The pictures that all experiments have, as each reconstructed them, and their measures."""
    pictures = []
    for id_, kept in kept_by_all(list(sides.values())).items():
        files = {"LR": kept[0].png["lr"], "bicubic": kept[0].png["bicubic"]}
        files |= {letter: of.png["sr"] for letter, of in zip(sides, kept, strict=True)}
        files["HR"] = kept[0].png["hr"]
        scores = {letter: run.results.of_set(HELD_OUT)[id_] for letter, run in sides.items()}
        values = {"bicubic": scores["A"].bicubic} | {key: of.sr for key, of in scores.items()}
        captions = {"LR": "input", "HR": "original"}
        for kind, of in values.items():
            numbers = [f"{m.title} {m.number(of[m.name])}" for m in measures if m.name in of]
            captions[kind] = " · ".join(numbers[:2])
        pictures.append(
            {
                "id": id_,
                "src": {kind: _uri(png) for kind, png in files.items()},
                "captions": captions,
                "scores": [_shown(measure, list(values.values())) for measure in measures],
            }
        )
    return pictures


def _shown(measure: Measure, values: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
    """A measure of a picture by each method, and whether it is the best that is shown."""
    taken = [of[measure.name] for of in values if measure.name in of]
    best = max(taken, key=lambda value: measure.gain(value, 0), default=math.nan)
    shown = [measure.number(of[measure.name]) if measure.name in of else "–" for of in values]
    return [{"text": text, "best": text == measure.number(best)} for text in shown]


def _uri(image: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"

"""The comparison as one HTML page that needs nothing else: pictures, styles and scripts inside."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from pipeline.compare import wording
from pipeline.compare.comparison import Comparison, contestants
from pipeline.compare.runs import PublishedRun
from pipeline.stage.paths import HELD_OUT
from srcnn import figures
from srcnn.scoring.measures import MEASURES, Measure
from srcnn.scoring.scores import Score
from srcnn.scoring.significance import Difference

_TEMPLATES = Path(__file__).parent

_NO_BREAK = "\N{NO-BREAK SPACE}"


def render(comparisons: Sequence[Comparison]) -> str:
    """The page of all comparisons with the first experiment."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    first = comparisons[0].a
    sides = contestants(comparisons)
    differing = sorted({name for each in comparisons for name in each.parameters})
    evaluation = first.results.evaluation
    return environment.get_template("page.html").render(
        sides={letter: _side(run) for letter, run in sides.items()},
        scale=evaluation["scale"],
        luma=evaluation["luma"],
        shave=evaluation["shave"],
        sources=evaluation["sources"],
        held_out=len(first.results.of_set(HELD_OUT)),
        comparisons=[
            {
                "letter": comparison.letter,
                "sets": [
                    {
                        "title": wording.set_title(name),
                        "rows": [_row(comparison, difference) for difference in differences],
                        "verdict": wording.verdict(comparison, name),
                    }
                    for name, differences in comparison.differences.items()
                ],
                "remarks": wording.remarks(comparison),
            }
            for comparison in comparisons
        ],
        parameters={
            name: [run.params.get(name, "–") for run in sides.values()] for name in differing
        },
        cropped=any(not a.whole for a, _ in comparisons[0].pictures),
        data=_script_data(
            {
                "names": {letter: run.name for letter, run in sides.items()},
                "pictures": _pictures(comparisons, sides),
            }
        ),
    )


def _side(run: PublishedRun) -> dict[str, Any]:
    commit = run.tags.get("mlflow.source.git.commit", "")[:10]
    about = {
        "MLflow run": run.run_id,
        "Other names": ", ".join(run.other_names),
        "Model version": run.tags.get("model.version", ""),
        "Commit": commit + (" with changes" if run.tags.get("git.dirty") == "true" else ""),
    }
    return {
        "name": run.name,
        "loss": wording.loss(run),
        "about": {name: value for name, value in about.items() if value},
        "curves": _curves(run),
    }


def _row(comparison: Comparison, difference: Difference) -> dict[str, Any]:
    """A row of the measures' table; the interval as percentages of a scale centered on 0."""
    measure = difference.measure
    low, high = difference.interval or (difference.mean, difference.mean)
    reach = 1.25 * max(abs(low), abs(high), abs(difference.mean)) or 1.0
    # To the right is where B is better.
    sign = 1 if measure.higher_is_better else -1
    ends = sorted(50 + 50 * sign * end / reach for end in (low, high))
    better = comparison.better(difference)
    return {
        "title": measure.heading,
        "measured_on": wording.measured_on(difference.sources, difference.pictures),
        "arrow": measure.arrow,
        "direction": measure.direction,
        "bicubic": measure.number(difference.bicubic),
        "a": measure.number(difference.a),
        "b": measure.number(difference.b),
        "difference": measure.number(difference.mean, signed=True),
        "interval": wording.interval(difference),
        "better": better,
        "significance": wording.significance(comparison, difference)
        .removeprefix(better)
        .replace(", p ", f", p{_NO_BREAK}"),
        "left": round(ends[0], 2),
        "width": round(ends[1] - ends[0], 2),
        "mean": round(50 + 50 * sign * difference.mean / reach, 2),
    }


def _curves(run: PublishedRun) -> str:
    """The figure of the training curve, as a URI; empty of what was not trained."""
    if run.results.curve.empty:
        return ""
    evaluation = run.results.evaluation
    columns = {str(name): of.to_numpy(float) for name, of in run.results.curve.items()}
    best = int(run.metrics["best/step"])
    figure = figures.curves(columns, best, evaluation["luma"], evaluation["loss"])
    return _uri(figures.encoded(figure, "svg"), "svg+xml")


def _pictures(
    comparisons: Sequence[Comparison], sides: Mapping[str, PublishedRun]
) -> list[dict[str, Any]]:
    """The pictures that all experiments have, as each reconstructed them, and their measures."""
    measures = {d.measure for each in comparisons for d in each.differences[HELD_OUT]}
    by_id = {
        letter: {picture.id: picture for picture in run.results.pictures}
        for letter, run in sides.items()
    }
    scores = {letter: run.results.of_set(HELD_OUT) for letter, run in sides.items()}
    return [
        {
            "id": id_,
            "src": {
                "LR": _uri(first.png["lr"]),
                "bicubic": _uri(first.png["bicubic"]),
                **{letter: _uri(of[id_].png["sr"]) for letter, of in by_id.items()},
                "HR": _uri(first.png["hr"]),
            },
            "measures": [
                {
                    "title": measure.title,
                    "heading": f"{measure.title}{_NO_BREAK}{measure.arrow}",
                    "better": 1 if measure.higher_is_better else -1,
                    "values": _values(measure, {letter: of[id_] for letter, of in scores.items()}),
                }
                for measure in MEASURES.values()
                if measure in measures
            ],
        }
        for id_, first in by_id["A"].items()
        if all(id_ in of for of in by_id.values())
    ]


def _values(measure: Measure, scores: Mapping[str, Score]) -> dict[str, str]:
    """A picture's measure of bicubic and each experiment; empty where it was not taken."""
    values = {"bicubic": scores["A"].bicubic} | {key: score.sr for key, score in scores.items()}
    return {
        name: measure.number(of[measure.name]) if measure.name in of else ""
        for name, of in values.items()
    }


def _uri(image: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"


def _script_data(content: Any) -> str:
    """JSON that can stand inside a script element: nothing in it ends the element."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")

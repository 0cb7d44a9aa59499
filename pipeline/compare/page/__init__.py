"""The comparison as one HTML page that needs nothing else: pictures, styles and scripts inside."""

import base64
import json
from pathlib import Path
from typing import Any

import jinja2

from pipeline.compare import wording
from pipeline.compare.comparison import Comparison
from pipeline.compare.runs import PublishedRun
from pipeline.stage.paths import HELD_OUT
from srcnn import figures
from srcnn.scoring.measures import Measure
from srcnn.scoring.scores import Score
from srcnn.scoring.significance import Difference

_TEMPLATES = Path(__file__).parent

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
        sides={letter: _side(run) for letter, run in comparison.sides.items()},
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
        cropped=any(not a.whole for a, _ in comparison.pictures),
        data=_script_data(
            {
                "names": {"A": comparison.a.name, "B": comparison.b.name},
                "pictures": _pictures(comparison),
            },
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


def _curves(run: PublishedRun) -> str:
    """The figure of the training curve, as a URI."""
    evaluation = run.results.evaluation
    columns = {str(name): of.to_numpy(float) for name, of in run.results.curve.items()}
    kept = int(run.metrics["kept/step"])
    figure = figures.curves(columns, kept, evaluation["luma"], evaluation["loss"])
    return _uri(figures.svg(figure), "svg+xml")


def _pictures(comparison: Comparison) -> list[dict[str, Any]]:
    mine, other = (run.results.of_set(HELD_OUT) for run in comparison.sides.values())
    return [
        {
            "id": a.id,
            "src": {
                "LR": _uri(a.png["lr"]),
                "bicubic": _uri(a.png["bicubic"]),
                "A": _uri(a.png["sr"]),
                "B": _uri(b.png["sr"]),
                "HR": _uri(a.png["hr"]),
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


def _uri(image: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"


def _script_data(content: Any) -> str:
    """JSON that can stand inside a script element: nothing in it ends the element."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")

"""The trade-off: PSNR against another measure, over experiments in MLflow.

python -m pipeline.compare.tradeoff            the newest that differ in the loss alone
python -m pipeline.compare.tradeoff NAME ...   those that are named, as for pipeline.compare
  ... --blend                                  also blends of the two ends of the trade-off
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from pipeline import stage
from pipeline.compare import runs, unpublished, wording
from pipeline.compare.choice import find
from pipeline.compare.comparison import check_comparable
from pipeline.compare.runs import PublishedRun
from pipeline.stage import StageError, artifacts
from pipeline.stage.params import Params
from pipeline.stage.paths import HELD_OUT
from srcnn import figures
from srcnn.scoring.measures import MEASURES, PERCEPTUAL, PSNR, SIFID, SSIM, Measure
from srcnn.scoring.significance import FEWEST_SOURCES

_FREE = ("loss.", "finetune.", "evaluate.", "tracking.")
_PIXEL = "loss.pixel"
_SHARES = (0.25, 0.5, 0.75)  # of blends
AXES = (SIFID, *PERCEPTUAL)
_ALIKE = "measured of the same pictures with the same weights"


def main(params: Params, arguments: argparse.Namespace) -> None:
    """Print experiments and draw their trade-off.

    Args:
        params: where the experiments are, and how blends are scored.
        arguments: see `parse`.

    Raises:
        StageError: there are no two experiments to set against each other, or they lack the
            measure.
    """
    published = runs.published(params.tracking.experiment)
    names, wanted = arguments.experiments, arguments.measure
    sweep = _named(published, names) if names else newest_sweep(published)
    measure = measure_of_all(sweep, [MEASURES[wanted]] if wanted else AXES)
    blends = _blends(sweep, measure, params) if arguments.blend else []
    shown = (PSNR, SSIM, measure)
    for run in (*sweep, *blends[1:-1]):
        scores = [f"{m.title} {m.number(run.metrics[f'test/{m.name}'])}" for m in shown]
        print(f"{run.name:24}  {wording.loss(run):48}  {'  '.join(scores)}")
    print("Means over pictures.", *_measured_on(sweep[0], shown), sep="\n  ")
    if measure == AXES[-1] and not wanted:
        others = " or ".join(each.title for each in AXES[:-1])
        print(f"{measure.title} is drawn: not all have {others}, {_ALIKE}")
    artifacts.write_bytes(arguments.output, figures.encoded(_figure(sweep, blends, measure)))
    print(f"\nAs a figure: {arguments.output}")


def _named(published: Sequence[PublishedRun], names: Sequence[str]) -> list[PublishedRun]:
    sweep = find(published, names)
    for other in sweep[1:]:
        check_comparable(sweep[0], other)
    return sorted(sweep, key=_rising)


def _rising(run: PublishedRun) -> tuple[bool, float]:
    """The order along a line, which begins at the pixel loss alone."""
    return run.is_perceptual, run.weight("perceptual")


def _blends(sweep: Sequence[PublishedRun], measure: Measure, params: Params) -> list[PublishedRun]:
    """The experiment with the best PSNR, blends, and the one with the best measure."""
    first, last = (
        max(sweep, key=lambda run: each.gain(run.metrics[f"test/{each.name}"], 0))
        for each in (PSNR, measure)
    )
    if first is last:
        raise StageError(f"{first.label} is best in both, PSNR and {measure.title}: no blend helps")
    shown = PSNR, SSIM, measure
    between = [unpublished.blend(first, last, share, params, shown) for share in _SHARES]
    return [first, *between, last]


def newest_sweep(published: Sequence[PublishedRun]) -> list[PublishedRun]:
    """The newest experiments, two or more, that differ in their loss alone, by rising weight.

    At least one of them has a perceptual loss. Of several with the same loss the newest counts.

    Args:
        published: newest first.

    Raises:
        StageError: there are none.
    """
    groups: dict[tuple[str, ...], dict[tuple[str, ...], PublishedRun]] = {}
    for run in published:
        same = [f"{k}={v}" for k, v in run.params.items() if not k.startswith(_FREE)]
        group = groups.setdefault((run.data, *sorted(same)), {})
        group.setdefault(_loss(run), run)
    for group in groups.values():
        members = list(group.values())
        if len(members) > 1 and any(run.is_perceptual for run in members):
            return sorted(members, key=_rising)
    raise StageError(
        "MLflow holds no two experiments that differ in their loss alone, one of them perceptual; "
        "`dvc exp run --queue -S 'loss.perceptual_weight=0,0.01'` queues such a sweep"
    )


def measure_of_all(sweep: Sequence[PublishedRun], measures: Sequence[Measure]) -> Measure:
    """The first of some measures that all have, taken in the same way.

    Raises:
        StageError: there is none.
    """
    for measure in measures:
        ways = {_way(run, measure) for run in sweep}
        if len(ways) == 1 and None not in ways:
            return measure
    last = measures[-1]
    raise StageError(
        f"not all {len(sweep)} experiments have {last.title}, {_ALIKE}: "
        f"{', '.join(_described(run, last) for run in sweep)}"
    )


def _way(run: PublishedRun, measure: Measure) -> tuple[str | None, frozenset[str]] | None:
    """With which weights and of which pictures a measure was taken; None: it was not."""
    if f"test/{measure.name}" not in run.metrics:
        return None
    taken = frozenset(run.results.taken(HELD_OUT, measure))
    return run.results.evaluation.get(f"{measure.name}_weights"), taken


def _described(run: PublishedRun, measure: Measure) -> str:
    way = _way(run, measure)
    if way is None:
        return f"{run.label} without"
    weights, pictures = way
    return f"{run.label}{f' with {weights}' if weights else ''} of {len(pictures)} pictures"


def _measured_on(run: PublishedRun, measures: Sequence[Measure]) -> list[str]:
    """How many sources and pictures the measures were taken of, a line for each number."""
    titles: dict[str, list[str]] = {}
    for measure in measures:
        taken = run.results.taken(HELD_OUT, measure)
        sources = len({score.source for score in taken.values()})
        on = wording.measured_on(sources, len(taken))
        if sources < FEWEST_SOURCES:
            on += f" (differences {wording.undecidable(sources)})"
        titles.setdefault(on, []).append(measure.title)
    return [f"{wording.listed(of)}: {on}" for on, of in titles.items()]


def _figure(
    sweep: Sequence[PublishedRun], blends: Sequence[PublishedRun], measure: Measure
) -> Figure:
    def point(run: PublishedRun, label: str, suffix: str = "") -> figures.Point:
        psnr, other = (run.metrics[f"test/{m.name}{suffix}"] for m in (PSNR, measure))
        return figures.Point(label, psnr, other)

    series: dict[str, list[figures.Point]] = {}
    for run in sweep:
        kind, start = _kind(run), _start(run)
        if run.is_perceptual:
            line = [other for other in sweep if _kind(other) in (start, kind)]
            series[kind] = [point(each, f"{each.weight('perceptual'):g}") for each in line]
        elif all(_start(other) != kind for other in sweep if other.is_perceptual):
            series[kind] = [point(each, each.name) for each in sweep if _kind(each) == kind]
    if blends:
        name = f"blends of {blends[0].name} and {blends[-1].name}, share of the latter"
        labels = ["", *(f"{share:g}" for share in _SHARES), ""]
        series[name] = [point(*each) for each in zip(blends, labels, strict=True)]
    evaluation = sweep[0].results.evaluation
    subtitle = [
        *_measured_on(sweep[0], (PSNR, measure)),
        f"×{evaluation['scale']}, {evaluation['luma']} luma; "
        "beside the points: loss.perceptual_weight",
    ]
    bicubic = point(sweep[0], "bicubic", "_bicubic")
    return figures.tradeoff(series, bicubic, measure, "\n".join(subtitle))


def _kind(run: PublishedRun) -> str:
    """Network and loss without its weight, and which VGG19 if it is not one of the package."""
    if not run.is_perceptual:
        return _start(run)
    loss = wording.loss(run).replace(f" + {run.weight('perceptual'):g} ", " + weight × ", 1)
    vgg19 = run.params["loss.vgg19_weights"]
    own = "" if vgg19 in ("embedded", "random") else f", {Path(vgg19).name}"
    return f"{_network(run)}, {loss}{own}"


def _start(run: PublishedRun) -> str:
    """The kind of the pixel loss alone, with the same network."""
    return f"{_network(run)}, {run.params[_PIXEL]} alone"


def _network(run: PublishedRun) -> str:
    return str(run.results.evaluation.get("network", "SRCNN"))


def _loss(run: PublishedRun) -> tuple[str, ...]:
    """All that the loss depends on; without fine-tuning only the pixel loss."""
    was_tuned = run.is_perceptual or "finetune.steps" in run.params
    parts = ("loss.", "finetune.") if was_tuned else (_PIXEL,)
    return tuple(sorted(f"{k}={v}" for k, v in run.params.items() if k.startswith(parts)))


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line asks for; by default that of this process."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.compare.tradeoff",
        description="PSNR against another measure over experiments in MLflow.",
    )
    parser.add_argument(
        "experiments",
        nargs="*",
        metavar="EXPERIMENT",
        help="as for pipeline.compare; default: the newest that differ in their loss alone",
    )
    parser.add_argument(
        "--blend",
        action="store_true",
        help="also blends of the experiments with the best PSNR and with the best measure, scored "
        "here, on the test pictures in data/pairs",
    )
    parser.add_argument(
        "--measure",
        choices=[name for name in MEASURES if name != PSNR.name],
        help=f"default: the first that all have of {', '.join(each.name for each in AXES)}",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("tradeoff.png"), help="the figure (%(default)s)"
    )
    return parser.parse_args(words)


if __name__ == "__main__":
    arguments = parse()
    stage.run(lambda params: main(params, arguments))

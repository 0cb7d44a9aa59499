"""The trade-off of a sweep: PSNR against another measure, over experiments in MLflow.

python -m pipeline.compare.tradeoff        of the newest experiments that differ in the loss alone
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from pipeline import stage
from pipeline.compare import experiments, wording
from pipeline.compare.experiments import Experiment
from pipeline.stage import StageError, artifacts
from pipeline.stage.params import Params
from pipeline.stage.paths import HELD_OUT
from srcnn import figures
from srcnn.scoring.measures import GMSD, JUDGES, MEASURES, PSNR, SSIM, Measure
from srcnn.scoring.significance import FEWEST_SOURCES

_FREE = ("loss.", "finetune.", "evaluate.", "tracking.")
_LAYERS = "loss.perceptual_layers."
_WEIGHT = "loss.perceptual_weight"
_PIXEL = "loss.pixel"
_ALIKE = "measured of the same pictures with the same weights"


def main(params: Params, measure: str | None, output: Path) -> None:
    """Print the experiments of the newest sweep and draw their trade-off.

    Raises:
        StageError: there are no two experiments to set against each other, or they lack the
            measure.
    """
    found = experiments.published(experiments.open_store(params.tracking.experiment))
    everything = newest_sweep(found)
    judge = usable_judge(everything, MEASURES[measure] if measure else None)
    sweep = _judged_alike(everything, judge)
    left_out = [experiment.label for experiment in everything if experiment not in sweep]
    for experiment in sweep:
        scores = "  ".join(
            f"{each.title} {each.number(experiment.metrics[f'test/{each.name}'])}"
            for each in (PSNR, SSIM, judge)
        )
        print(f"{experiment.name:24}  {wording.loss(experiment):48}  {scores}")
    print("Means over pictures.", *_measured_on(sweep[0], (PSNR, SSIM, judge)), sep="\n  ")
    if left_out:
        print(
            f"Left out: {', '.join(left_out)}; trained with an untrained VGG19, and "
            f"{judge.title} was not measured as for the others"
        )
    if judge == GMSD and not measure:
        print(f"GMSD is drawn: not all have LPIPS or VGG19 distance, {_ALIKE}")
    artifacts.write_bytes(output, figures.png(_figure(sweep, judge)))
    print(f"\nAs a figure: {output}")


def newest_sweep(found: Sequence[Experiment]) -> list[Experiment]:
    """The newest experiments, two or more, that differ in their loss alone, by rising weight.

    At least one of them has a perceptual loss. Of several with the same loss the newest counts.

    Args:
        found: newest first.

    Raises:
        StageError: there are none.
    """
    groups: dict[tuple[str, ...], dict[tuple[str, ...], Experiment]] = {}
    for experiment in found:
        same = [f"{k}={v}" for k, v in experiment.params.items() if not k.startswith(_FREE)]
        group = groups.setdefault((experiment.data, *sorted(same)), {})
        group.setdefault(_loss(experiment), experiment)
    for group in groups.values():
        members = list(group.values())
        if len(members) > 1 and any(experiment.is_perceptual for experiment in members):
            return sorted(members, key=_weight)
    raise StageError(
        "MLflow holds no two experiments that differ in their loss alone, one of them perceptual; "
        "`dvc exp run --queue -S 'loss.perceptual_weight=0,0.01'` queues such a sweep"
    )


def usable_judge(sweep: Sequence[Experiment], wanted: Measure | None) -> Measure:
    """The measure asked for, or the most trusted judge, that all have, taken in the same way.

    Experiments with an untrained VGG19 have no say beside others: it may teach but not judge, so
    their VGG19 distance may be measured with other weights.

    Raises:
        StageError: not all have the one asked for.
    """
    for judge in (wanted,) if wanted else JUDGES:
        alike = _judged_alike(sweep, judge)
        if all(experiment in alike for experiment in _deciding(sweep)):
            return judge
    judge = wanted or JUDGES[-1]
    raise StageError(
        f"not all {len(sweep)} experiments have {judge.title}, {_ALIKE}: "
        f"{', '.join(_measured(experiment, judge) for experiment in sweep)}"
    )


def _judged_alike(sweep: Sequence[Experiment], judge: Measure) -> list[Experiment]:
    """The experiments that have a measure, of the pictures and with the weights of the first.

    That is, of the first that has a say.
    """
    ways = {e.run_id: (_weights(e, judge), _taken(e, judge).keys()) for e in sweep}
    standard = ways[_deciding(sweep)[0].run_id]
    return [e for e in sweep if f"test/{judge.name}" in e.metrics and ways[e.run_id] == standard]


def _weights(experiment: Experiment, judge: Measure) -> str | None:
    return experiment.results.evaluation.get(f"{judge.name}_weights")


def _taken(experiment: Experiment, measure: Measure) -> dict[str, str]:
    """The held-out pictures that a measure was taken of, by their ids, and their sources."""
    scores = experiment.results.of_set(HELD_OUT)
    return {id_: score.source for id_, score in scores.items() if measure.name in score.sr}


def _measured_on(experiment: Experiment, measures: Sequence[Measure]) -> list[str]:
    """How many sources and pictures the measures were taken of, a line for each number."""
    titles: dict[str, list[str]] = {}
    for measure in measures:
        taken = _taken(experiment, measure)
        sources = len(set(taken.values()))
        on = wording.measured_on(sources, len(taken))
        if sources < FEWEST_SOURCES:
            on += f" (differences {wording.undecidable(sources)})"
        titles.setdefault(on, []).append(measure.title)
    return [f"{wording.listed(of)}: {on}" for on, of in titles.items()]


def _deciding(sweep: Sequence[Experiment]) -> Sequence[Experiment]:
    trained = [experiment for experiment in sweep if not experiment.learned_from_untrained]
    return trained if any(experiment.is_perceptual for experiment in trained) else sweep


def _measured(experiment: Experiment, judge: Measure) -> str:
    if f"test/{judge.name}" not in experiment.metrics:
        return f"{experiment.label} without"
    weights = _weights(experiment, judge)
    count = len(_taken(experiment, judge))
    return f"{experiment.label}{f' with {weights}' if weights else ''} of {count} pictures"


def _figure(sweep: Sequence[Experiment], judge: Measure) -> Figure:
    starts = [experiment for experiment in sweep if not experiment.is_perceptual]
    series: dict[str, list[figures.Point]] = {}
    for experiment in sweep:
        if experiment.is_perceptual:
            # Each line begins at the pixel loss alone, its weight 0.
            same = [e for e in starts if e.params[_PIXEL] == experiment.params[_PIXEL]]
            line = series.setdefault(_kind(experiment), [_point(e, judge) for e in same])
            line.append(_point(experiment, judge))
    metrics = sweep[0].metrics
    evaluation = sweep[0].results.evaluation
    bicubic = figures.Point(
        "bicubic", metrics["test/psnr_bicubic"], metrics[f"test/{judge.name}_bicubic"]
    )
    subtitle = [
        *_measured_on(sweep[0], (PSNR, judge)),
        f"×{evaluation['scale']}, {evaluation['luma']} luma; beside the points: {_WEIGHT}",
    ]
    return figures.tradeoff(series, bicubic, judge, "\n".join(subtitle))


def _point(experiment: Experiment, judge: Measure) -> figures.Point:
    metrics = experiment.metrics
    return figures.Point(
        f"{_weight(experiment):g}", metrics["test/psnr"], metrics[f"test/{judge.name}"]
    )


def _loss(experiment: Experiment) -> tuple[str, ...]:
    """All that the loss depends on; without fine-tuning only the pixel loss."""
    was_tuned = experiment.is_perceptual or "finetune.steps" in experiment.params
    parts = ("loss.", "finetune.") if was_tuned else (_PIXEL,)
    return tuple(sorted(f"{k}={v}" for k, v in experiment.params.items() if k.startswith(parts)))


def _weight(experiment: Experiment) -> float:
    return float(experiment.params[_WEIGHT])


def _kind(experiment: Experiment) -> str:
    """A perceptual loss without its weight: its layers, and which VGG19 if not the embedded one."""
    layers = [
        name.removeprefix(_LAYERS) + ("" if float(share) == 1 else f" × {share}")
        for name, share in experiment.params.items()
        if name.startswith(_LAYERS)
    ]
    weights = Path(experiment.params.get("loss.vgg19_weights", "imagenet")).name
    names = {"embedded": "VGG19", "random": "random VGG19"}
    network = names.get(weights, f"VGG19 ({weights})")
    return f"{experiment.params[_PIXEL]} + weight × {network} {' + '.join(sorted(layers))}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.compare.tradeoff",
        description="PSNR against another measure over the newest experiments in MLflow that "
        "differ in their loss alone.",
    )
    parser.add_argument(
        "--measure",
        choices=[name for name in MEASURES if name != PSNR.name],
        help=f"default: the first that all have of {', '.join(judge.name for judge in JUDGES)}",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("tradeoff.png"), help="the figure (%(default)s)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    stage.run(lambda params: main(params, given.measure, given.output))

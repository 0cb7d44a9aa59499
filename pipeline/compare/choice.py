"""Which two experiments are compared: those that are named, or the best of each kind."""

from collections.abc import Sequence

from pipeline.compare.experiments import Experiment
from pipeline.stage import StageError
from srcnn.scoring.measures import GMSD, JUDGES, Measure

_GAIN = "val/psnr_gain"
_LISTED = 6  # of the experiments that there are, in a message


def find(found: Sequence[Experiment], names: Sequence[str]) -> list[Experiment]:
    """The newest experiment of each run name, DVC experiment, run id or model version.

    Args:
        found: newest first.
        names: each any of the names that equal experiments share, or the first six characters
            or more of a run id.

    Raises:
        StageError: some of the names are unknown.
    """
    named = {name: _newest(found, name) for name in names}
    unknown = [repr(name) for name, experiment in named.items() if experiment is None]
    if unknown:
        raise StageError(f"MLflow holds no experiment {' and no '.join(unknown)}. {_there(found)}")
    return [experiment for name in names if (experiment := named[name])]


def _newest(found: Sequence[Experiment], name: str) -> Experiment | None:
    called = [experiment for experiment in found if name in experiment.called]
    if not called and len(name) >= 6:
        called = [experiment for experiment in found if experiment.run_id.startswith(name)]
    return next(iter(called), None)


def best_of_each_kind(found: Sequence[Experiment]) -> tuple[Experiment, Experiment]:
    """The best pixel-only and the best perceptual experiment, by validation pictures alone.

    Both are of the same data and as many validation pictures (`train.val_pictures`): the newest
    such group that has both kinds. The best pixel-only experiment has the highest gain in PSNR over
    bicubic, the best perceptual one the lowest LPIPS; or the lowest VGG19 distance where LPIPS was
    not measured of all, or GMSD where that was not measured with the same weights of all. The loss
    itself decides nothing: it means another thing with other layers, weights and patches.
    An experiment whose VGG19 is untrained is never the best one.

    Args:
        found: newest first.

    Raises:
        StageError: no group has both kinds.
    """
    for group in dict.fromkeys(_validated_on(experiment) for experiment in found):
        same = [experiment for experiment in found if _validated_on(experiment) == group]
        pixel = [e for e in same if not e.is_perceptual]
        perceptual = [e for e in same if e.is_perceptual and not e.learned_from_untrained]
        judged = [e for e in perceptual if f"val/{GMSD.name}" in e.metrics]  # not of older code
        if pixel and judged:
            judge = _judge(judged)
            return (
                max(pixel, key=lambda experiment: experiment.metrics[_GAIN]),
                max(judged, key=lambda e: judge.gain(e.metrics[f"val/{judge.name}"], 0)),
            )
    raise StageError(
        "MLflow holds no pixel-only and perceptual experiment on the same data and "
        "train.val_pictures, the perceptual one with a trained VGG19 and evaluated by this code; "
        "`dvc exp run -S loss.perceptual_weight=0.01` makes a perceptual one, "
        "`-S loss.perceptual_weight=0` a pixel-only one, and any two can be compared by name. "
        f"{_there(found)}"
    )


def _validated_on(experiment: Experiment) -> tuple[str, str | None]:
    return experiment.data, experiment.params.get("train.val_pictures")


def _judge(perceptual: Sequence[Experiment]) -> Measure:
    """The most trusted measure that all were judged by in the same way; all have GMSD."""
    return next(
        judge
        for judge in JUDGES
        if all(f"val/{judge.name}" in experiment.metrics for experiment in perceptual)
        and len({experiment.tags.get(f"{judge.name}_weights") for experiment in perceptual}) == 1
    )


def _there(found: Sequence[Experiment]) -> str:
    """The newest experiments, a line each."""
    lines = "\n".join(f"  {_listed(experiment)}" for experiment in found[:_LISTED])
    more = f"\n  and {len(found) - _LISTED} older ones" if len(found) > _LISTED else ""
    return f"There are:\n{lines}{more}"


def _listed(experiment: Experiment) -> str:
    params = experiment.params
    also = f", also {', '.join(experiment.other_names)}" if experiment.other_names else ""
    return (
        f"{experiment.label}{also}: model version {experiment.tags.get('model.version')}, "
        f"{params.get('data.source')}, x{params.get('degrade.scale')}, "
        f"loss.perceptual_weight {params.get('loss.perceptual_weight')}"
    )

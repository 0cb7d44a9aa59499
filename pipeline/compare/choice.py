"""Which two experiments are compared: those that are named, or the best of each kind."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from pipeline.compare.runs import PublishedRun
from pipeline.compare.seeds import as_one
from pipeline.stage import StageError
from srcnn.scoring.measures import PERCEPTUAL, Measure

_GAIN = "val/psnr_gain"
_LISTED = 6  # of the experiments that there are, in a message


def find(found: Sequence[PublishedRun], names: Sequence[str]) -> list[PublishedRun]:
    """The newest experiment of each run name, DVC experiment, run id or model version.

    A name with *, ? or [ is a pattern of such names: all that it fits, see `as_one`.

    Args:
        found: newest first.
        names: each any of the names that equal experiments share, or the first six characters
            or more of a run id.

    Raises:
        StageError: some of the names are unknown, or a pattern fits experiments that differ in
            more than their seed.
    """
    named = {name: _named(found, name) for name in names}
    unknown = [repr(name) for name, experiment in named.items() if experiment is None]
    if unknown:
        raise StageError(f"MLflow holds no experiment {' and no '.join(unknown)}. {_there(found)}")
    return [experiment for name in names if (experiment := named[name])]


def _named(found: Sequence[PublishedRun], name: str) -> PublishedRun | None:
    if not set(name) & set("*?["):
        return _newest(found, name)
    fitting = [run for run in found if any(fnmatchcase(called, name) for called in run.called)]
    return as_one(name, fitting) if fitting else None


def _newest(found: Sequence[PublishedRun], name: str) -> PublishedRun | None:
    called = [experiment for experiment in found if name in experiment.called]
    if not called and len(name) >= 6:
        called = [experiment for experiment in found if experiment.run_id.startswith(name)]
    return next(iter(called), None)


def best_of_each_kind(found: Sequence[PublishedRun]) -> list[PublishedRun]:
    """The best pixel-only, the best perceptual, and the best adversarial experiment, if there is
    one, by validation pictures alone.

    All are of the same data and as many validation pictures (`train.val_pictures`): the newest
    such group that has both kinds. The best pixel-only experiment has the highest gain in PSNR over
    bicubic, the best perceptual one (of those without a discriminator, and of those with one) the
    lowest LPIPS; or the lowest VGG19 distance where LPIPS was not measured of all, or GMSD where
    that was not measured with the same weights of all. The loss itself decides nothing: it means
    another thing with other layers, weights and patches.
    An experiment whose VGG19 is untrained is never the best one.

    Args:
        found: newest first.

    Raises:
        StageError: no group has both kinds.
    """
    for group in dict.fromkeys(_validated_on(run) for run in found):
        same = [run for run in found if _validated_on(run) == group]
        pixel = [run for run in same if not run.is_perceptual]
        perceptual = [r for r in same if r.is_perceptual and not r.learned_from_untrained]
        if pixel and perceptual:
            measure = _measure_of_all(perceptual)
            kinds = [[r for r in perceptual if r.is_adversarial is kind] for kind in (False, True)]
            return [
                max(pixel, key=lambda run: run.metrics[_GAIN]),
                *(
                    max(kind, key=lambda r: measure.gain(r.metrics[f"val/{measure.name}"], 0))
                    for kind in kinds
                    if kind
                ),
            ]
    raise StageError(
        "MLflow holds no pixel-only and perceptual experiment on the same data and "
        "train.val_pictures, the perceptual one with a trained VGG19; "
        "`dvc exp run -S loss.perceptual_weight=0.01` makes a perceptual one, "
        "`-S loss.perceptual_weight=0` a pixel-only one, and any two can be compared by name. "
        f"{_there(found)}"
    )


def _validated_on(experiment: PublishedRun) -> tuple[str, str | None]:
    return experiment.data, experiment.params.get("train.val_pictures")


def _measure_of_all(perceptual: Sequence[PublishedRun]) -> Measure:
    """The most trusted measure that all have, taken in the same way; all have GMSD."""
    return next(
        measure
        for measure in PERCEPTUAL
        if all(f"val/{measure.name}" in run.metrics for run in perceptual)
        and len({run.tags.get(f"{measure.name}_weights") for run in perceptual}) == 1
    )


def _there(found: Sequence[PublishedRun]) -> str:
    """The newest experiments, a line each."""
    lines = "\n".join(f"  {_listed(experiment)}" for experiment in found[:_LISTED])
    more = f"\n  and {len(found) - _LISTED} older ones" if len(found) > _LISTED else ""
    return f"There are:\n{lines}{more}"


def _listed(experiment: PublishedRun) -> str:
    params = experiment.params
    also = f", also {', '.join(experiment.other_names)}" if experiment.other_names else ""
    return (
        f"{experiment.label}{also}: model version {experiment.tags.get('model.version')}, "
        f"{params.get('data.source')}, x{params.get('degrade.scale')}, "
        f"loss.perceptual_weight {params.get('loss.perceptual_weight')}"
    )

"""Which experiments are compared: those that are named, or the best of each kind."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from pipeline.compare.runs import PublishedRun
from pipeline.compare.seeds import as_one
from pipeline.stage import StageError
from srcnn.scoring.measures import PERCEPTUAL, Measure

_LISTED = 6  # of the experiments that there are, in a message


def find(published: Sequence[PublishedRun], names: Sequence[str]) -> list[PublishedRun]:
    """The newest experiment of each run name, DVC experiment, run id or model version.

    A name with *, ? or [ is a pattern of such names: all that it fits, see `as_one`.

    Args:
        published: newest first.
        names: each any of the names that equal experiments share, or the first six characters
            or more of a run id.

    Raises:
        StageError: some of the names are unknown, or a pattern fits experiments that differ in
            more than their seed.
    """
    runs = {name: _named(published, name) for name in names}
    if unknown := [repr(name) for name, run in runs.items() if run is None]:
        listed = _listed(published)
        raise StageError(f"MLflow holds no experiment {' and no '.join(unknown)}. {listed}")
    return [run for name in names if (run := runs[name])]


def _named(published: Sequence[PublishedRun], name: str) -> PublishedRun | None:
    if set(name) & set("*?["):
        fitting = [run for run in published if any(fnmatchcase(each, name) for each in run.called)]
        return as_one(name, fitting) if fitting else None
    called = [run for run in published if name in run.called]
    if not called and len(name) >= 6:
        called = [run for run in published if run.run_id.startswith(name)]
    return called[0] if called else None


def best_of_each_kind(published: Sequence[PublishedRun]) -> list[PublishedRun]:
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
        published: newest first.

    Raises:
        StageError: no group has both kinds.
    """
    groups: dict[tuple[str, str | None], list[PublishedRun]] = {}
    for run in published:
        validated_on = run.data, run.params.get("train.val_pictures")
        groups.setdefault(validated_on, []).append(run)
    for group in groups.values():
        pixel = [run for run in group if not run.is_perceptual]
        perceptual = [r for r in group if r.is_perceptual and not r.learned_from_untrained]
        if not (pixel and perceptual):
            continue
        best = [max(pixel, key=lambda run: run.metrics["val/psnr_gain"])]
        judge = _measure_of_all(perceptual)
        for adversarial in (False, True):
            kind = [run for run in perceptual if run.is_adversarial is adversarial]
            if kind:
                best.append(max(kind, key=lambda r: judge.gain(r.metrics[f"val/{judge.name}"], 0)))
        return best
    raise StageError(
        "MLflow holds no pixel-only and perceptual experiment on the same data and "
        "train.val_pictures, the perceptual one with a trained VGG19; "
        "`dvc exp run -S loss.perceptual_weight=0.01` makes a perceptual one, "
        "`-S loss.perceptual_weight=0` a pixel-only one, and any two can be compared by name. "
        f"{_listed(published)}"
    )


def _measure_of_all(perceptual: Sequence[PublishedRun]) -> Measure:
    """The most trusted measure that all have, taken in the same way; all have GMSD."""
    return next(
        measure
        for measure in PERCEPTUAL
        if all(f"val/{measure.name}" in run.metrics for run in perceptual)
        and len({run.tags.get(f"{measure.name}_weights") for run in perceptual}) == 1
    )


def _listed(published: Sequence[PublishedRun]) -> str:
    """The newest experiments, a line each."""
    lines = ["There are:"]
    for run in published[:_LISTED]:
        also = f", also {', '.join(run.other_names)}" if run.other_names else ""
        lines.append(
            f"  {run.label}{also}: model version {run.tags.get('model.version')}, "
            f"{run.params.get('data.source')}, x{run.params.get('degrade.scale')}, "
            f"loss.perceptual_weight {run.params.get('loss.perceptual_weight')}"
        )
    if len(published) > _LISTED:
        lines.append(f"  and {len(published) - _LISTED} older ones")
    return "\n".join(lines)

"""Stage evaluate: the model and bicubic on the held-out test pictures and on the test sets.

Of a network trained with VGG19 features the VGG19 distance is the measure it was trained for; LPIPS
and GMSD are the independent judges.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import check, stage
from pipeline.data import testsets
from pipeline.perceptual.measures import Found, find_measures
from pipeline.stage import artifacts, paths
from pipeline.stage.inputs import Inputs
from pipeline.stage.params import Params, nested
from pipeline.stage.record import Evaluated, Trained
from pipeline.stage.sections import Loss
from srcnn import packaged
from srcnn.hardware import choose_device, make_deterministic
from srcnn.inference import SuperResolver
from srcnn.pairs import Pairs
from srcnn.pictures import images
from srcnn.progress import progress
from srcnn.scoring.measures import MEASURES, PSNR, measures_among
from srcnn.scoring.protocol import megapixels_per_second, score_pairs, score_test_set, summarise
from srcnn.scoring.scores import DECIMALS, Score, write_scores
from srcnn.splits import evenly_spaced


def main(params: Params) -> None:
    """Score everything there is to score and measure the speed.

    Raises:
        StageError: a test set is no folder of readable pictures that are large enough, the device
            or the weights that a measure was asked to take are not there, or no model or data are;
            all of this before anything is scored.
    """
    check.before_evaluate(params)
    sets = testsets.find(params)
    device = choose_device(params.machine.device)
    make_deterministic(params.machine.threads)
    trained = Trained.read(paths.TRAINED)
    trained.check_weights(paths.WEIGHTS)
    loss = Loss.model_validate(nested(trained.params)["loss"])
    with artifacts.reading(paths.WEIGHTS):
        resolver = SuperResolver.load(paths.WEIGHTS, device)
    with artifacts.reading(paths.PAIRS):
        pairs = Pairs.open(paths.PAIRS, verify=True)

    test = pairs.split(paths.HELD_OUT)
    most = params.evaluate.perceptual_pictures
    found = find_measures(loss, params.evaluate, device)
    sample = set(evenly_spaced(len(test), most))
    scores = {
        paths.HELD_OUT: _all(
            score_pairs(resolver, test, found.functions, sample), paths.HELD_OUT, len(test)
        )
    }
    val = pairs.split("val")
    val = val.select(evenly_spaced(len(val), trained.params["train.val_pictures"]))
    validation = _all(score_pairs(resolver, val, found.functions), "val", len(val))
    if packaged_file := packaged.file(packaged.reference(resolver.scale)):
        other = SuperResolver.load(packaged_file, device)
        standard = list(score_pairs(other, val, {PSNR: found.functions[PSNR]}))
    else:
        standard = []
    for name, files in sets.items():
        sample = set(evenly_spaced(len(files), most))
        of_set = score_test_set(resolver, _read(files), found.functions, sample)
        scores[name] = _all(of_set, name, len(files))

    artifacts.write_text(paths.PER_IMAGE, write_scores(scores))
    evaluation = _evaluation(scores, validation, standard, resolver, found, loss, params.seed)
    artifacts.write_json(paths.EVALUATION, evaluation)
    artifacts.write_json(paths.SUMMARY, _summary(evaluation))
    Evaluated(
        params=Inputs.of("evaluate", params).params, pairs=pairs.digest, weights=trained.weights
    ).write(paths.EVALUATED)
    speed = megapixels_per_second(resolver, test.lr(0))
    artifacts.write_json(
        paths.SPEED,
        {
            "megapixels_per_second": round(speed, 4),
            "device": device.type,
            "threads": params.machine.threads,
        },
    )


def _read(files: Sequence[Path]) -> Iterator[tuple[str, np.ndarray]]:
    return ((file.name, images.decode(file.read_bytes())) for file in files)


def _all(scores: Iterator[Score], name: str, count: int) -> list[Score]:
    return list(progress(scores, f"evaluate {name}", count, "picture"))


def _evaluation(
    scores: Mapping[str, Sequence[Score]],
    validation: Sequence[Score],
    standard: Sequence[Score],
    resolver: SuperResolver,
    found: Found,
    loss: Loss,
    seed: int,
) -> dict[str, Any]:
    """What metrics/evaluation.json says: the measures, and what they were measured on."""
    summaries = {
        name: {
            "scale": resolver.scale,
            **_luma(of_set),
            "model_luma": resolver.luma,
            "shave": resolver.scale,
            **_with_notes(_rounded(summarise(of_set, seed)), found),
        }
        for name, of_set in scores.items()
    }
    return {
        **summaries.pop(paths.HELD_OUT),
        "network": resolver.model.label,
        "loss": _describe(loss),
        **{f"{m.name}_weights": f.weights for m, f in found.functions.items() if f.weights},
        "trained_in": resolver.precision,
        "parameters": sum(parameter.numel() for parameter in resolver.model.parameters()),
        "macs_per_pixel": resolver.model.macs_per_pixel,
        "validation": _rounded(_validation(validation, standard)),
        "test_sets": summaries,
    }


def _summary(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """What DVC's tables of experiments show of it, in so many digits that two CPUs agree."""
    sets = {"": evaluation} | {f"{name}_": of for name, of in evaluation["test_sets"].items()}
    summary = {}
    for prefix, scores in sets.items():
        summary[f"{prefix}psnr_gain"] = round(scores["psnr_gain"], MEASURES["psnr"].decimals)
        for measure in measures_among(scores):
            summary[f"{prefix}{measure.name}"] = round(scores[measure.name], measure.decimals)
    return summary


def _luma(scores: Sequence[Score]) -> dict[str, str]:
    """In which luma a set was scored; a note where it is not the same for all pictures."""
    full = sum(score.luma == "full" for score in scores)
    if full in (0, len(scores)):
        return {"luma": scores[0].luma}
    note = f"{full} of {len(scores)} pictures are gray and scored as they are, in full luma"
    return {"luma": "studio", "luma_note": note}


def _validation(scores: Sequence[Score], standard: Sequence[Score]) -> dict[str, Any]:
    """Mean measures of the validation pictures, by which runs are chosen.

    Beside them: how many dB better in PSNR than the package's network of this scale, if there is
    one (its scores are `standard`).
    """
    means: dict[str, Any] = {
        "pictures": len(scores),
        "psnr_bicubic": statistics.fmean(score.bicubic["psnr"] for score in scores),
        "psnr_over_packaged": None,
    }
    if standard:
        pairs = zip(scores, standard, strict=True)
        gains = [score.sr["psnr"] - other.sr["psnr"] for score, other in pairs]
        means["psnr_over_packaged"] = statistics.fmean(gains)
    for name in MEASURES:
        taken = [score.sr[name] for score in scores if name in score.sr]
        means[name] = statistics.fmean(taken) if taken else None
    return means


def _with_notes(summary: dict[str, Any], found: Found) -> dict[str, Any]:
    """Say of each measure that was not taken why it was not."""
    notes = {}
    for name, measure in MEASURES.items():
        if summary[name] is None:
            why = found.notes.get(name)
            if why is None:
                side = found.functions[measure].smallest
                why = f"without its border no picture is as large as {side}x{side}"
            notes[f"{name}_note"] = f"not measured ({why})"
    return summary | notes


def _describe(loss: Loss) -> str:
    """The loss in words, with the warning that features of a random VGG19 are untrained."""
    if not loss.perceptual_weight:
        return loss.pixel
    layers = " + ".join(
        layer if weight == 1 else f"{weight:g} {layer}"
        for layer, weight in loss.perceptual_layers.items()
    )
    network = "random (untrained) VGG19" if loss.vgg19_weights == "random" else "VGG19"
    return (
        f"{loss.pixel} + {loss.perceptual_weight:g} {network} {loss.perceptual_distance} ({layers})"
    )


def _rounded(value: Any) -> Any:
    """Numbers with as many digits as a diff between two experiments should show."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, DECIMALS) if isinstance(value, float) else value


if __name__ == "__main__":
    stage.run(main, "evaluate")

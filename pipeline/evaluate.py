"""Stage evaluate: the model and bicubic on the held-out test pictures and on the test sets.

Of a network trained with VGG19 features the VGG19 distance is the measure it was trained for; LPIPS
and GMSD are independent of that.
"""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline import stage
from pipeline.check import before_evaluate
from pipeline.scoring import sets
from pipeline.scoring.available import Available, find_measures
from pipeline.stage import artifacts, paths
from pipeline.stage.inputs import params_of
from pipeline.stage.params import Params, nested
from pipeline.stage.record import Evaluated, Trained
from pipeline.stage.sections import Loss
from srcnn.data.pairs import Pairs
from srcnn.data.splits import evenly_spaced
from srcnn.hardware import choose_device, make_deterministic
from srcnn.inference import packaged
from srcnn.inference.resolver import SuperResolver
from srcnn.pictures import images
from srcnn.progress import progress
from srcnn.scoring.measures import MEASURES, PSNR, measures_among
from srcnn.scoring.protocol import megapixels_per_second, score_pairs, score_test_set, summarise
from srcnn.scoring.scores import DECIMALS, Score, write_scores


def main(params: Params) -> None:
    """Score everything there is to score and measure the speed.

    Raises:
        StageError: a test set is no folder of readable pictures that are large enough, the device
            or the weights that a measure was asked to take are not there, or no model or data are;
            all of this before anything is scored.
    """
    before_evaluate(params)
    device = choose_device(params.machine.device)
    make_deterministic(params.machine.threads)
    trained = Trained.read(paths.TRAINED, weights=paths.WEIGHTS)
    loss = Loss.model_validate(nested(trained.params)["loss"])
    resolver = SuperResolver.load(paths.WEIGHTS, device)
    with artifacts.reading(paths.PAIRS):
        pairs = Pairs.open(paths.PAIRS)
    available = find_measures(loss, params.evaluate, device, pairs)

    scores = _score_sets(resolver, pairs, params, available)
    val = pairs.split("val")
    val = val.select(evenly_spaced(len(val), trained.params["train.val_pictures"]))
    validation = _validation(resolver, val, available, params.seed)
    evaluation = _evaluation(scores, validation, resolver, available, loss, params.seed)

    artifacts.write_text(paths.PER_IMAGE, write_scores(scores))
    artifacts.write_json(paths.EVALUATION, evaluation)
    artifacts.write_json(paths.SUMMARY, _summary(evaluation))
    own = params_of("evaluate", params)
    Evaluated(own, pairs=pairs.digest, weights=trained.weights).write(paths.EVALUATED)
    speed = megapixels_per_second(resolver, pairs.split(paths.HELD_OUT).lr(0))
    measured = {
        "megapixels_per_second": round(speed, 4),
        "device": device.type,
        "threads": params.machine.threads,
    }
    artifacts.write_json(paths.SPEED, measured)


def _score_sets(
    resolver: SuperResolver, pairs: Pairs, params: Params, available: Available
) -> dict[str, list[Score]]:
    """The scores of the held-out pictures and of each test set."""
    functions = available.functions

    def sample(count: int) -> set[int]:
        return set(evenly_spaced(count, params.evaluate.perceptual_pictures))

    test = pairs.split(paths.HELD_OUT)
    held_out = score_pairs(_made(resolver, test), test, functions, sample(len(test)))
    scores = {paths.HELD_OUT: _all(held_out, paths.HELD_OUT, len(test))}
    for name, files in sets.find(params).items():
        pictures = ((file.name, images.decode(file.read_bytes())) for file in files)
        of_set = score_test_set(resolver, pictures, functions, sample(len(files)))
        scores[name] = _all(of_set, name, len(files))
    return scores


def _made(resolver: SuperResolver, pairs: Pairs) -> Iterator[np.ndarray]:
    """SR of every picture."""
    return (resolver(lr) for lr, _ in pairs)


def _all(scores: Iterator[Score], name: str, count: int) -> list[Score]:
    return list(progress(scores, f"evaluate {name}", count, "picture"))


def _validation(
    resolver: SuperResolver, val: Pairs, available: Available, seed: int
) -> dict[str, Any]:
    """Mean measures of validation pictures, by which runs are chosen.

    Beside them: how many dB better in PSNR than the package's network of this scale, if there is
    one.
    """
    functions = available.functions
    scores = _all(score_pairs(_made(resolver, val), val, functions), "val", len(val))
    gain = None
    if file := packaged.file(packaged.reference(val.scale)):
        standard = SuperResolver.load(file, resolver.device)
        theirs = score_pairs(_made(standard, val), val, {PSNR: functions[PSNR]})
        pairs = zip(scores, theirs, strict=True)
        gain = statistics.fmean(ours.sr["psnr"] - other.sr["psnr"] for ours, other in pairs)
    means = summarise(scores, seed)
    return {
        "pictures": means["pictures"],
        "psnr_bicubic": means["psnr_bicubic"],
        "psnr_over_packaged": gain,
        **{name: means[name] for name in MEASURES},
    }


def _evaluation(
    scores: Mapping[str, Sequence[Score]],
    validation: Mapping[str, Any],
    resolver: SuperResolver,
    available: Available,
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
            **_with_notes(summarise(of_set, seed), available),
        }
        for name, of_set in scores.items()
    }
    evaluation = {
        **summaries.pop(paths.HELD_OUT),
        "network": resolver.model.label,
        "loss": _in_words(loss),
        **{f"{m.name}_weights": f.weights for m, f in available.functions.items() if f.weights},
        "trained_in": resolver.precision,
        "parameters": sum(parameter.numel() for parameter in resolver.model.parameters()),
        "macs_per_pixel": resolver.model.macs_per_pixel,
        "validation": validation,
        "test_sets": summaries,
    }
    # As many digits as a diff between two experiments should show.
    text = json.dumps(evaluation)
    return dict(json.loads(text, parse_float=lambda number: round(float(number), DECIMALS)))


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


def _with_notes(summary: dict[str, Any], available: Available) -> dict[str, Any]:
    """Say of each measure that was not taken why it was not."""
    notes = {}
    for name, measure in MEASURES.items():
        if summary[name] is None:
            why = available.notes.get(name)
            if why is None:
                side = available.functions[measure].smallest
                why = f"without its border no picture is as large as {side}x{side}"
            notes[f"{name}_note"] = f"not measured ({why})"
    return summary | notes


def _in_words(loss: Loss) -> str:
    """The loss in words, with the warning that features of a random VGG19 are untrained."""
    terms: list[str] = [loss.pixel]
    if loss.perceptual_weight:
        network = "random (untrained) VGG19" if loss.vgg19_weights == "random" else "VGG19"
        layers = " + ".join(
            layer if weight == 1 else f"{weight:g} {layer}"
            for layer, weight in loss.perceptual_layers.items()
        )
        kind = f"{network} {loss.perceptual_distance} ({layers})"
        terms.append(f"{loss.perceptual_weight:g} {kind}")
    if loss.adversarial_weight:
        terms.append(f"{loss.adversarial_weight:g} {loss.adversarial} adversarial")
    return " + ".join(terms)


if __name__ == "__main__":
    stage.run(main, "evaluate")

"""Stage mix: the weights of `train` and of `finetune`, mixed: the trade-off between their losses.

Networks that were fine-tuned from one another can be averaged (Wortsman et al., "Robust fine-tuning
of zero-shot models", CVPR 2022): a sweep over finetune.mix trains nothing and costs nothing in use.
"""

from dataclasses import replace

from pipeline import stage
from pipeline.stage import artifacts, paths
from pipeline.stage.inputs import digest
from pipeline.stage.params import Params
from pipeline.stage.record import Trained


def main(params: Params) -> None:
    """Write the model file that is evaluated, and the record of how it was made.

    Raises:
        StageError: what `train` or `finetune` wrote is missing or damaged.
    """
    Trained.read(paths.PIXEL.record, paths.PIXEL.weights)
    tuned = Trained.read(paths.TUNED.record, paths.TUNED.weights)
    was_tuned = "finetune.steps" in tuned.params
    share = params.finetune.mix
    is_mixed = was_tuned and share != 1
    content = _mixed(share) if is_mixed else paths.TUNED.weights.read_bytes()
    artifacts.write_bytes(paths.WEIGHTS, content)
    own = {"finetune.mix": share} if was_tuned else {}
    replace(tuned, params=tuned.params | own, weights=digest(paths.WEIGHTS)).write(paths.TRAINED)


def _mixed(share: float) -> bytes:
    from srcnn.inference.resolver import SuperResolver

    pixel = SuperResolver.load(paths.PIXEL.weights)
    tuned = SuperResolver.load(paths.TUNED.weights)
    weights = pixel.model.state_dict()
    for name, tensor in tuned.model.state_dict().items():
        weights[name] = weights[name].lerp(tensor, share)
    tuned.model.load_state_dict(weights)
    return tuned.to_bytes()


if __name__ == "__main__":
    stage.run(main, "mix")

"""The parameters in which two experiments differ, as far as they matter."""

from collections.abc import Mapping

# Where it is recorded is not about the network.
_ELSEWHERE = "tracking."
_ABSENT = "–"

_FOLDER = ("data.source", ("folder",))
# Parameters that another one switches off: its name, and the values with which they matter.
_MATTERS_WITH: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "data.revision": ("data.source", ("celeba-hq",)),
    "data.path": _FOLDER,
    "data.skip_unreadable": ("data.source", ("folder", "celeba-hq")),
    "data.group_by": _FOLDER,
    "train.muon_lr": ("train.optimizer", ("muon",)),
    "train.momentum": ("train.optimizer", ("muon", "sgd")),
    "train.weight_decay": ("train.optimizer", ("adamw", "sgd")),
}
_WEIGHT = "loss.perceptual_weight"
_OF_VGG19 = ("loss.perceptual_", "loss.vgg19_weights")


def differing(mine: Mapping[str, str], other: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The parameters that differ and matter to both experiments, with both values.

    Args:
        mine: all parameters of one experiment, as MLflow's texts.
        other: of the other; what it lacks is shown as a dash.
    """
    return {
        name: (mine.get(name, _ABSENT), other.get(name, _ABSENT))
        for name in sorted({*mine, *other})
        if mine.get(name) != other.get(name)
        and not name.startswith(_ELSEWHERE)
        and _matters(name, mine)
        and _matters(name, other)
    }


def _matters(name: str, params: Mapping[str, str]) -> bool:
    """Whether an experiment with these parameters would be another with another value of one."""
    if name.startswith(_OF_VGG19) and name != _WEIGHT:
        return float(params.get(_WEIGHT, 0)) > 0
    if name.startswith("finetune."):
        return name in params  # not recorded where the network was passed on
    switch, values = _MATTERS_WITH.get(name, ("", ()))
    return not values or params.get(switch) in (None, *values)

"""params.yaml as one frozen object, validated as a whole before any stage does work."""

from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Self, get_args

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from pipeline.stage import paths
from pipeline.stage.sections import (
    Data,
    Degrade,
    Evaluate,
    Finetune,
    Loss,
    Machine,
    Model,
    Section,
    Tracking,
    Train,
    shown,
)

_MOVED = {
    **{f"model.{key}": f"model.srcnn.{key}" for key in ("kernels", "channels", "residual")},
    **{f"train.{key}": f"machine.{key}" for key in ("device", "threads", "processes")},
    "data.workers": "machine.workers",
}


class ParamsError(ValueError):
    """params.yaml asks for the impossible; the message names key, value and what is allowed."""


class Params(Section):
    """All parameters of an experiment. Keys, types, units and defaults: see params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: Data
    degrade: Degrade
    model: Model
    loss: Loss
    train: Train
    finetune: Finetune
    evaluate: Evaluate
    machine: Machine
    tracking: Tracking

    @model_validator(mode="after")
    def _patches_fit_scale_and_network(self) -> Self:
        scale, context = self.degrade.scale, 2 * self.model.margin
        patches = [("train", self.train.patch_size, 1)]
        if self.finetunes:
            patches.append(("finetune", self.finetune.patch_size, self.loss.smallest_patch(scale)))
        for name, patch, least in patches:
            if patch % scale:
                raise ValueError(
                    f"{name}.patch_size is {patch}; it must be a multiple of degrade.scale "
                    f"({scale})"
                )
            if patch < context + least:
                raise ValueError(
                    f"{name}.patch_size is {patch}; at least {context + least} pixels are needed: "
                    f"{context} as context of model.name {self.model.name}, {least} for the loss"
                )
        return self

    @model_validator(mode="after")
    def _control_is_of_the_pixel_loss(self) -> Self:
        if self.finetune.control and self.loss.has_further_terms:
            raise ValueError(
                "finetune.control is true, for further steps by the pixel loss alone; "
                f"loss.perceptual_weight is {self.loss.perceptual_weight:g} and "
                f"loss.adversarial_weight {self.loss.adversarial_weight:g}: both must be 0 with it"
            )
        return self

    @property
    def finetunes(self) -> bool:
        """Whether the network learns on after the pixel loss."""
        return self.loss.has_further_terms or self.finetune.control

    def flat(self) -> dict[str, Any]:
        """Every leaf under its dotted name in params.yaml, without those of other networks."""
        tree = self.model_dump()
        tree["model"] = {name: tree["model"][name] for name in ("name", self.model.name)}
        return flatten(tree)


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves under dotted names as the tree that they came from."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, key = name.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[key] = value
    return tree


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of a tree under their dotted names."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            leaves |= flatten(value, f"{prefix}{key}.")
        else:
            leaves[prefix + key] = value
    return leaves


def load(path: Path = paths.PARAMS) -> Params:
    """Read and validate params.yaml.

    Raises:
        ParamsError: the file is not YAML, a key is unknown or missing, or a value or a combination
            of values is impossible. All problems are in the one message.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ParamsError(
            f"{path} cannot be read: {error.strerror}; stages run in the project's root"
        ) from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path} is not valid YAML: {error}") from None
    return validated(parse(text, path), path)


def parse(text: str, path: Path = paths.PARAMS) -> Any:
    """YAML as DVC reads it: version 1.2, where 010 is ten, yes a word, and a key comes once.

    Raises:
        ParamsError: it is not YAML.
    """
    try:
        return YAML(typ="safe").load(text)
    except MarkedYAMLError as error:  # in full it shows lines, and how to switch its checks off
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        reason = f"{line}{error.problem}"
    except Exception as error:  # it lets out what Python raises for values that cannot be
        reason = str(error) or type(error).__name__
    raise ParamsError(f"{path} is not valid YAML: {reason}")


def validated(tree: Any, path: Path = paths.PARAMS) -> Params:
    """What was read from params.yaml as parameters.

    Raises:
        ParamsError: as for `load`.
    """
    if not isinstance(tree, dict):
        raise ParamsError(f"{path} must hold a mapping of parameter groups")
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        problems = "\n".join(f"  {_problem(problem)}" for problem in error.errors())
        raise ParamsError(f"{path} cannot be used:\n{problems}") from None


def _problem(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "value_error":  # one of our own checks: its message names key and value
        return f"{key}: {problem['ctx']['error']}" if key else str(problem["ctx"]["error"])
    if key in _MOVED:
        return f"{key}: this parameter is {_MOVED[key]} now"
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown parameter"
    if problem["type"] == "missing":
        return f"{key}: missing"
    allowed = problem["msg"].replace("Input should", "it should")
    null = ", or null" if _may_be_null(problem["loc"]) else ""
    return f"{key} is {shown(problem['input'])}; {allowed}{null}"


def _may_be_null(name: tuple[int | str, ...]) -> bool:
    kind: Any = Params
    for part in name:
        fields = getattr(kind, "model_fields", {})
        if part not in fields:
            return False
        kind = fields[part].annotation
    return NoneType in get_args(kind)

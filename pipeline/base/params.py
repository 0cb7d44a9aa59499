"""params.yaml as one frozen object, validated as a whole before any stage does work."""

import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from pipeline.base import paths

# The 16 convolutions of srcnn.perceptual.vgg19, which needs PyTorch: slow to import for names.
_VGG19_LAYER = re.compile("(conv|relu)([12]_[12]|[345]_[1-4])")

# Far beyond what is of use; a billion is a slip, and would end without memory or a word.
Kernel = Annotated[int, Field(ge=1, le=127)]
Channels = Annotated[int, Field(ge=1, le=8192)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1, lt=2**31)]


_LONGEST_NAME = 256  # what the databases of MLflow's servers hold; SQLite would take more

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100
_SHORT.maxlevel = 2


_MOVED = {
    **{f"model.{key}": f"model.srcnn.{key}" for key in ("kernels", "channels", "residual")},
    **{f"train.{key}": f"machine.{key}" for key in ("device", "threads", "processes")},
    "data.workers": "machine.workers",
}


class ParamsError(ValueError):
    """params.yaml asks for the impossible; the message names key, value and what is allowed."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Split(Section):
    """Shares of the source pictures."""

    train: Share
    val: Share
    test: Share

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + val + test = {total:g}; the three shares must add up to 1")
        if min(self.train, self.val, self.test) == 0:
            raise ValueError("each of train, val and test must be greater than 0")
        return self


class Data(Section):
    source: Literal["samples", "celeba-hq", "folder"]
    path: str | None
    limit: Positive | None
    revision: Annotated[str, Field(min_length=1)]
    skip_unreadable: bool
    group_by: Annotated[str, Field(min_length=1)] | None
    split: Split
    split_salt: Annotated[int, Field(ge=-(2**63), lt=2**63)]

    @field_validator("group_by")
    @classmethod
    def _pattern_compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(
                f"{pattern!r} is no regular expression ({error}); allowed: null, folder, or a "
                "regular expression on the name below data.path, such as '^([^_]+)_'"
            ) from None
        return pattern

    @model_validator(mode="after")
    def _folder_has_path(self) -> Self:
        if self.source == "folder" and not self.path:
            raise ValueError("data.path must name a folder when data.source is 'folder'")
        return self


class Degrade(Section):
    scale: Literal[2, 3, 4, 8]
    luma: Literal["full", "studio"]
    blur_sigma: Annotated[float, Field(ge=0, le=20)]
    noise_sigma: Annotated[float, Field(ge=0, le=255)]
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] | None


class SRCNN(Section):
    kernels: Annotated[list[Kernel], Field(min_length=3, max_length=3)]
    channels: Annotated[list[Channels], Field(min_length=2, max_length=2)]
    residual: bool

    @model_validator(mode="after")
    def _kernels_are_odd(self) -> Self:
        for kernel in self.kernels:
            if kernel % 2 == 0:
                raise ValueError(f"model.srcnn.kernels has {kernel}; kernel sizes must be odd")
        return self

    @property
    def margin(self) -> int:
        """HR pixels on each side of a patch that only serve as context."""
        return sum(kernel // 2 for kernel in self.kernels)


class FSRCNN(Section):
    d: Channels
    s: Channels
    m: Annotated[int, Field(ge=0, le=64)]
    residual: bool


class ESPCN(Section):
    channels: Annotated[list[Channels], Field(min_length=2, max_length=2)]
    residual: bool


class Model(Section):
    name: Literal["srcnn", "fsrcnn", "espcn"]
    srcnn: SRCNN
    fsrcnn: FSRCNN
    espcn: ESPCN

    @property
    def settings(self) -> dict[str, Any]:
        """Of the network that `name` means."""
        return dict(getattr(self, self.name).model_dump())

    @property
    def margin(self) -> int:
        """HR pixels on each side of a patch that only serve as context."""
        return self.srcnn.margin if self.name == "srcnn" else 0


class Loss(Section):
    pixel: Literal["mse", "rmse", "l1", "charbonnier"]
    perceptual_weight: Annotated[float, Field(ge=0)]
    perceptual_layers: dict[str, Annotated[float, Field(gt=0)]]
    perceptual_distance: Literal["mse", "l1"]
    perceptual_feature_scale: Annotated[float, Field(gt=0)]
    vgg19_weights: Annotated[str, Field(min_length=1)]

    @field_validator("perceptual_layers")
    @classmethod
    def _layers_exist(cls, layers: dict[str, float]) -> dict[str, float]:
        if not layers:
            raise ValueError("name at least one layer of VGG19, such as conv5_4: 1.0")
        for layer in layers:
            if not _VGG19_LAYER.fullmatch(layer):
                raise ValueError(
                    f"VGG19 has no layer {layer!r}; it has conv1_1 to conv5_4 (before activation) "
                    "and relu1_1 to relu5_4 (after): 2 in blocks 1 and 2, 4 in blocks 3 to 5"
                )
        return layers

    @property
    def vgg19_file(self) -> str | None:
        """The path in vgg19_weights, if it is one."""
        known = ("embedded", "imagenet", "random")
        return None if self.vgg19_weights in known else self.vgg19_weights

    @property
    def smallest_patch(self) -> int:
        """Pixels of a patch, without the network's margin, that the deepest layer needs."""
        if not self.perceptual_weight:
            return 1
        return 2 ** (max(int(layer[4]) for layer in self.perceptual_layers) - 1)


class Machine(Section):
    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: Annotated[int, Field(ge=1, le=1024)]
    processes: Positive
    workers: Positive | None


class _Steps(Section):
    """What both trainings have of their own."""

    batch_size: Positive
    patch_size: Positive
    lr: Annotated[float, Field(gt=0)]
    muon_lr: Annotated[float, Field(gt=0)]
    warmup: Annotated[float, Field(ge=0, lt=1)]
    validate_every: Positive


class Train(_Steps):
    steps: Annotated[int, Field(ge=0, lt=2**31)]
    init: Annotated[str, Field(min_length=1)] | None
    precision: Literal["auto", "float32", "bfloat16"]
    augment: bool
    optimizer: Literal["muon", "adam", "adamw", "sgd"]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Literal["one-cycle", "cosine", "constant"]
    log_every: Positive
    val_pictures: Positive
    checkpoint_every: Positive


class Finetune(_Steps):
    steps: Positive
    perceptual_patches: Positive
    control: bool
    mix: Share

    @model_validator(mode="after")
    def _patches_are_of_the_batch(self) -> Self:
        if self.perceptual_patches > self.batch_size:
            raise ValueError(
                f"finetune.perceptual_patches is {self.perceptual_patches}; at most "
                f"finetune.batch_size ({self.batch_size}) is allowed"
            )
        return self


class Evaluate(Section):
    test_sets: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")], str]
    lpips: Literal["auto", True, False]
    perceptual_pictures: Positive | None


class Tracking(Section):
    experiment: str
    model_name: str
    promote: bool

    @field_validator("experiment", "model_name")
    @classmethod
    def _fits_mlflow(cls, name: str) -> str:
        if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise ValueError(
                f"{_shown(name)} ({len(name)} characters) is no name in MLflow: it takes 1 to "
                f"{_LONGEST_NAME} printable characters, not only spaces"
            )
        return name

    @field_validator("model_name")
    @classmethod
    def _names_a_model(cls, name: str) -> str:
        if not re.fullmatch(r"\w[\w .-]*", name):
            raise ValueError(
                f"{_shown(name)} is no name of a model: it takes letters, digits, spaces and "
                ". _ -, the first a letter, a digit or _"
            )
        return name


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
            patches.append(("finetune", self.finetune.patch_size, self.loss.smallest_patch))
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
        if self.finetune.control and self.loss.perceptual_weight:
            raise ValueError(
                "finetune.control is true, for further steps by the pixel loss alone; "
                f"loss.perceptual_weight is {self.loss.perceptual_weight:g} and must be 0 with it"
            )
        return self

    @model_validator(mode="after")
    def _control_has_the_pixel_loss_alone(self) -> Self:
        if self.finetune.control and self.loss.perceptual_weight:
            raise ValueError(
                f"loss.perceptual_weight is {self.loss.perceptual_weight}; with finetune.control, "
                "the same steps by the pixel loss alone, it must be 0"
            )
        return self

    @property
    def finetunes(self) -> bool:
        """Whether the network learns on after the pixel loss."""
        return self.loss.perceptual_weight > 0 or self.finetune.control

    def flat(self) -> dict[str, Any]:
        """Every leaf under its dotted name in params.yaml, without those of other networks."""
        tree = self.model_dump()
        tree["model"] = {name: tree["model"][name] for name in ("name", self.model.name)}
        return _flatten(tree)


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


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            leaves |= _flatten(value, f"{prefix}{key}.")
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
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; stages run in the project's root") from None
    except OSError as error:
        raise ParamsError(f"{path} cannot be read: {error.strerror}") from None
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
        problems = "\n".join(f"  {_describe(problem)}" for problem in error.errors())
        raise ParamsError(f"{path} cannot be used:\n{problems}") from None


def _describe(problem: Any) -> str:
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
    return f"{key} is {_shown(problem['input'])}; {allowed}{null}"


def _may_be_null(name: tuple[int | str, ...]) -> bool:
    kind: Any = Params
    for part in name:
        fields = getattr(kind, "model_fields", {})
        if part not in fields:
            return False
        kind = fields[part].annotation
    return NoneType in get_args(kind)


def _shown(value: Any) -> str:
    """A value, or its beginning: a few lines of YAML can stand for gigabytes."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python writes no number of that many digits
        return "a number of thousands of digits"

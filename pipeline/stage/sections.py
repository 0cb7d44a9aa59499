"""The sections of params.yaml: a class each, frozen, that says which values are allowed.

Keys, units and defaults: see params.yaml.
"""

import re
import reprlib
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

# Far beyond what is of use; a billion is a slip, and would end without memory or a word.
Kernel = Annotated[int, Field(ge=1, le=127)]
Channels = Annotated[int, Field(ge=1, le=8192)]
Positive = Annotated[int, Field(ge=1, lt=2**31)]
Share = Annotated[float, Field(ge=0, le=1)]
Part = Annotated[float, Field(gt=0, le=1)]
Above0 = Annotated[float, Field(gt=0)]
Word = Annotated[str, Field(min_length=1)]

# The 16 convolutions of srcnn.perceptual.vgg19, which needs PyTorch: slow to import for names;
# conv5_4 before its activation, relu5_4 after it.
Layer = Annotated[str, Field(pattern=r"^(conv|relu)([12]_[12]|[345]_[1-4])$")]
# What the databases of MLflow's servers hold, of which SQLite would take more.
Name = Annotated[str, Field(pattern=r"^\P{C}*[^\s\p{C}]\P{C}*$", max_length=256)]
ModelName = Annotated[str, Field(pattern=r"^\w[\w .-]*$", max_length=256)]

_DISCRIMINATED = 16  # pixels of a patch that a discriminator needs, which halves it four times

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100
_SHORT.maxlevel = 2


def shown(value: Any) -> str:
    """A value, or its beginning: a few lines of YAML can stand for gigabytes."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python writes no number of that many digits
        return "a number of thousands of digits"


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Split(Section):
    """Shares of the source pictures."""

    train: Part
    val: Part
    test: Part

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + val + test = {total:g}; the three shares must add up to 1")
        return self


class Data(Section):
    source: Literal["samples", "celeba-hq", "folder"]
    path: str | None
    limit: Positive | None
    revision: Word
    skip_unreadable: bool
    group_by: Word | None
    split: Split
    split_salt: Annotated[int, Field(ge=-(2**63), lt=2**63)]

    @property
    def grouping(self) -> str | None:
        """`group_by` as far as it is for this source: names of folders alone have patterns."""
        table = self.source == "celeba-hq" and self.group_by and self.group_by.endswith(".csv")
        return self.group_by if table or self.source == "folder" else None

    @field_validator("group_by")
    @classmethod
    def _pattern_compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(
                f"{pattern!r} is no regular expression ({error}); allowed: null, folder, a "
                ".csv file, or a regular expression on the name below data.path, as '^([^_]+)_'"
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


class Network(Section):
    """The settings of one network of srcnn.networks.NETWORKS."""

    residual: bool


class SRCNN(Network):
    kernels: Annotated[list[Kernel], Field(min_length=3, max_length=3)]
    channels: Annotated[list[Channels], Field(min_length=2, max_length=2)]

    @model_validator(mode="after")
    def _kernels_are_odd(self) -> Self:
        for kernel in self.kernels:
            if kernel % 2 == 0:
                raise ValueError(f"model.srcnn.kernels has {kernel}; kernel sizes must be odd")
        return self


class FSRCNN(Network):
    d: Channels
    s: Channels
    m: Annotated[int, Field(ge=0, le=64)]


class ESPCN(Network):
    channels: Annotated[list[Channels], Field(min_length=2, max_length=2)]


class SRResNet(Network):
    blocks: Annotated[int, Field(ge=1, le=64)]
    features: Channels


class Model(Section):
    """Which network, and the settings of each: a new one is a class above and a line here."""

    name: str
    srcnn: SRCNN
    fsrcnn: FSRCNN
    espcn: ESPCN
    srresnet: SRResNet

    @field_validator("name")
    @classmethod
    def _names_a_network(cls, name: str) -> str:
        networks = [field for field in cls.model_fields if field != "name"]
        if name not in networks:
            raise ValueError(f"{shown(name)} is no network; there are {', '.join(networks)}")
        return name

    @property
    def network(self) -> Network:
        """The settings of the network that `name` means."""
        chosen: Network = getattr(self, self.name)
        return chosen

    @property
    def margin(self) -> int:
        """As that of the network, which needs PyTorch to say it."""
        return sum(kernel // 2 for kernel in self.srcnn.kernels) if self.name == "srcnn" else 0


class Loss(Section):
    pixel: Literal["mse", "rmse", "l1", "charbonnier"]
    perceptual_weight: Annotated[float, Field(ge=0)]
    perceptual_layers: Annotated[dict[Layer, Above0], Field(min_length=1)]
    perceptual_distance: Literal["mse", "l1"]
    perceptual_feature_scale: Above0
    vgg19_weights: Word
    adversarial_weight: Annotated[float, Field(ge=0)]
    adversarial: Literal["relativistic", "vanilla"]
    lattice_weight: Annotated[float, Field(ge=0)]

    @property
    def has_further_terms(self) -> bool:
        """Whether `finetune` adds anything to the pixel loss."""
        return self.perceptual_weight > 0 or self.adversarial_weight > 0

    @property
    def vgg19_file(self) -> str | None:
        """The path in vgg19_weights, if it is one."""
        known = ("embedded", "imagenet", "random")
        return None if self.vgg19_weights in known else self.vgg19_weights

    def smallest_patch(self, scale: int) -> int:
        """Pixels of a patch, without the network's margin, that the deepest layer needs."""
        least = _DISCRIMINATED if self.adversarial_weight else 1
        if not self.perceptual_weight:
            return least
        deepest = max(int(layer[4]) for layer in self.perceptual_layers)
        return max(least, 2 ** (deepest - 1) + scale - 1)


class Machine(Section):
    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: Annotated[int, Field(ge=1, le=1024)]
    processes: Positive
    workers: Positive | None


class _Steps(Section):
    """What both trainings have of their own."""

    batch_size: Positive
    patch_size: Positive
    optimizer: Literal["muon", "adam", "adamw", "sgd"]
    lr: Above0
    muon_lr: Above0
    warmup: Annotated[float, Field(ge=0, lt=1)]
    validate_every: Positive


class Train(_Steps):
    steps: Annotated[int, Field(ge=0, lt=2**31)]
    init: Word | None
    precision: Literal["auto", "float32", "bfloat16"]
    augment: bool
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Literal["one-cycle", "cosine", "constant"]
    log_every: Positive
    val_pictures: Positive
    checkpoint_every: Positive


class Discriminator(Section):
    name: Literal["patch", "srgan"]
    features: Channels
    lr: Above0


class Finetune(_Steps):
    steps: Positive
    perceptual_patches: Positive
    ema: Annotated[float, Field(ge=0, lt=1)]
    adversarial_ramp: Share
    discriminator: Discriminator
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
    lpips: bool | str
    perceptual_pictures: Positive | None

    @field_validator("lpips", mode="before")
    @classmethod
    def _lpips_is_a_choice_or_a_file(cls, lpips: Any) -> Any:
        weights = isinstance(lpips, str) and lpips.endswith((".safetensors", ".pth", ".pt"))
        if not (isinstance(lpips, bool) or lpips == "auto" or weights):
            raise ValueError(
                f"{shown(lpips)} is not auto, true, false or a .safetensors or .pth file"
            )
        return lpips


class Tracking(Section):
    experiment: Name
    model_name: ModelName
    promote: bool

"""The convolutions of VGG19 (Simonyan, Zisserman 2014, configuration E): names, shapes, weights."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from srcnn.perceptual import embedded
from srcnn.perceptual.pretrained import (
    UnusableWeights,
    WeightsUnavailable,
    read_state_dict,
    torchvision_state_dict,
)

# torchvision.models.vgg.cfgs["E"] says the same, but takes torchvision, and a second to import it.
BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # channels, number of convolutions


class Convolution(NamedTuple):
    """One 3x3 convolution; `place` is its index in torchvision's `vgg19().features`."""

    place: int
    block: int
    inputs: int
    outputs: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of the kernel and of the bias under torchvision's names."""
        return {"weight": (self.outputs, self.inputs, 3, 3), "bias": (self.outputs,)}


class Weights(NamedTuple):
    """Kernel (out, in, 3, 3) and bias (out,) of one convolution."""

    kernel: Tensor
    bias: Tensor


def _list_convolutions() -> dict[str, Convolution]:
    convolutions = {}
    index = 0
    inputs = 3
    for block, (outputs, count) in enumerate(BLOCKS, start=1):
        for number in range(1, count + 1):
            convolutions[f"conv{block}_{number}"] = Convolution(index, block, inputs, outputs)
            inputs = outputs
            index += 2  # this convolution and its ReLU
        index += 1  # the pooling at the end of the block
    return convolutions


CONVOLUTIONS = _list_convolutions()
"""The 16 convolutions by their names in the literature, conv1_1 to conv5_4, in order."""


def load(names: Iterable[str], weights: str | Path) -> dict[str, Weights]:
    """Weights of the named convolutions, float32, on the CPU.

    Args:
        names: keys of `CONVOLUTIONS`.
        weights: "embedded": the Oxford network inside this package, pre-trained on ImageNet;
            "imagenet": torchvision's; "random": see `draw`; else a .safetensors, .pth or .pt file
            with the keys of torchvision's `vgg19` (`features.0.weight`, ...) or of its `features`
            alone (`0.weight`, ...).

    Raises:
        WeightsUnavailable: torchvision's weights cannot be had.
        UnusableWeights: the file is missing or damaged, or does not hold a VGG19.
    """
    if weights == "embedded":
        places = {name: CONVOLUTIONS[name].place for name in names}
        read = embedded.read(places.values())
        return {name: Weights(*read[place]) for name, place in places.items()}
    if weights == "random":
        return draw(names)
    if weights != "imagenet":
        return select(read_state_dict(Path(weights)), names, str(weights))
    from torchvision.models import VGG19_Weights

    imagenet = VGG19_Weights.IMAGENET1K_V1
    try:
        state = torchvision_state_dict(imagenet)
    except WeightsUnavailable as error:
        raise WeightsUnavailable(
            f"{error}. Three ways on: take embedded, the VGG19 inside this package, in place of "
            "imagenet; name a file of VGG19 weights (.safetensors or .pth); or connect to the "
            "network once (548 MB, kept in torch's cache)"
        ) from None
    return select(state, names, imagenet.url)


def draw(names: Iterable[str]) -> dict[str, Weights]:
    """An untrained VGG19: kernels from N(0, 2 / fan_in) (He et al. 2015, eq. 10), biases 0.

    No transfer learning, but not without sense: Liu et al. (Generic perceptual loss for modeling
    structured output dependencies, CVPR 2021) train super-resolution on the features of an
    untrained VGG; Ustyuzhaninov et al. (2016) synthesise textures from random filters.
    It is the same network always, so that all experiments mean the same one, and a convolution has
    the same weights however deep a network is built.
    """
    generator = torch.Generator().manual_seed(0)
    drawn = {}
    for name in names:
        shapes = CONVOLUTIONS[name].shapes
        spread = math.sqrt(2 / math.prod(shapes["weight"][1:]))
        kernel = spread * torch.randn(shapes["weight"], generator=generator)
        drawn[name] = Weights(kernel, torch.zeros(shapes["bias"]))
    return drawn


def select(state: Mapping[str, Tensor], names: Iterable[str], origin: str) -> dict[str, Weights]:
    """The named convolutions' weights, float32, out of a state dict.

    Args:
        state: tensors under torchvision's names, with `features.` before them or without.
        names: keys of `CONVOLUTIONS`.
        origin: where it comes from, for messages.

    Raises:
        UnusableWeights: a tensor is missing, has another shape, is no floating point or not
            finite, or the network has layers that VGG19 has not.
    """
    prefix = "features." if any(key.startswith("features.") for key in state) else ""
    own = {str(convolution.place) for convolution in CONVOLUTIONS.values()}
    for key in state:  # VGG11, 13, 16 and the batch-normalised ones have weights in other places
        place = key.removeprefix(prefix).split(".")[0]
        if key.startswith(prefix) and place.isdecimal() and place not in own:
            raise UnusableWeights(f"{origin} is not a VGG19: it has {key}")
    selected = {}
    for name in names:
        tensors = []
        for part, shape in CONVOLUTIONS[name].shapes.items():
            key = f"{prefix}{CONVOLUTIONS[name].place}.{part}"
            if key not in state:
                raise UnusableWeights(f"{origin} is not a VGG19: it has no {key} ({name})")
            tensor = state[key]
            if tuple(tensor.shape) != shape or not tensor.is_floating_point():
                raise UnusableWeights(
                    f"{origin} is not a VGG19: {key} ({name}) is {tensor.dtype} of shape "
                    f"{tuple(tensor.shape)}; it must be floating point of shape {shape}"
                )
            if not tensor.isfinite().all():
                raise UnusableWeights(f"{origin} is damaged: {key} ({name}) is not all finite")
            tensors.append(tensor.float())
        selected[name] = Weights(*tensors)
    return selected

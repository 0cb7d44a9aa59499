"""SRCNN image super-resolution: images and tensors in, images and tensors out.

>>> import srcnn
>>> model = srcnn.load_model("models/srcnn.safetensors")  # doctest: +SKIP
>>> sr = srcnn.upscale(picture, model)  # doctest: +SKIP

docs/library.md shows all of it. The functions here load what they need when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srcnn.library import degrade, load_model, psnr, ssim, upscale

__all__ = ["degrade", "load_model", "psnr", "ssim", "upscale"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("srcnn.library"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

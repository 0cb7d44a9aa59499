"""SRCNN image super-resolution: Pillow images or arrays in, the same out.

>>> import srcnn
>>> model = srcnn.load_model(scale=2)  # doctest: +SKIP
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


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

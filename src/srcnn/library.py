"""The few functions that `import srcnn` gives, for arrays and Pillow images alike."""

from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from srcnn.data.imresize import crop_to_multiple, downscale
from srcnn.inference import model_files
from srcnn.inference.resolver import SuperResolver
from srcnn.inference.upscaler import Upscaler, check_samples
from srcnn.scoring import classical

ArrayOrImage = TypeVar("ArrayOrImage", np.ndarray, Image.Image)

_MODES = ("L", "LA", "RGB", "RGBA", "I;16")


def load_model(
    reference: str | Path | None = None, device: str = "cpu", scale: int | None = None
) -> SuperResolver:
    """A trained model; its `scale` and `luma` are what it was trained for.

    Args:
        reference: `packaged:x2`, `packaged:x3`, `packaged:x4` or `packaged:x4-vgg19`; a
            .safetensors file; or, with MLflow installed, the name of an experiment,
            `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `runs:/RUN_ID`, in
            `MLFLOW_TRACKING_URI` or in the nearest mlflow.db in the current folder or above. By
            default the champion of this registry, if there is one (of this scale) that is better
            than the package's network of its scale, else that.
        device: "cpu", "cuda", "mps", or "auto" for the best there is.
        scale: the enlargement, 2, 3, 4 or 8; by default the model's own, 4 of the package's. The
            package has none for 8.

    Raises:
        ValueError: there is no such model, it is not one of this library or of another scale, or
            the registry is there but cannot be read.
    """
    return model_files.load(reference, device, scale).resolver


def upscale(
    picture: ArrayOrImage, model: SuperResolver, self_ensemble: bool = False
) -> ArrayOrImage:
    """Enlarge a picture by the model's scale: the network on luma, bicubic on the rest.

    Args:
        picture: a Pillow image (gray, RGB, either with alpha; palettes become RGB), or an array:
            (h, w) gray, (h, w, 3) RGB or (h, w, 4) RGBA; uint8 in 0..255, uint16 in 0..65535 or
            floating point in [0, 1].
        model: from `load_model`.
        self_ensemble: average over the eight flips and rotations: a little better, eight times
            slower.

    Returns:
        The same kind: an image of the same mode, or an array (h · scale, w · scale[, C]) of the
        same dtype, clipped to its range.

    Raises:
        ValueError: another shape, dtype or mode, or floats that are not all finite.
        TypeError: the picture is neither an image nor an array, or the model none of `load_model`.
    """
    if not isinstance(model, SuperResolver):
        raise TypeError(f"the model is {_type(model)}; it must come from srcnn.load_model")
    return _alike(Upscaler(model, self_ensemble)(_samples(picture)), picture)


def degrade(picture: ArrayOrImage, scale: int) -> ArrayOrImage:
    """Shrink a picture by MATLAB's bicubic, as the pictures were on which models are trained.

    Args:
        picture: as for `upscale`; what exceeds a multiple of scale on the right and at the bottom
            is cut off first.
        scale: a whole number, at least 1.

    Returns:
        The same kind, H // scale by W // scale. Floats are neither rounded nor clipped.

    Raises:
        ValueError: what `upscale` refuses, a scale below 1, or a picture smaller than the scale.
        TypeError: the picture is neither an image nor an array.
    """
    if not isinstance(scale, Integral) or scale < 1:
        raise ValueError(f"scale is {scale!r}; it must be a whole number of at least 1")
    samples = _samples(picture)
    if min(samples.shape[:2]) < scale:
        raise ValueError(f"the picture is {samples.shape[:2]}, smaller than the scale {scale}")
    cropped = crop_to_multiple(samples, int(scale))
    if samples.dtype != np.uint16:
        return _alike(downscale(cropped, int(scale)), picture)
    levels = downscale(cropped.astype(np.float64), int(scale))
    return _alike(np.clip(np.floor(levels + 0.5), 0, 65535).astype(np.uint16), picture)


def psnr(a: ArrayOrImage, b: ArrayOrImage) -> float:
    """Peak signal-to-noise ratio in dB of two gray 8-bit pictures; inf for identical ones.

    Args:
        a: uint8 (H, W), or a Pillow image of mode L.
        b: the same kind and size. The literature cuts `scale` pixels off each side of both first
            (`srcnn.scoring.classical.shave`).

    Raises:
        ValueError: not gray 8-bit pictures of one size.
        TypeError: one is neither an image nor an array.
    """
    return classical.psnr(_array(a), _array(b))


def ssim(a: ArrayOrImage, b: ArrayOrImage) -> float:
    """Structural similarity (Wang et al. 2004) of two gray 8-bit pictures, at most 1.

    Args:
        a: uint8 (H, W), at least 11x11, or a Pillow image of mode L.
        b: the same kind and size.

    Raises:
        ValueError: not gray 8-bit pictures of one size, at least 11x11.
        TypeError: one is neither an image nor an array.
    """
    return classical.ssim(_array(a), _array(b))


def _alike(samples: np.ndarray, picture: object) -> Any:
    """The samples as an image, if the picture is one."""
    return Image.fromarray(samples) if isinstance(picture, Image.Image) else samples


def _array(picture: np.ndarray | Image.Image) -> np.ndarray:
    if not isinstance(picture, np.ndarray | Image.Image):
        raise TypeError(
            f"the picture is {_type(picture)}; it must be a Pillow image or a NumPy array, (H, W) "
            "or (H, W, C)"
        )
    return np.asarray(picture)


def _type(thing: object) -> str:
    kind = type(thing)
    return f"of type {kind.__module__}.{kind.__qualname__}".replace("builtins.", "")


def _samples(picture: np.ndarray | Image.Image) -> np.ndarray:
    """The picture as an array that can be enlarged and shrunk."""
    samples = _array(_plain(picture) if isinstance(picture, Image.Image) else picture)
    check_samples(samples if samples.ndim != 2 else samples[..., None])
    if np.issubdtype(samples.dtype, np.floating) and not np.isfinite(samples).all():
        place = tuple(map(int, np.argwhere(~np.isfinite(samples))[0]))
        raise ValueError(f"the picture is {samples[place]} at {place}; floats must be finite")
    return samples


def _plain(image: Image.Image) -> Image.Image:
    """The image in a mode whose samples can be averaged."""
    if image.mode in ("1", "P", "PA", "CMYK", "YCbCr"):
        kind = "L" if image.mode == "1" else "RGB"
        image = image.convert(f"{kind}A" if image.has_transparency_data else kind)
    if image.mode not in _MODES:
        raise ValueError(f"the image's mode is {image.mode}; allowed: {', '.join(_MODES)}")
    return image

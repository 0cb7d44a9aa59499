"""The few functions that `import srcnn` gives, for arrays and Pillow images alike."""

from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from srcnn import metrics, model_files
from srcnn.imresize import crop_to_multiple, downscale
from srcnn.inference import SuperResolver
from srcnn.registry import DEFAULT_MODEL
from srcnn.upscaling import Upscaler

ArrayOrImage = TypeVar("ArrayOrImage", np.ndarray, Image.Image)

_MODES = ("L", "LA", "RGB", "RGBA")


def load_model(reference: str | Path = DEFAULT_MODEL, device: str = "cpu") -> SuperResolver:
    """A trained model; its `scale` and `luma` are what it was trained for.

    Args:
        reference: a .safetensors file; or, with MLflow installed, `models:/NAME@ALIAS`,
            `models:/NAME/VERSION` or `runs:/RUN_ID`, in `MLFLOW_TRACKING_URI` or in the nearest
            mlflow.db in the current folder or above.
        device: "cpu", "cuda", "mps", or "auto" for the best there is.

    Raises:
        ValueError: there is no such model, or it is not one of this library.
    """
    return model_files.load(reference, device).resolver


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
        ValueError: another shape, dtype or mode.
    """
    upscaler = Upscaler(model, self_ensemble)
    if isinstance(picture, Image.Image):
        return Image.fromarray(upscaler(np.asarray(_plain(picture))))
    return upscaler(picture)


def degrade(picture: ArrayOrImage, scale: int) -> ArrayOrImage:
    """Shrink a picture by MATLAB's bicubic, as the pictures were on which models are trained.

    Args:
        picture: a Pillow image, or an array (H, W[, C]), uint8 or floating point; what exceeds a
            multiple of scale on the right and at the bottom is cut off first.
        scale: a whole number, at least 1.

    Returns:
        The same kind, H // scale by W // scale. Floats are neither rounded nor clipped.

    Raises:
        ValueError: another dtype or mode, a scale below 1, or a picture smaller than the scale.
    """
    if scale < 1:
        raise ValueError(f"scale is {scale}; it must be a whole number of at least 1")
    if isinstance(picture, Image.Image):
        return Image.fromarray(_degraded(np.asarray(_plain(picture)), scale))
    return _degraded(picture, scale)


def psnr(a: ArrayOrImage, b: ArrayOrImage) -> float:
    """Peak signal-to-noise ratio in dB of two gray 8-bit pictures; inf for identical ones.

    Args:
        a: uint8 (H, W), or a Pillow image of mode L.
        b: the same kind and size. The literature cuts `scale` pixels off each side of both first
            (`srcnn.metrics.shave`).

    Raises:
        ValueError: not gray 8-bit pictures of one size.
    """
    return metrics.psnr(np.asarray(a), np.asarray(b))


def ssim(a: ArrayOrImage, b: ArrayOrImage) -> float:
    """Structural similarity (Wang et al. 2004) of two gray 8-bit pictures, at most 1.

    Args:
        a: uint8 (H, W), at least 11x11, or a Pillow image of mode L.
        b: the same kind and size.

    Raises:
        ValueError: not gray 8-bit pictures of one size, at least 11x11.
    """
    return metrics.ssim(np.asarray(a), np.asarray(b))


def _degraded(picture: np.ndarray, scale: int) -> np.ndarray:
    if min(picture.shape[:2]) < scale:
        raise ValueError(f"the picture is {picture.shape[:2]}, smaller than the scale {scale}")
    return downscale(crop_to_multiple(picture, scale), scale)


def _plain(image: Image.Image) -> Image.Image:
    """The image in a mode whose samples can be averaged."""
    if image.mode in ("1", "P", "PA", "CMYK", "YCbCr"):
        transparent = image.has_transparency_data
        kind = "L" if image.mode == "1" else "RGB"
        image = image.convert({"L": "LA", "RGB": "RGBA"}[kind] if transparent else kind)
    if image.mode not in (*_MODES, "I;16"):
        raise ValueError(f"the image's mode is {image.mode}; allowed: {', '.join(_MODES)}, I;16")
    return image

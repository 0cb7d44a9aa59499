"""How a low-resolution picture comes from a high-resolution one: MATLAB's bicubic, and more."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from srcnn.data.imresize import downscale, round_to_uint8


@dataclass(frozen=True)
class Degradation:
    """HR to LR: blur, bicubic shrinking, noise, JPEG, in that order; each is off by default.

    The order is the first-order model of Real-ESRGAN (Wang et al. 2021, equation 1) and of the
    literature on blind super-resolution before it. Each step gives an 8-bit picture, so a step
    that is off changes nothing in the others, and with all of them off LR is MATLAB's, exactly.

    Attributes:
        scale: the side of HR over that of LR, a whole number.
        blur_sigma: standard deviation of the Gaussian blur, in HR pixels; the kernel ends at four
            of them; borders are mirrored as in the bicubic.
        noise_sigma: standard deviation of the white Gaussian noise on LR, in gray levels of 255.
        jpeg_quality: libjpeg's quality, 1..100, of a JPEG round trip of LR; None for none.
    """

    scale: int
    blur_sigma: float = 0.0
    noise_sigma: float = 0.0
    jpeg_quality: int | None = None

    def __call__(self, hr: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Degrade HR, uint8 (H, W) with multiples of scale, to LR, uint8 (H / scale, W / scale).

        Raises:
            ValueError: the picture is not uint8 (H, W) or its size is no multiple of scale.
        """
        if hr.dtype != np.uint8 or hr.ndim != 2:
            raise ValueError(f"the picture is {hr.dtype} {hr.shape}; it must be uint8 (H, W)")
        if self.blur_sigma > 0:
            hr = round_to_uint8(
                gaussian_filter(hr.astype(np.float64), self.blur_sigma, mode="reflect")
            )
        lr = downscale(hr, self.scale)
        if self.noise_sigma > 0:
            lr = round_to_uint8(lr + rng.normal(0.0, self.noise_sigma, lr.shape))
        if self.jpeg_quality is not None:
            lr = _jpeg(lr, self.jpeg_quality)
        return lr


def picture_rng(seed: int, picture_id: str) -> np.random.Generator:
    """The random generator of one picture: it depends on nothing but the seed and the id.

    So the noise on a picture stays the same when others are added, removed or reordered.
    """
    digest = hashlib.sha256(picture_id.encode("utf-8")).digest()
    return np.random.default_rng([seed, int.from_bytes(digest)])


def _jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as decoded:
        return np.asarray(decoded)

"""MATLAB's `imresize` with "bicubic", as the super-resolution literature shrinks and enlarges.

It is linear and separable, LR = A HR B^T with two small matrices, so matrix products do it exactly.
Pillow and PyTorch are close to it but not equal; OpenCV is neither.
"""

from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array


# A side of 3,600 pixels takes 0.2 MB. A picture needs four of them at most (two sides, down
# and up), so this is enough for a few sizes at a time, and making one anew takes 1 ms.
@lru_cache(maxsize=32)
def bicubic_matrix(size: int, new_size: int) -> csr_array:
    """The matrix that resizes a signal as MATLAB's `imresize` does with "bicubic".

    Cubic convolution with a = -0.5 (Keys 1981). When shrinking, the kernel is widened by the scale
    so that it also removes what would alias. Borders are mirrored with the border sample repeated.

    It is sparse: unlike a dense product, which BLAS spreads over threads that then wait for each
    other when another process is busy, a sparse one takes the same short time always and sums in
    the same order.

    Returns:
        (new_size, size), float64. Each row adds up to 1; row i is centred on input position
        (i + 0.5) * size / new_size - 0.5.

    Raises:
        ValueError: a size below 1.
    """
    if size < 1 or new_size < 1:
        raise ValueError(f"cannot resize {size} samples to {new_size}; both must be at least 1")
    stretch = max(1.0, size / new_size)
    centres = (np.arange(new_size) + 0.5) * size / new_size - 0.5
    first = np.floor(centres - 2 * stretch).astype(int)
    taps = first[:, None] + np.arange(int(np.ceil(4 * stretch)) + 2)
    weights = _cubic((centres[:, None] - taps) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)

    period = taps % (2 * size)
    mirrored = np.minimum(period, 2 * size - 1 - period)
    rows = np.broadcast_to(np.arange(new_size)[:, None], taps.shape)
    # 32-bit indices: half the memory to read in each product.
    places = np.stack([rows, mirrored]).reshape(2, -1).astype(np.int32)
    # What the borders fold onto one column is added up.
    matrix = csr_array((weights.ravel(), tuple(places)), shape=(new_size, size))
    matrix.eliminate_zeros()
    return matrix


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel, a = -0.5 (Keys 1981, equation 15)."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def crop_to_multiple(picture: np.ndarray, scale: int) -> np.ndarray:
    """The top left part of a picture (H, W, ...) whose height and width are multiples of scale."""
    height, width = picture.shape[:2]
    return picture[: height - height % scale, : width - width % scale]


def downscale(picture: np.ndarray, scale: int) -> np.ndarray:
    """Shrink a picture to 1 / scale of its size, as MATLAB's `imresize(picture, 1 / scale)`.

    Args:
        picture: (H, W) or (H, W, C), H and W multiples of scale. uint8 gives uint8 with MATLAB's
            rounding after each of the two passes, rows first; floats give float64, neither rounded
            nor clipped.
        scale: a whole number of at least 1.

    Raises:
        ValueError: H or W is no multiple of scale, or the dtype is another.
    """
    height, width = picture.shape[:2]
    if height % scale or width % scale:
        raise ValueError(f"the picture is {height}x{width}; crop it to a multiple of {scale} first")
    return _resize(picture, height // scale, width // scale)


def bicubic_upscale(picture: np.ndarray, scale: int) -> np.ndarray:
    """Enlarge a picture to scale times its size, as MATLAB's `imresize(picture, scale)`.

    Args:
        picture: (H, W) or (H, W, C), of any size. uint8 gives uint8 with MATLAB's rounding after
            each of the two passes; floats give float64, neither rounded nor clipped.
        scale: a whole number of at least 1.

    Returns:
        (H · scale, W · scale[, C]).

    Raises:
        ValueError: the picture is empty, or of another dtype.
    """
    height, width = picture.shape[:2]
    return _resize(picture, height * scale, width * scale)


def _resize(picture: np.ndarray, new_height: int, new_width: int) -> np.ndarray:
    if picture.dtype != np.uint8 and not np.issubdtype(picture.dtype, np.floating):
        raise ValueError(f"the picture is {picture.dtype}; it must be uint8 or floating point")
    finish = round_to_uint8 if picture.dtype == np.uint8 else np.asarray
    half = finish(_resize_rows(picture, new_height))
    result = finish(_resize_rows(half.swapaxes(0, 1), new_width))
    return np.ascontiguousarray(result.swapaxes(0, 1))


def _resize_rows(picture: np.ndarray, new_height: int) -> np.ndarray:
    """(H, W, ...) to (new_height, W, ...), float64."""
    height, *others = picture.shape
    # In C order: a transposed picture would keep its own, and the product would copy it.
    samples = picture.reshape(height, -1).astype(np.float64, order="C")
    return (bicubic_matrix(height, new_height) @ samples).reshape(new_height, *others)


def round_to_uint8(values: np.ndarray) -> np.ndarray:
    """Round gray levels, floating point of any shape, half up as MATLAB does; clip to 0..255.

    Float errors never decide a tie of the bicubic: with scales 2, 4 and 8 its weights are binary
    fractions, so ties are exact; with 3 they are multiples of 1/81, so there are none.
    """
    rounded = values + 0.5
    np.floor(rounded, out=rounded)
    return np.clip(rounded, 0, 255, out=rounded).astype(np.uint8)

"""Whole pictures, gray or colour, of any size and depth, enlarged by a trained network.

The network is trained on luma. Colour pictures are treated as in the paper (Dong et al. 2016,
section 4.4): luma is super-resolved, chroma is enlarged by bicubic interpolation. Both colour
conversion and bicubic are linear, so that equals adding the network's luma correction to each
channel of the bicubic picture, which needs no conversion there and back.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import uniform_filter

from srcnn.color import affine
from srcnn.imresize import bicubic_upscale
from srcnn.inference import SuperResolver, valid_by_tiles

TILE = 512  # HR pixels a side, cut out, enlarged and finished at once

_BAND_PIXELS = 8_000_000  # HR, held at once several times
_BICUBIC_REACH = 3  # LR pixels, rounded up
_HIDDEN_REACH = 6  # LR pixels from which a visible pixel is still influenced


class OutOfTime(TimeoutError):
    """A picture was not enlarged by its deadline."""


@dataclass(frozen=True)
class Band:
    """Some rows of an enlarged picture, (rows, W · scale, C), in the dtype of the picture."""

    bicubic: np.ndarray
    sr: np.ndarray


class Upscaler:
    """Enlarges pictures tile by tile, with the same result as in one piece.

    Args:
        resolver: the trained network.
        self_ensemble: average the network over the eight flips and rotations (Timofte et al.,
            "Seven ways to improve example-based single image super resolution", CVPR 2016): eight
            times the work for a little more quality.
        tile: HR pixels a side that are computed at once.
        bfloat16: compute most of the network in bfloat16 (`SRCNN.valid`), faster on hardware that
            is made for it, and slower elsewhere.
    """

    def __init__(
        self,
        resolver: SuperResolver,
        self_ensemble: bool = False,
        tile: int = TILE,
        bfloat16: bool = False,
    ) -> None:
        self.scale = resolver.scale
        self._model = resolver.model
        self._luma = affine(resolver.luma)
        self._self_ensemble = self_ensemble
        self._tile = tile
        self._bfloat16 = bfloat16

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Enlarge a picture.

        Args:
            picture: (h, w) gray or (h, w, C), C being 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA;
                uint8, uint16, or floating point in [0, 1].

        Returns:
            The same kind of array, (h · scale, w · scale[, C]); floats are clipped to [0, 1] and
            not rounded.

        Raises:
            ValueError: another shape or dtype, or an empty picture.
        """
        samples = picture[..., None] if picture.ndim == 2 else picture
        height, width, channels = check_samples(samples).shape
        result = np.empty((height * self.scale, width * self.scale, channels), picture.dtype)
        top = 0
        for band in self.bands(samples):
            result[top : top + len(band.sr)] = band.sr
            top += len(band.sr)
        return result[..., 0] if picture.ndim == 2 else result

    def bands(self, samples: np.ndarray, deadline: float = math.inf) -> Iterator[Band]:
        """The enlarged picture from top to bottom, beside its bicubic enlargement.

        Args:
            samples: (h, w, C) as for a call.
            deadline: of `time.monotonic`, in seconds; looked at before each tile.

        Raises:
            OutOfTime: the deadline passed; nothing is computed any more.
        """
        height, width = (side * self.scale for side in check_samples(samples).shape[:2])
        high, wide = _tile_size(self._tile, width)
        for top in range(0, height, high):
            rows = slice(top, min(top + high, height))
            shape = (rows.stop - rows.start, width, samples.shape[2])
            band = Band(np.empty(shape, samples.dtype), np.empty(shape, samples.dtype))
            for left in range(0, width, wide):
                if time.monotonic() > deadline:
                    raise OutOfTime("the time that the picture may take is over")
                columns = slice(left, min(left + wide, width))
                tile = self._enlarge(samples, rows, columns)
                band.bicubic[:, columns], band.sr[:, columns] = tile
            yield band

    def _enlarge(
        self, samples: np.ndarray, rows: slice, columns: slice
    ) -> tuple[np.ndarray, np.ndarray]:
        """One tile, given in HR pixels: bicubic and SR."""
        height, width, channels = samples.shape
        margin = self._model.margin
        high = _grown(rows, margin, height * self.scale)
        wide = _grown(columns, margin, width * self.scale)
        region = self._bicubic(samples, high, wide)
        inner = region[_within(rows, high), _within(columns, wide)]

        maximum = _maximum(samples.dtype)
        colours = 1 if channels < 3 else 3
        luma = self._luma_of(region[..., :colours] / maximum)
        context = [
            (margin - (part.start - whole.start), margin - (whole.stop - part.stop))
            for part, whole in ((rows, high), (columns, wide))
        ]
        correction = self._network(np.pad(luma, context, mode="edge"))
        correction -= luma[_within(rows, high), _within(columns, wide)]
        sr = inner.copy()
        sr[..., :colours] += (self._luma[2] * maximum * correction)[..., None]
        return _finished(inner, samples.dtype), _finished(sr, samples.dtype)

    def _bicubic(self, samples: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """A region, in HR pixels, of the enlarged picture: float64, neither rounded nor clipped.

        It is cut out with enough around it that mirrored borders matter only where the picture
        itself ends.
        """
        reach = _BICUBIC_REACH + (_HIDDEN_REACH if samples.shape[2] in (2, 4) else 0)
        cuts = []
        for wanted, size in ((rows, samples.shape[0]), (columns, samples.shape[1])):
            first = max(wanted.start // self.scale - reach, 0)
            last = min(-(-wanted.stop // self.scale) + reach, size)
            cuts.append(slice(first, last))
        part = samples[cuts[0], cuts[1]].astype(np.float64)
        if samples.shape[2] in (2, 4):
            _fill_hidden(part)
        enlarged = bicubic_upscale(part, self.scale)
        return enlarged[
            rows.start - cuts[0].start * self.scale : rows.stop - cuts[0].start * self.scale,
            columns.start - cuts[1].start * self.scale : columns.stop - cuts[1].start * self.scale,
        ]

    def _luma_of(self, colours: np.ndarray) -> np.ndarray:
        """Luma in [0, 1] of (H, W, 1 or 3) in [0, 1]; gray stands for R = G = B."""
        weights, offset, _ = self._luma
        if colours.shape[2] == 1:
            return colours[..., 0] * weights.sum() + offset
        return colours @ weights + offset

    def _network(self, luma: np.ndarray) -> np.ndarray:
        """SR luma of the region's inner part, float64, from (H, W) with the network's margin."""
        weight = self._model.extract.weight
        pictures = torch.from_numpy(luma)[None, None].to(weight.device, weight.dtype)
        if self._self_ensemble:
            results = [
                back(valid_by_tiles(self._model, turn(pictures), self._bfloat16))
                for turn, back in _DIHEDRAL
            ]
            sr = torch.stack(results).mean(0)
        else:
            sr = valid_by_tiles(self._model, pictures, self._bfloat16)
        return sr[0, 0].cpu().numpy().astype(np.float64)


def _tile_size(tile: int, width: int) -> tuple[int, int]:
    """Height and width of tiles with tile² pixels, lower where a band of them would be long."""
    high = min(tile, max(_BAND_PIXELS // width, tile // 4))
    return high, tile**2 // high


Turn = Callable[[torch.Tensor], torch.Tensor]


def _turn(quarters: int, flip: bool) -> tuple[Turn, Turn]:
    """A rotation, after a flip or not, and its inverse."""

    def there(pictures: torch.Tensor) -> torch.Tensor:
        return torch.rot90(pictures.flip(3) if flip else pictures, quarters, (2, 3))

    def back(pictures: torch.Tensor) -> torch.Tensor:
        turned = torch.rot90(pictures, -quarters, (2, 3))
        return turned.flip(3) if flip else turned

    return there, back


_DIHEDRAL = [_turn(quarters, flip) for flip in (False, True) for quarters in range(4)]


def check_samples(samples: np.ndarray) -> np.ndarray:
    """The samples of a picture, which can be enlarged.

    Raises:
        ValueError: they are not (H, W, C) with 1 to 4 channels, or of another dtype, or none.
    """
    if samples.ndim != 3 or not 1 <= samples.shape[2] <= 4 or samples.size == 0:
        raise ValueError(
            f"the picture has shape {samples.shape}; it must be (H, W), (H, W, 3) or (H, W, 4), "
            "with alpha also (H, W, 2), and not empty"
        )
    if samples.dtype not in (np.uint8, np.uint16) and not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(
            f"the picture is {samples.dtype}; it must be uint8, uint16 or floats in [0, 1]"
        )
    return samples


def _maximum(dtype: np.dtype) -> float:
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


def _finished(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    clipped = np.clip(np.nan_to_num(values), 0, _maximum(dtype))
    return (np.rint(clipped) if np.issubdtype(dtype, np.integer) else clipped).astype(dtype)


def _grown(part: slice, margin: int, size: int) -> slice:
    return slice(max(part.start - margin, 0), min(part.stop + margin, size))


def _within(part: slice, whole: slice) -> slice:
    return slice(part.start - whole.start, part.stop - whole.start)


def _fill_hidden(samples: np.ndarray) -> None:
    """Give invisible pixels, in place, the mean colour of the visible ones near them.

    What files hold there is arbitrary, often black, and would bleed into visible edges.
    """
    visible = samples[..., -1] > 0
    if visible.all():
        return
    window = 2 * _HIDDEN_REACH + 1
    share = uniform_filter(visible.astype(np.float64), window, mode="constant")
    fill = ~visible & (share > 0.5 / window**2)
    for channel in range(samples.shape[2] - 1):
        plane = samples[..., channel]
        total = uniform_filter(np.where(visible, plane, 0.0), window, mode="constant")
        plane[fill] = total[fill] / share[fill]

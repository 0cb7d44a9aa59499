"""Whole pictures, gray or colour, of any size and depth, enlarged by a trained network.

The network is trained on luma. Colour pictures are treated as in the paper (Dong et al. 2016,
section 4.4): luma is super-resolved, chroma is enlarged by bicubic interpolation. Both colour
conversion and bicubic are linear, so that equals adding the network's luma correction to each
channel of the bicubic picture, which needs no conversion there and back.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from scipy.ndimage import uniform_filter

from srcnn.data.color import affine
from srcnn.data.imresize import bicubic_upscale
from srcnn.inference.resolver import SuperResolver, by_tiles
from srcnn.networks.bicubic import REACH

TILE = 512  # HR pixels a side, cut out, enlarged and finished at once

_BAND_PIXELS = 8_000_000  # HR, held at once several times
_HIDDEN_REACH = 6  # LR pixels from which a visible pixel is still influenced

_Area = tuple[slice, ...]  # rows and columns


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
        bfloat16: compute most of the network in bfloat16 (`Network.patch`), faster on hardware that
            is made for it, and slower elsewhere.
        blend: another network, and its share in the mean of both, 0..1. Between the estimate of the
            least error and a natural one, the line is the best that can be had of both (Freirich et
            al., "A Theory of the Distortion-Perception Tradeoff in Wasserstein Space", NeurIPS
            2021, arXiv:2107.02555).

    Raises:
        ValueError: the blended networks' scales or luma ranges differ, or the share is not in 0..1.
    """

    def __init__(
        self,
        resolver: SuperResolver,
        self_ensemble: bool = False,
        tile: int = TILE,
        bfloat16: bool = False,
        blend: tuple[SuperResolver, float] | None = None,
    ) -> None:
        self.scale = resolver.scale
        self._networks = [(resolver.model, 1.0)]
        if blend:
            other, share = blend
            _check_blend(resolver, other, share)
            self._networks = [(resolver.model, 1 - share), (other.model, share)]
        self._device = resolver.device
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
        height, width, channels = check_samples(samples).shape
        high, wide = _tile_size(self._tile, width, self.scale)
        for top in range(0, height, high):
            rows = slice(top, min(top + high, height))
            shape = ((rows.stop - top) * self.scale, width * self.scale, channels)
            band = Band(np.empty(shape, samples.dtype), np.empty(shape, samples.dtype))
            for left in range(0, width, wide):
                if time.monotonic() > deadline:
                    raise OutOfTime("the time that the picture may take is over")
                area = rows, slice(left, min(left + wide, width))
                _, place = _times(area, self.scale)
                band.bicubic[:, place], band.sr[:, place] = self._enlarge(samples, area)
            yield band

    def _sr(
        self, lr: torch.Tensor, rows: slice | None = None, columns: slice | None = None
    ) -> torch.Tensor:
        """The networks' weighted mean, see `by_tiles`."""
        parts = [
            share * by_tiles(network, lr, rows, columns, self._bfloat16)
            for network, share in self._networks
        ]
        return torch.stack(parts).sum(dim=0)

    def _enlarge(self, samples: np.ndarray, area: _Area) -> tuple[np.ndarray, np.ndarray]:
        """One tile, given in LR pixels: bicubic and SR."""
        # What is cut out has so much around it that the picture is only continued where it ends.
        reach = max(REACH, *(network.overlap for network, _ in self._networks))
        if samples.shape[2] in (2, 4):
            reach += _HIDDEN_REACH
        around = _grown(area, reach, samples.shape)
        part = samples[around].astype(np.float64)
        if samples.shape[2] in (2, 4):
            _fill_hidden(part)
        inner = _within(area, around)
        bicubic = self._bicubic(part, inner)

        maximum = _maximum(samples.dtype)
        colors = 1 if samples.shape[2] < 3 else 3
        correction = self._network(self._luma_of(part[..., :colors] / maximum), inner)
        correction -= self._luma_of(bicubic[..., :colors] / maximum)
        sr = bicubic.copy()
        sr[..., :colors] += (self._luma[2] * maximum * correction)[..., None]
        return _finished(bicubic, samples.dtype), _finished(sr, samples.dtype)

    def _bicubic(self, part: np.ndarray, area: _Area) -> np.ndarray:
        """These LR pixels, enlarged: float64, neither rounded nor clipped."""
        around = _grown(area, REACH, part.shape)
        return bicubic_upscale(part[around], self.scale)[_times(_within(area, around), self.scale)]

    def _luma_of(self, colors: np.ndarray) -> np.ndarray:
        """Luma in [0, 1] of (H, W, 1 or 3) in [0, 1]; gray stands for R = G = B."""
        weights, offset, _ = self._luma
        if colors.shape[2] == 1:
            return colors[..., 0] * weights.sum() + offset
        return colors @ weights + offset

    def _network(self, luma: np.ndarray, area: _Area) -> np.ndarray:
        """SR luma, float64, of these LR pixels of (h, w)."""
        lr = torch.from_numpy(luma.astype(np.float32))[None, None].to(self._device)
        if not self._self_ensemble:
            sr = self._sr(lr, *area)[0, 0]
        else:
            results = []
            for flipped, quarters in product(((), (3,)), range(4)):
                turned = self._sr(lr.flip(flipped).rot90(quarters, (2, 3)))
                results.append(turned.rot90(-quarters, (2, 3)).flip(flipped))
            sr = torch.stack(results).mean(0)[0, 0][_times(area, self.scale)]
        return sr.cpu().numpy().astype(np.float64)


def _tile_size(tile: int, width: int, scale: int) -> tuple[int, int]:
    """Height and width, in LR pixels, of tiles of tile² HR pixels; lower in a wide picture."""
    side = max(tile // scale, 1)
    high = max(min(side, _BAND_PIXELS // (width * scale**2)), side // 4, 1)
    return high, max(side**2 // high, 1)


def _check_blend(one: SuperResolver, other: SuperResolver, share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"the share of the blended network is {share}; it must be 0 to 1")
    for what, mine, its in (("scale", one.scale, other.scale), ("luma", one.luma, other.luma)):
        if mine != its:
            raise ValueError(f"networks of {what} {mine} and {its} cannot be blended")


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


def _grown(area: _Area, margin: int, shape: tuple[int, ...]) -> _Area:
    sides = zip(area, shape, strict=False)
    return tuple(slice(max(s.start - margin, 0), min(s.stop + margin, size)) for s, size in sides)


def _times(area: _Area, scale: int) -> _Area:
    return tuple(slice(side.start * scale, side.stop * scale) for side in area)


def _within(area: _Area, whole: _Area) -> _Area:
    sides = zip(area, whole, strict=True)
    return tuple(slice(s.start - around.start, s.stop - around.start) for s, around in sides)


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

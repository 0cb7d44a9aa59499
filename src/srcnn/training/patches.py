"""Random training patches, cut from all pictures at once by indexing one buffer."""

import numpy as np
import torch

from srcnn.data.pairs import Pairs


class PatchSampler:
    """Draws aligned pairs of (LR, HR) patches, uniformly over all positions.

    An LR patch starts at any LR pixel of any picture. It is drawn with `reach` pixels of the
    picture around it, beyond whose borders the picture is mirrored as by MATLAB's imresize: so
    what a network makes of a patch is what it makes of that place in the whole picture.

    On a CPU the pictures stay in their memory map. A GPU gets a copy of them, unless that would
    take more than half of its free memory: then patches are cut on the CPU, to the same bits.

    Args:
        pairs: pictures, none smaller than a patch.
        patch_size: side of a patch in HR pixels, a multiple of the scale.
        reach: LR pixels around a patch, on each side.
        augment: apply one of the eight flips and rotations to each patch.
        device: where the patches are to be.

    Raises:
        ValueError: patch_size is no multiple of the scale, or a picture is smaller than a patch.
    """

    def __init__(
        self,
        pairs: Pairs,
        patch_size: int,
        reach: int,
        augment: bool = True,
        device: torch.device | str = "cpu",
    ) -> None:
        scale = pairs.scale
        if patch_size % scale:
            raise ValueError(f"patch_size is {patch_size}; it must be a multiple of {scale}")
        smallest = int(min(pairs.heights.min(), pairs.widths.min()))
        if patch_size > smallest:
            raise ValueError(f"patch_size is {patch_size}; the smallest picture has {smallest}")
        self._scale = scale
        self._size = patch_size
        self._reach = reach
        self._augment = augment
        self._device = torch.device(device)
        self._home = _home(pairs, self._device)
        if self._home.type != "cpu":
            pairs = pairs.alone()
        self._lr, self._hr = self._put(pairs.lr_data), self._put(pairs.hr_data)

        heights, widths = pairs.heights // scale, pairs.widths // scale
        offsets = pairs.hr_offsets // scale**2
        rows, columns = (sides - patch_size // scale + 1 for sides in (heights, widths))
        ends = np.cumsum(rows * columns)
        self._count = int(ends[-1])
        self._ends = self._put(ends)
        # What is looked up of a picture: the count of the positions in those before it, and of
        # LR its positions in a row, its size and where it begins.
        table = np.stack([ends - rows * columns, columns, heights, widths, offsets], axis=1)
        self._table = self._put(table)

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw patches.

        Args:
            count: number of patches B.
            generator: a CPU generator; the same state gives the same patches on every device.

        Returns:
            LR patches with what is around them, (B, 1, n + 2 · reach, n + 2 · reach) with
            n = patch_size / scale, and HR patches, (B, 1, patch_size, patch_size); both float32
            in gray levels / 255.
        """
        draws = torch.randint(self._count, (count,), generator=generator).to(self._home)
        turns = None
        if self._augment:
            turns = torch.randint(8, (count,), generator=generator).to(self._home)
        picture = torch.searchsorted(self._ends, draws, right=True)
        first, columns, height, width, offset = self._table[picture].unbind(1)
        position, columns = (draws - first)[:, None], columns[:, None]
        y, x = position // columns, position % columns

        scale, reach = self._scale, self._reach
        window = torch.arange(-reach, self._size // scale + reach, device=self._home)
        rows, columns = _mirror(y + window, height), _mirror(x + window, width)
        lr = self._gather(self._lr, offset, width, rows, columns, turns)
        patch = torch.arange(self._size, device=self._home)
        rows, columns = y * scale + patch, x * scale + patch
        hr = self._gather(self._hr, offset * scale**2, width * scale, rows, columns, turns)
        return lr[:, None], hr[:, None]

    def _gather(
        self,
        data: torch.Tensor,
        offset: torch.Tensor,
        stride: torch.Tensor,
        rows: torch.Tensor,
        columns: torch.Tensor,
        turns: torch.Tensor | None,
    ) -> torch.Tensor:
        """The pixels at (B, n) rows × (B, n) columns of B pictures, float32 (B, n, n) in [0, 1]."""
        rows = rows * stride[:, None] + offset[:, None]
        if turns is not None:  # the eight symmetries of the square: reversals and a transposition
            rows = torch.where((turns & 1).bool()[:, None], rows.flip(1), rows)
            columns = torch.where((turns & 2).bool()[:, None], columns.flip(1), columns)
            transposed = (turns & 4).bool()[:, None]
            rows, columns = (
                torch.where(transposed, columns, rows),
                torch.where(transposed, rows, columns),
            )
        pixels = data[rows[:, :, None] + columns[:, None, :]]
        return pixels.to(self._device).to(torch.float32) / 255

    def _put(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self._home)


def _home(pairs: Pairs, device: torch.device) -> torch.device:
    """Where pictures are kept whose patches are wanted on a device."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if pairs.pixels * (1 + 1 / pairs.scale**2) > free / 2:
            return torch.device("cpu")
    return device


def _mirror(index: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """Indices (B, n) outside 0..size-1 mirrored at each picture's edges, as imresize pads."""
    size = size[:, None]
    index = index % (2 * size)
    return torch.minimum(index, 2 * size - 1 - index)

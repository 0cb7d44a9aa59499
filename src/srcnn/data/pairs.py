"""A folder of LR/HR pairs of any sizes, read through memory maps: nothing is decoded twice.

hr.npy, lr.npy   all pictures one after the other, row by row: flat uint8 arrays
index.csv        id, source, split, height, width (of HR), hr_offset, lr_offset
meta.json        scale, luma, and the sha256 of all of it
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, Self

import numpy as np

from srcnn.data.splits import SPLITS

_HR, _LR, _INDEX, _META = "hr.npy", "lr.npy", "index.csv", "meta.json"
_COLUMNS = ("id", "source", "split", "height", "width", "hr_offset", "lr_offset")


# What damaged files make the readers of JSON, CSV and .npy raise; the latter also parses Python.
_DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, TokenError)


@dataclass(frozen=True)
class Pairs:
    """Aligned LR and HR pictures, uint8 luma.

    Attributes:
        scale: the side of HR over that of LR.
        luma: "full" or "studio", see `srcnn.data.color.luma`.
        digest: sha256, in hex, of the whole folder's content, also in a selection of its pictures.
        ids: one name per picture.
        sources: the source picture each was cut from.
        splits: "train", "val" or "test", per picture.
        heights: of HR, int64 (N,); a multiple of scale.
        widths: of HR, int64 (N,); a multiple of scale.
        hr_offsets: where each HR picture begins in `hr_data`, int64 (N,).
        hr_data: all HR pixels of the folder, flat uint8, memory-mapped (a write stays private).
        lr_data: all LR pixels of the folder, flat uint8, memory-mapped (a write stays private).
    """

    scale: int
    luma: str
    digest: str
    ids: list[str]
    sources: list[str]
    splits: list[str]
    heights: np.ndarray
    widths: np.ndarray
    hr_offsets: np.ndarray
    hr_data: np.ndarray
    lr_data: np.ndarray

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a folder that `PairsWriter` wrote; every pixel is read once.

        Raises:
            ValueError: a file is missing, or the folder does not hold what was written, bit for
                bit.
        """
        try:
            meta = dict(json.loads((folder / _META).read_text(encoding="utf-8")))
            digest = meta.pop("sha256")
            index = (folder / _INDEX).read_bytes()
            # Copy on write: torch.from_numpy warns about read-only arrays.
            hr, lr = (np.load(folder / name, mmap_mode="c").view(np.uint8) for name in (_HR, _LR))
            pixels = (hashlib.sha256(data.data).digest() for data in (hr, lr))
            if _digest(meta, *pixels, index) != digest:
                raise ValueError(f"its pictures or their index do not have the checksum in {_META}")
        except _DAMAGED as error:
            problem = f"{type(error).__name__}: {error}"
            raise ValueError(f"{folder} holds no whole set of LR/HR pairs: {problem}") from error
        rows = list(csv.reader(io.StringIO(index.decode("utf-8"), newline="")))[1:]
        ids, sources, splits, *numbers = map(list, zip(*rows, strict=True))
        heights, widths, hr_offsets, _ = np.array(numbers).astype(np.int64)
        return cls(
            meta["scale"],
            meta["luma"],
            digest,
            ids,
            sources,
            splits,
            heights,
            widths,
            hr_offsets,
            hr,
            lr,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """LR and HR of each picture, see `lr` and `hr`."""
        return ((self.lr(i), self.hr(i)) for i in range(len(self)))

    def hr(self, i: int) -> np.ndarray:
        """The i-th HR picture, uint8 (H, W), a view."""
        height, width, begin = self.heights[i], self.widths[i], self.hr_offsets[i]
        return self.hr_data[begin : begin + height * width].reshape(height, width)

    def lr(self, i: int) -> np.ndarray:
        """The i-th LR picture, uint8 (H / scale, W / scale), a view."""
        height, width = self.heights[i] // self.scale, self.widths[i] // self.scale
        begin = self.hr_offsets[i] // self.scale**2
        return self.lr_data[begin : begin + height * width].reshape(height, width)

    def split(self, name: str) -> Self:
        """Only the pictures of one split, in their order; the pixels stay where they are.

        Raises:
            ValueError: there is no such split.
        """
        if name not in SPLITS:
            raise ValueError(f"split is {name!r}; allowed: {', '.join(SPLITS)}")
        return self.select(i for i, split in enumerate(self.splits) if split == name)

    def select(self, indices: Iterable[int]) -> Self:
        """Only the pictures of these indices, in this order; the pixels stay where they are."""
        chosen = list(indices)
        where = np.array(chosen, dtype=np.int64)
        return replace(
            self,
            ids=[self.ids[i] for i in chosen],
            sources=[self.sources[i] for i in chosen],
            splits=[self.splits[i] for i in chosen],
            heights=self.heights[where],
            widths=self.widths[where],
            hr_offsets=self.hr_offsets[where],
        )

    @property
    def pixels(self) -> int:
        """Of all HR pictures together."""
        return int((self.heights * self.widths).sum())

    def alone(self) -> Self:
        """The same pictures with only their own pixels, copied into memory."""
        sizes = self.heights * self.widths
        return replace(
            self,
            hr_offsets=np.cumsum(sizes) - sizes,
            hr_data=np.concatenate([hr.reshape(-1) for _, hr in self]),
            lr_data=np.concatenate([lr.reshape(-1) for lr, _ in self]),
        )


def _digest(meta: Mapping[str, Any], *parts: bytes) -> str:
    """Checksum of a whole folder: those of its HR and LR pixels, and the index."""
    return hashlib.sha256(b"".join([json.dumps(meta).encode(), *parts])).hexdigest()


class PairsWriter:
    """Write a folder of pairs, picture by picture; use it in a `with` block.

    The same pictures in the same order give the same bytes. The folder is whole only after the
    block has ended without an error: index and meta are written last.
    """

    def __init__(self, folder: Path, scale: int, luma: str) -> None:
        self._folder = folder
        self._scale = scale
        self._luma = luma
        self._rows: dict[str, tuple[str | int, ...]] = {}  # of the index, by id

    def __enter__(self) -> Self:
        self._hr = _FlatArray(self._folder / _HR)
        self._lr = _FlatArray(self._folder / _LR)
        return self

    def add(self, picture_id: str, source: str, split: str, hr: np.ndarray, lr: np.ndarray) -> None:
        """Append one picture: HR uint8 (H, W), LR uint8 (H / scale, W / scale).

        Raises:
            ValueError: the id is not new, id or source is not one line, the split is unknown, or
                dtypes and shapes do not fit.
        """
        if {"\n", "\r"} & {*picture_id, *source}:
            raise ValueError(f"{picture_id!r} of source {source!r}: names must be one line")
        if picture_id in self._rows:
            raise ValueError(f"two pictures have the id {picture_id!r}")
        if split not in SPLITS:
            raise ValueError(f"{picture_id}: split is {split!r}; allowed: {', '.join(SPLITS)}")
        expected = tuple(side * self._scale for side in lr.shape)
        if hr.dtype != np.uint8 or lr.dtype != np.uint8 or hr.ndim != 2 or hr.shape != expected:
            raise ValueError(
                f"{picture_id}: HR is {hr.dtype} {hr.shape}, LR is {lr.dtype} {lr.shape}; "
                f"both must be uint8 (H, W), HR {self._scale} times as large as LR"
            )
        row = picture_id, source, split, *hr.shape, self._hr.size, self._lr.size
        self._rows[picture_id] = row
        self._hr.append(hr)
        self._lr.append(lr)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        pixels = self._hr.close(), self._lr.close()
        if kind is not None:
            return
        if not self._rows:
            raise ValueError(f"no picture was written to {self._folder}")
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows([_COLUMNS, *self._rows.values()])
        index = text.getvalue().encode("utf-8")
        (self._folder / _INDEX).write_bytes(index)
        meta = {"scale": self._scale, "luma": self._luma}
        whole = meta | {"sha256": _digest(meta, *pixels, index)}
        content = json.dumps(whole, indent=2) + "\n"
        (self._folder / _META).write_text(content, encoding="utf-8")


class _FlatArray:
    """A one-dimensional uint8 .npy file that grows; its length is known at the end only."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._hash = hashlib.sha256()
        self._file: BinaryIO = path.open("wb")
        self._write_header()

    def _write_header(self) -> None:
        # The format pads the header to 128 bytes whatever the length, so it can be replaced.
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.size,)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, picture: np.ndarray) -> None:
        pixels = np.ascontiguousarray(picture).data
        self._file.write(pixels)
        self._hash.update(pixels)
        self.size += pixels.nbytes

    def close(self) -> bytes:
        """Complete the file; the sha256 of its pixels."""
        self._file.seek(0)
        self._write_header()
        self._file.close()
        return self._hash.digest()

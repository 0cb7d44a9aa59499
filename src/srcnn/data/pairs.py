"""A folder of LR/HR pairs of any sizes, read through memory maps: nothing is decoded twice.

hr.npy, lr.npy   all pictures one after the other, row by row: flat uint8 arrays
index.csv        id, source, split, height, width (of HR), hr_offset, lr_offset
meta.json        scale, luma, and the sha256 of all of it
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, Self, TypeAlias

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
        """Open a folder that `writing_pairs` wrote; every pixel is read once.

        Raises:
            ValueError: a file is missing, or the folder does not hold what was written, bit for
                bit.
        """
        try:
            meta = dict(json.loads((folder / _META).read_text(encoding="utf-8")))
            digest = meta.pop("sha256")
            index = (folder / _INDEX).read_bytes()
            hr, lr = _pixels(folder)
            if _digest(meta, hr, lr, index) != digest:
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


Add: TypeAlias = Callable[[str, str, str, np.ndarray, np.ndarray], None]


@contextmanager
def writing_pairs(folder: Path, scale: int, luma: str) -> Iterator[Add]:
    """Write a folder of pairs, picture by picture; the block is given a function for one.

    `add(id, source, split, hr, lr)` appends a picture: HR uint8 (H, W), LR uint8 (H / scale,
    W / scale). The same pictures in the same order give the same bytes. The folder is whole only
    after the block has ended without an error: index and meta are written last.

    Raises:
        ValueError: no picture was written; or, of a picture, the id is not new, id or source is not
            one line, the split is unknown, or dtypes and shapes do not fit.
    """
    rows: dict[str, tuple[str | int, ...]] = {}  # of the index, by id
    size = 0
    with (folder / _HR).open("wb") as hr_file, (folder / _LR).open("wb") as lr_file:

        def add(picture_id: str, source: str, split: str, hr: np.ndarray, lr: np.ndarray) -> None:
            nonlocal size
            if picture_id in rows:
                raise ValueError(f"two pictures have the id {picture_id!r}")
            _check(picture_id, source, split, hr, lr, scale)
            rows[picture_id] = (picture_id, source, split, *hr.shape, size, size // scale**2)
            hr_file.write(np.ascontiguousarray(hr).data)
            lr_file.write(np.ascontiguousarray(lr).data)
            size += hr.size

        _write_header(hr_file, 0)
        _write_header(lr_file, 0)
        yield add
        _write_header(hr_file, size)
        _write_header(lr_file, size // scale**2)
    if not rows:
        raise ValueError(f"no picture was written to {folder}")
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([_COLUMNS, *rows.values()])
    index = text.getvalue().encode("utf-8")
    (folder / _INDEX).write_bytes(index)
    meta = {"scale": scale, "luma": luma}
    hr_pixels, lr_pixels = _pixels(folder)
    whole = meta | {"sha256": _digest(meta, hr_pixels, lr_pixels, index)}
    (folder / _META).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _check(
    picture_id: str, source: str, split: str, hr: np.ndarray, lr: np.ndarray, scale: int
) -> None:
    if {"\n", "\r"} & {*picture_id, *source}:
        raise ValueError(f"{picture_id!r} of source {source!r}: names must be one line")
    if split not in SPLITS:
        raise ValueError(f"{picture_id}: split is {split!r}; allowed: {', '.join(SPLITS)}")
    expected = tuple(side * scale for side in lr.shape)
    if hr.dtype != np.uint8 or lr.dtype != np.uint8 or hr.ndim != 2 or hr.shape != expected:
        raise ValueError(
            f"{picture_id}: HR is {hr.dtype} {hr.shape}, LR is {lr.dtype} {lr.shape}; "
            f"both must be uint8 (H, W), HR {scale} times as large as LR"
        )


def _write_header(file: BinaryIO, size: int) -> None:
    """That of a flat uint8 .npy file; it has 128 bytes for any size, so it can be replaced."""
    file.seek(0)
    header = {"descr": "|u1", "fortran_order": False, "shape": (size,)}
    np.lib.format.write_array_header_1_0(file, header)


def _pixels(folder: Path) -> list[np.ndarray]:
    """HR and LR of all pictures, flat, mapped; copied on write: torch warns of read-only ones."""
    return [np.load(folder / name, mmap_mode="c").view(np.uint8) for name in (_HR, _LR)]


def _digest(meta: Mapping[str, Any], hr: np.ndarray, lr: np.ndarray, index: bytes) -> str:
    """Checksum of a whole folder: those of its HR and LR pixels, and the index."""
    pixels = [hashlib.sha256(data.data).digest() for data in (hr, lr)]
    return hashlib.sha256(b"".join([json.dumps(meta).encode(), *pixels, index])).hexdigest()

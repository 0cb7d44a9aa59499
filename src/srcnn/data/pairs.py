"""A folder of LR/HR pairs of any sizes, read through memory maps: nothing is decoded twice.

hr.npy, lr.npy   all pictures one after the other, row by row: flat uint8 arrays
index.csv        id, source, split, height, width (of HR), hr_offset, lr_offset
meta.json        scale, luma, and the sha256 of all of it
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError
from types import TracebackType
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
        lr_offsets: where each LR picture begins in `lr_data`, int64 (N,).
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
    lr_offsets: np.ndarray
    hr_data: np.ndarray
    lr_data: np.ndarray

    @classmethod
    def open(cls, folder: Path, verify: bool = False) -> Self:
        """Open a folder that `PairsWriter` wrote.

        Args:
            folder: the folder.
            verify: also read every pixel and compare the checksum.

        Raises:
            ValueError: a file is missing, cut short, damaged, or does not agree with the others.
        """
        try:
            meta = json.loads((folder / _META).read_text(encoding="utf-8"))
            with (folder / _INDEX).open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            numbers = {
                column: np.array([int(row[column]) for row in rows], dtype=np.int64)
                for column in _COLUMNS[3:]
            }
            pairs = cls(
                scale=int(meta["scale"]),
                luma=meta["luma"],
                digest=meta["sha256"],
                ids=[row["id"] for row in rows],
                sources=[row["source"] for row in rows],
                splits=[row["split"] for row in rows],
                heights=numbers["height"],
                widths=numbers["width"],
                hr_offsets=numbers["hr_offset"],
                lr_offsets=numbers["lr_offset"],
                # Copy on write: torch.from_numpy warns about read-only arrays.
                hr_data=np.load(folder / _HR, mmap_mode="c"),
                lr_data=np.load(folder / _LR, mmap_mode="c"),
            )
        except _DAMAGED as error:
            problem = f"{type(error).__name__}: {error}"
            raise ValueError(f"{folder} holds no whole set of LR/HR pairs: {problem}") from error
        pairs._check(folder)
        if verify:
            pairs._verify(folder)
        return pairs

    def _check(self, folder: Path) -> None:
        """Raise a ValueError unless the pictures of the index fill the two buffers exactly."""
        if self.scale < 1:
            raise ValueError(f"{folder / _META} has the scale {self.scale}")
        if unknown := set(self.splits) - set(SPLITS):
            raise ValueError(f"{folder / _INDEX} names unknown splits: {sorted(unknown)}")
        if np.any(self.heights % self.scale) or np.any(self.widths % self.scale):
            raise ValueError(f"{folder / _INDEX} has sizes that are no multiple of {self.scale}")
        sizes = self.heights * self.widths
        for name, data, offsets, lengths in (
            (_HR, self.hr_data, self.hr_offsets, sizes),
            (_LR, self.lr_data, self.lr_offsets, sizes // self.scale**2),
        ):
            if data.dtype != np.uint8 or data.shape != (lengths.sum(),):
                raise ValueError(
                    f"{folder / name} holds {data.dtype} {data.shape}; "
                    f"{_INDEX} lists {len(self)} pictures of {lengths.sum()} pixels in all"
                )
            if not np.array_equal(offsets, np.cumsum(lengths) - lengths):
                raise ValueError(f"{folder / _INDEX} has wrong offsets into {name}")

    def _verify(self, folder: Path) -> None:
        """Raise a ValueError unless the folder holds what was written, bit for bit."""
        hr, lr = (hashlib.sha256(data.data).digest() for data in (self.hr_data, self.lr_data))
        index = (folder / _INDEX).read_bytes()
        if _digest({"scale": self.scale, "luma": self.luma}, hr, lr, index) != self.digest:
            raise ValueError(
                f"{folder} is damaged: its pictures or their index do not have the checksum in "
                f"{_META}"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def hr(self, i: int) -> np.ndarray:
        """The i-th HR picture, uint8 (H, W), a view."""
        return _view(self.hr_data, self.hr_offsets[i], self.heights[i], self.widths[i])

    def lr(self, i: int) -> np.ndarray:
        """The i-th LR picture, uint8 (H / scale, W / scale), a view."""
        height, width = self.heights[i] // self.scale, self.widths[i] // self.scale
        return _view(self.lr_data, self.lr_offsets[i], height, width)

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
            lr_offsets=self.lr_offsets[where],
        )

    @property
    def pixels(self) -> int:
        """Of all HR pictures together."""
        return int((self.heights * self.widths).sum())

    def alone(self) -> Self:
        """The same pictures with only their own pixels, copied into memory."""
        sizes = self.heights * self.widths
        lr_sizes = sizes // self.scale**2
        return replace(
            self,
            hr_offsets=np.cumsum(sizes) - sizes,
            lr_offsets=np.cumsum(lr_sizes) - lr_sizes,
            hr_data=np.concatenate([self.hr(i).reshape(-1) for i in range(len(self))]),
            lr_data=np.concatenate([self.lr(i).reshape(-1) for i in range(len(self))]),
        )


def _digest(meta: Mapping[str, Any], hr: bytes, lr: bytes, index: bytes) -> str:
    """Checksum of a whole folder from those of its pixels."""
    return hashlib.sha256(json.dumps(meta).encode() + hr + lr + index).hexdigest()


def _view(data: np.ndarray, offset: int, height: int, width: int) -> np.ndarray:
    return data[offset : offset + height * width].reshape(height, width)


class PairsWriter:
    """Write a folder of pairs, picture by picture; use it in a `with` block.

    The same pictures in the same order give the same bytes. The folder is whole only after the
    block has ended without an error: index and meta are written last.
    """

    def __init__(self, folder: Path, scale: int, luma: str) -> None:
        self._folder = folder
        self._scale = scale
        self._luma = luma
        self._rows: list[tuple[str | int, ...]] = []
        self._ids: set[str] = set()

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
        if picture_id in self._ids:
            raise ValueError(f"two pictures have the id {picture_id!r}")
        if split not in SPLITS:
            raise ValueError(f"{picture_id}: split is {split!r}; allowed: {', '.join(SPLITS)}")
        expected = tuple(side * self._scale for side in lr.shape)
        if hr.dtype != np.uint8 or lr.dtype != np.uint8 or hr.ndim != 2 or hr.shape != expected:
            raise ValueError(
                f"{picture_id}: HR is {hr.dtype} {hr.shape}, LR is {lr.dtype} {lr.shape}; "
                f"both must be uint8 (H, W), HR {self._scale} times as large as LR"
            )
        self._rows.append((picture_id, source, split, *hr.shape, self._hr.size, self._lr.size))
        self._ids.add(picture_id)
        self._hr.append(hr)
        self._lr.append(lr)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        hr_digest = self._hr.close()
        lr_digest = self._lr.close()
        if kind is not None:
            return
        if not self._rows:
            raise ValueError(f"no picture was written to {self._folder}")
        index = self._index()
        (self._folder / _INDEX).write_bytes(index)
        meta = {"scale": self._scale, "luma": self._luma}
        whole = _digest(meta, hr_digest, lr_digest, index)
        text = json.dumps(meta | {"sha256": whole}, indent=2)
        (self._folder / _META).write_text(text + "\n", encoding="utf-8")

    def _index(self) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(self._rows)
        return text.getvalue().encode("utf-8")


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

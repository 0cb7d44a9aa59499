"""What every source of pictures gives."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RawPicture:
    """An encoded picture.

    Attributes:
        id: its name, one line.
        source: names the photograph, or the series of them, that it is from. None: the picture is
            its own source, and its pixels name it.
        data: the file.
        split: "train", "val" or "test", where that is known; "": `data.split` decides.
    """

    id: str
    source: str | None
    data: bytes = field(repr=False)
    split: str = ""


@dataclass(frozen=True)
class Unreadable:
    """A picture that cannot be read, by its name, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class PictureSource:
    """Pictures to come, how many, and the commit they are from, if any."""

    pictures: Iterator[RawPicture | Unreadable]
    total: int
    revision: str | None = None

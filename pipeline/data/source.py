"""What every source of pictures gives."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.data.raw import RawPicture


@dataclass(frozen=True)
class Source:
    """Pictures to come, how many (None: not known before), and the commit they are from, if any."""

    pictures: Iterator[RawPicture]
    total: int | None
    revision: str | None = None

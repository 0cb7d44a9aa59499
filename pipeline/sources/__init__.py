"""Where pictures come from. A new source is one function and one line in OPEN."""

from collections.abc import Callable

from pipeline.params import Data
from pipeline.raw import Unreadable
from pipeline.sources import celeba_hq, folder, samples
from pipeline.sources.source import Source

OPEN: dict[str, Callable[[Data, Unreadable], Source]] = {
    "samples": samples.open_source,
    "celeba-hq": celeba_hq.open_source,
    "folder": folder.open_source,
}

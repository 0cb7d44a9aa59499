"""The networks that come with the package, for those who have not trained one.

`packaged:x4` is an SRResNet, `packaged:srcnn-x4` an SRCNN; both for 2, 3 and 4.
"""

from pathlib import Path

SCALES = (2, 3, 4)
DEFAULT_SCALE = 4
PREFIX = "packaged:"

_WEIGHTS = Path(__file__).with_name("weights")
FILES = {
    f"{PREFIX}{name}x{scale}": _WEIGHTS / f"{name}x{scale}.safetensors"
    for name in ("", "srcnn-")
    for scale in SCALES
}


def reference(scale: int) -> str:
    """The best network of an enlargement, for `srcnn.load_model`: `packaged:x4`."""
    return f"{PREFIX}x{scale}"


def file(name: str) -> Path | None:
    """The .safetensors file of a reference, `packaged:x2` for example; None of another one."""
    return FILES.get(name)

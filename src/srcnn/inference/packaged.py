"""The networks that come with the package, for those who have not trained one."""

from pathlib import Path

SCALES = (2, 3, 4)
DEFAULT_SCALE = 4
PREFIX = "packaged:"
PERCEPTUAL = f"{PREFIX}x4-vgg19"  # packaged:x4, fine-tuned with a perceptual loss

_WEIGHTS = Path(__file__).parents[1] / "weights"


def reference(scale: int) -> str:
    """The network of an enlargement, for `srcnn.load_model`: `packaged:x4`."""
    return f"{PREFIX}x{scale}"


def references() -> list[str]:
    """All there are."""
    return [reference(scale) for scale in SCALES] + [PERCEPTUAL]


def file(name: str) -> Path | None:
    """The .safetensors file of a reference, `packaged:x2` for example; None of another one."""
    return _WEIGHTS / f"{name.removeprefix(PREFIX)}.safetensors" if name in references() else None

"""The file in loss.vgg19_weights."""

from pathlib import Path

from pipeline import stage
from pipeline.stage.sections import Loss


def existing_file(loss: Loss) -> Path | None:
    """The path in loss.vgg19_weights, if it is one; known early to exist, also if used late.

    Raises:
        StageError: it does not exist or is not a file.
    """
    if loss.vgg19_file is None:
        return None
    path = stage.resolve(loss.vgg19_file)
    if not path.is_file():
        raise stage.StageError(
            f"loss.vgg19_weights is {loss.vgg19_file!r}, but {path} does not exist or is "
            "not a file; it may be embedded, imagenet, random, or a .safetensors or .pth file"
        )
    return path

"""Which files of a folder are pictures."""

import os
from collections.abc import Iterator
from pathlib import Path

# Of the formats that are read.
SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp")


def below(root: Path) -> Iterator[Path]:
    """All files of a folder and of those in it, but for hidden folders, in no order.

    Links to folders are followed. Each real folder counts once, so that links may loop.

    Raises:
        OSError: a folder cannot be listed.
    """
    real_root = root.resolve()
    seen = {real_root}

    def stop(error: OSError) -> None:
        raise error

    def is_new(folder: Path) -> bool:
        real = folder.resolve()
        if real in seen or (folder.is_symlink() and real.is_relative_to(real_root)):
            return False  # what lies below root has a name without the link
        seen.add(real)
        return True

    for folder, folders, files in os.walk(root, onerror=stop, followlinks=True):
        folders[:] = [
            name for name in sorted(folders) if name[0] != "." and is_new(Path(folder, name))
        ]
        yield from (Path(folder, name) for name in files)

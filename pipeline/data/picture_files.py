"""Which files of a folder are pictures to start from, for the folder source and for test sets."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline.stage import StageError, resolve
from srcnn.pictures import files

# What may say which version of a picture a file is: HR in img_001_HR.png and in HR/0001.png.
_WORD = re.compile(r"(?i)(?<![^/_. -])(LR_bicubic|LR_unknown|[^\W\d_][^/_. -]*)(?![^/_. -])")
_SHRUNK = re.compile(r"LR\d?|LR_\w+|BICUBIC|BILINEAR|NEAREST|LANCZOS")  # or enlarged after it
_FACTOR = re.compile(r"(?i)[/_]?x\d(?=/|$)")  # LR/X4/0001x4.png is of 0001


def find(
    folder: str, parameter: str, listed: Callable[[Path], Iterable[Path]]
) -> tuple[Path, list[str]]:
    """The folder that a parameter names and the originals in it, as paths below it.

    Args:
        folder: the parameter's value.
        parameter: its name.
        listed: gives the files of a folder.

    Raises:
        StageError: it is not a folder, cannot be listed or holds no picture.
    """
    root = resolve(folder)
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise StageError(f"{parameter} is {folder!r}, but {root} {what}")
    try:
        names = [path.relative_to(root).as_posix() for path in listed(root)]
    except OSError as error:
        raise StageError(
            f"{parameter}: {error.filename} cannot be listed: {error.strerror}"
        ) from None
    kept = originals(names, parameter)
    if not kept:
        suffixes = " ".join(files.SUFFIXES)
        raise StageError(f"{parameter} is {folder!r}, but {root} holds no picture ({suffixes})")
    return root, kept


def originals(names: Iterable[str], parameter: str) -> list[str]:
    """The pictures of a folder but for what was made of others of them; prints what that is.

    Collections for super-resolution hold a picture in several versions: a_HR.png, a_LR.png,
    a_bicubic.png and a_SRCNN.png; or HR/a.png and LR_bicubic/X4/ax4.png. HR alone is an original,
    but only where its LR or bicubic shows that this is what the names mean.

    Args:
        names: files, as paths below the folder.
        parameter: what named the folder.

    Returns:
        Names with a picture's suffix, hidden ones left out, sorted.
    """
    pictures = sorted(
        name
        for name in names
        if name.lower().endswith(files.SUFFIXES) and not name.rpartition("/")[2].startswith(".")
    )
    made = _made_of_others(pictures)
    if made:
        shown = ", ".join(ascii(name) for name in sorted(made)[:3])
        print(
            f"{parameter}: left out {len(made)} of {len(pictures)} pictures, made of the HR ones "
            f"beside them: {shown}{', ...' if len(made) > 3 else ''}"
        )
    return [name for name in pictures if name not in made]


def _made_of_others(pictures: Iterable[str]) -> set[str]:
    versions: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for name in pictures:
        stem = _FACTOR.sub("", name.rpartition(".")[0])
        for word in _WORD.finditer(stem):
            versions[stem[: word.start()], stem[word.end() :]].append((word[0].upper(), name))
    made: set[str] = set()
    for (before, after), found in versions.items():
        shrunk = {word for word, _ in found if _SHRUNK.fullmatch(word)}
        if shrunk and "HR" in dict(found):
            # At the end of a name other words are methods; in front and of folders, as in
            # HR/1.png, LR/1.png and AB/1.png, they may be other pictures' names.
            methods = not after and before[-1:] not in ("", "/")
            made |= {name for word, name in found if word in shrunk or (methods and word != "HR")}
    return made


def name_problem(name: str) -> str | None:
    """Why a file's name cannot stand in the tables and pages of an experiment, if it cannot."""
    kinds = {unicodedata.category(character) for character in name}
    if "Cs" in kinds:  # how Python shows bytes that are not UTF-8
        return "its name is not UTF-8"
    return "its name has a line break or another control character" if "Cc" in kinds else None

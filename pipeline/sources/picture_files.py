"""Which files of a folder are pictures, for the folder source and for test sets."""

import unicodedata

from srcnn.pictures import files

SUFFIXES = files.SUFFIXES


def name_problem(name: str) -> str | None:
    """Why a file's name cannot stand in the tables and pages of an experiment, if it cannot."""
    kinds = {unicodedata.category(character) for character in name}
    if "Cs" in kinds:  # how Python shows bytes that are not UTF-8
        return "its name is not UTF-8"
    return "its name has a line break or another control character" if "Cc" in kinds else None

"""What the terminal can show."""

import io
import sys


def print_any_name() -> None:
    """Let `print` show escaped what the terminal has no character for, instead of failing.

    File names are bytes, of which not all are text, and terminals have narrower encodings.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error does anyway

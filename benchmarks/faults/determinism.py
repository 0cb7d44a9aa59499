"""The same experiment in another folder, on another day, as another user: the same bytes?

    python -m benchmarks.faults.determinism

Each row is a clone that runs `dvc repro` from the beginning in other surroundings, and is compared
with a plain one: data, weights, metrics, figures, everything but the measured speed. The clock is
faked by `faketime` (Debian's package of that name); another user is `nobody`, which needs root and
a Python that all may run. Without these a row is skipped.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults import project as faults
from benchmarks.faults import published

_CLOCK = ("faketime", "-m", "-f", "+400d")
_USER = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
_MASK = ("sh", "-c", 'umask 077; exec "$@"', "sh")


@dataclass(frozen=True)
class Surroundings:
    """What is different in a row; `prefix` is a command that changes it and runs the others."""

    name: str
    folder: str
    prefix: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


ALL = (
    Surroundings("folder, with a space and ü in its name", "an other földer"),
    Surroundings(
        "day and time zone (400 days later, UTC+14)",
        "later",
        _CLOCK,
        # Waiting goes by this one, also in libraries that would wait for ever.
        {"TZ": "Pacific/Kiritimati", "FAKETIME_DONT_FAKE_MONOTONIC": "1"},
    ),
    Surroundings(
        "user name, home, locale (C, ASCII), umask (077), PYTHONHASHSEED",
        "locale",
        _MASK,
        {
            "LC_ALL": "C",
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
            "PYTHONHASHSEED": "1",
            "USER": "somebody",
            "LOGNAME": "somebody",
        },
    ),
    Surroundings("user (nobody), home", "user", _USER, {"USER": "nobody", "LOGNAME": "nobody"}),
)


def main() -> None:
    """Print a row for each of the surroundings."""
    options = faults.parser(__doc__).parse_args()
    with faults.working_folder(options) as folder:
        folder.chmod(0o755)
        plain = faults.clone(folder / "plain")
        plain.run("dvc", "repro")
        reference = faults.digests(plain)
        table = faults.Table("other", "files compared", "all but speed.json equal")
        for other in ALL:
            if missing := _missing(other):
                print(f"| {other.name} | | skipped: {missing} |", flush=True)
                continue
            project = faults.clone(folder / other.folder)
            home = folder / f"home of {other.folder}"
            home.mkdir()
            project.prefix = other.prefix
            project.extra = other.environment | {"HOME": str(home)}
            if other.prefix == _USER:
                _give_away(project.folder, home)
            try:
                project.run("dvc", "repro")
                wrong = faults.differences(reference, faults.digests(project))
                wrong += published.wrong(project, project.client)
            except AssertionError as error:
                wrong = [str(error)[-1500:].replace("\n", " ")]
            table.add(other.name, len(reference), wrong=wrong)
        table.exit()


def _missing(other: Surroundings) -> str:
    """What is not there to make these surroundings."""
    if other.prefix and not shutil.which(other.prefix[0]):
        return f"{other.prefix[0]} is not installed"
    if other.prefix != _USER:
        return ""
    if os.geteuid():
        return "only root can become another user"
    start = [*_USER, "sh", "-c", f"exec {sys.executable} -c pass"]
    tried = subprocess.run(start, capture_output=True, check=False)
    return f"nobody cannot run {sys.executable}" if tried.returncode else ""


def _give_away(*folders: Path) -> None:
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, "nobody", "nogroup")


if __name__ == "__main__":
    main()

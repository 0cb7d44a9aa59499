"""No space left on the disk, at each place where something is written.

    python -m benchmarks.faults.storage

The disk is a tmpfs that is made exactly as small as it takes, so it needs root on Linux. A stage
must say so in one line and leave nothing that looks whole; a checkpoint that cannot be written is
only a warning. With space made, the same command completes, to the results of an undisturbed run.
Damaged files: `benchmarks.faults.damage`.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults import project as faults
from benchmarks.faults import published
from benchmarks.faults.project import Project

PAGE = 4096
KB = 1024
AMPLE = 2**30  # bytes


class Disk:
    """A tmpfs over a folder, with what was in that folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resize(self, size: int) -> None:
        """Make the disk this large, in bytes."""
        options = f"remount,size={size}"
        subprocess.run(["mount", "-o", options, self.folder], check=True)

    def leave(self, room: int) -> None:
        """Leave this much room, in bytes."""
        state = os.statvfs(self.folder)
        used = (state.f_blocks - state.f_bfree) * state.f_frsize
        self.resize(max(used + room, PAGE))  # a size of 0 would be no limit


@contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """Mount one. At the end its content is back in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    content = folder.with_name(f"{folder.name}-content")
    shutil.copytree(folder, content, symlinks=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={AMPLE}", "tmpfs", folder], check=True)
    try:
        shutil.copytree(content, folder, symlinks=True, dirs_exist_ok=True)
        yield Disk(folder)
    finally:
        shutil.rmtree(content)
        shutil.copytree(folder, content, symlinks=True)
        subprocess.run(["umount", "--lazy", folder], check=True)
        shutil.rmtree(folder)
        content.rename(folder)


def main() -> None:
    """Print a row for each disk that is full."""
    options = faults.parser(__doc__).parse_args()
    with faults.working_folder(options) as folder:
        if trouble := _no_tmpfs(folder / "trial"):
            print(f"Skipped: a tmpfs cannot be mounted here ({trouble})")
            return
        undisturbed = faults.clone(folder / "undisturbed")
        undisturbed.run("dvc", "repro")
        reference = faults.digests(undisturbed)
        table = faults.Table("full", "command", "what it says", "with space made")
        with disk(folder / "project") as whole:
            project = faults.clone(whole.folder)
            _results(project, whole, table)
            _published(project, folder / "store", table)
            wrong = faults.differences(reference, faults.digests(project))
            wrong += faults.leftovers(project) + published.wrong(project, project.client)
            table.add("all of these", "all of these", "", "as undisturbed", wrong=wrong)
        table.exit()


def _no_tmpfs(folder: Path) -> str:
    """Why none can be mounted, if so."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return str(error)
    if mounted.returncode == 0:
        subprocess.run(["umount", folder], check=True)
    return mounted.stderr.strip()


def _results(project: Project, whole: Disk, table: faults.Table) -> None:
    """What the stages write, one after the other."""
    with disk(project.folder / "data") as data:
        for stage in ("fetch", "grayscale-and-degrade"):
            _full(project, data, 256 * KB, ("dvc", "repro", stage), table)
    with disk(project.folder / "models") as models:
        _full(project, models, 0, ("dvc", "repro", "train"), table)
    with disk(project.folder / ".checkpoints") as checkpoints:
        checkpoints.leave(0)
        again = ("dvc", "repro", "--force", "--single-item", "train")
        done = project.call(*again)
        said = [line for line in done.stdout.splitlines() if line.startswith("WARNING: the check")]
        wrong = [] if said and done.returncode == 0 else [done.stdout]
        table.add(_name(project, checkpoints), " ".join(again), *said[:1], "", wrong=wrong)
        checkpoints.resize(AMPLE)
    with disk(project.folder / "metrics") as metrics:
        for made in ("evaluation.json", "per_image.csv", "provenance.json", "speed.json"):
            (metrics.folder / made).unlink(missing_ok=True)  # DVC would, and so make room
        _full(project, metrics, 0, ("dvc", "repro", "evaluate"), table)
    _full(project, whole, 128 * KB, ("dvc", "repro", "plot"), table)


def _published(project: Project, store: Path, table: faults.Table) -> None:
    """What goes to MLflow."""
    with disk(project.folder / "mlartifacts") as artifacts:
        _full(project, artifacts, 0, ("dvc", "repro"), table)
    with disk(store) as elsewhere:
        other = Project(
            project.folder, extra={"MLFLOW_TRACKING_URI": f"sqlite:///{store}/mlflow.db"}
        )
        _full(other, elsewhere, 64 * KB, ("dvc", "repro"), table)
        _full(other, elsewhere, 0, ("dvc", "exp", "run", "--temp", "-S", "seed=1"), table)


def _full(
    project: Project, small: Disk, room: int, command: tuple[str, ...], table: faults.Table
) -> None:
    """A command that must fail on the full disk and complete afterwards."""
    small.leave(room)
    failed = project.call(*command)
    small.resize(AMPLE)
    wrong = [] if failed.returncode else ["it did not fail"]
    if "Traceback" in failed.stdout:
        wrong.append("a traceback")
    said = [
        line.replace(str(project.folder), "…")
        for line in failed.stdout.splitlines()
        if line.startswith("ERROR: ") and "failed to reproduce" not in line
    ]
    if len(said) != 1:
        wrong.append(f"{len(said)} errors: {failed.stdout[-1500:]!r}")
    # MLflow's tables may still be in the making: that is no result.
    wrong += [left for left in faults.unfinished(project) if ".mlflow.db" not in left]
    completed = project.call(*command)
    if completed.returncode:
        wrong.append(f"the same command again: {completed.stdout!r}")
    stages = ", ".join(project.ran(completed.stdout))
    table.add(
        _name(project, small), f"`{' '.join(command)}`", *said[:1], f"ran {stages}", wrong=wrong
    )


def _name(project: Project, small: Disk) -> str:
    inside = small.folder.is_relative_to(project.folder)
    name = str(small.folder.relative_to(project.folder)) if inside else "MLflow's database"
    return "the project" if name == "." else name


if __name__ == "__main__":
    if sys.platform != "linux":
        sys.exit("Skipped: this needs Linux")
    main()

"""Damaged files: a bit flipped in the middle, or cut in half.

    python -m benchmarks.faults.damage

Each file is damaged in a project whose experiment is done. First the stages that read it run alone,
without DVC's own checks, as they would if the damage came while DVC was running: they must name the
file and stop. Then `dvc repro` must make the file anew, to the bits that it had. At last the cached
copy is damaged that DVC would restore such a file from.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.faults import project as faults
from benchmarks.faults import published
from benchmarks.faults.project import Project

STEPS = 400  # enough to be killed between two checkpoints
RETRAIN = ("dvc", "repro", "--force", "--single-item", "train")

UPSCALE = "srcnn upscale figures/curves.png -o upscaled.png --overwrite --model"
# A file, and who reads it: stages by their modules, or the command.
READERS = {
    "data/raw/pictures-00000.parquet": ["grayscale_and_degrade"],
    "data/raw/index.csv": ["grayscale_and_degrade"],
    "data/pairs/hr.npy": ["train", "evaluate", "plot"],
    "data/pairs/lr.npy": ["train", "evaluate", "plot"],
    "data/pairs/index.csv": ["train", "evaluate", "plot", "register"],
    "data/pairs/meta.json": ["train", "evaluate", "plot", "register"],
    "data/pairs.json": ["train", "register"],
    "models/pixel.safetensors": ["finetune", "mix"],
    "models/pixel-curve.csv": ["finetune"],
    "models/pixel.json": ["finetune", "mix"],
    "models/tuned.safetensors": ["mix"],
    "models/tuned.json": ["mix"],
    "models/srcnn.safetensors": ["evaluate", "plot", "register", UPSCALE],
    "models/snapshots.safetensors": [],  # DVC's own check is enough for a picture
    "models/training.json": ["evaluate", "register"],
    "metrics/training.csv": ["register"],
    "metrics/provenance.json": ["register"],
}
CACHED = ("data/raw/pictures-00000.parquet", "data/pairs/hr.npy", "models/srcnn.safetensors")

Damage = Callable[[bytes], bytes]


def flipped(content: bytes) -> bytes:
    """One bit of the byte in the middle is another."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def cut(content: bytes) -> bytes:
    """Only the first half is there."""
    return content[: len(content) // 2]


def main() -> None:
    """Print a row for each file and damage."""
    parser = faults.parser(__doc__)
    parser.add_argument("--file", choices=READERS, help="only this one")
    options = parser.parse_args()
    with faults.working_folder(options) as folder:
        project = faults.clone(folder / "project")
        faults.change(project, train={"steps": STEPS, "validate_every": STEPS // 2})
        project.run("dvc", "repro")
        project.commit()
        reference = faults.digests(project)
        table = faults.Table("file", "damage", "read by", "says", "then")
        for damage in (flipped, cut):
            for file in [options.file] if options.file else READERS:
                _in_workspace(project, file, damage, reference, table)
            if not options.file:
                _checkpoint(project, damage, reference, table)
        for file in CACHED:
            if options.file in (None, file):
                _in_cache(project, file, reference, table)
        table.exit()


def _in_workspace(
    project: Project, file: str, damage: Damage, reference: dict[str, str], table: faults.Table
) -> None:
    _spoil(project.folder / file, damage)
    said, wrong = "", []
    for reader in READERS[file]:
        alone = _read(project, file, reader)
        errors = [line for line in alone.stdout.splitlines() if line.startswith("ERROR: ")]
        said = said or "".join(errors[:1])
        name = reader.partition(" figures")[0]
        if "Traceback" in alone.stdout:
            wrong.append(f"{name}: a traceback")
        elif not alone.returncode:
            wrong.append(f"{name} uses it")
        elif not any(str(part) in " ".join(errors) for part in (file, Path(file).parent)):
            wrong.append(f"{name} does not name it: {errors}")
    repaired = project.call("dvc", "repro")
    ran = ", ".join(project.ran(repaired.stdout))
    wrong += _not_whole(project, repaired.returncode, repaired.stdout, reference)
    readers = ", ".join(READERS[file]).replace(UPSCALE, "`srcnn upscale`")
    table.add(file, damage.__name__, readers, said, f"ran {ran}", wrong=wrong)


def _read(project: Project, file: str, reader: str) -> subprocess.CompletedProcess[str]:
    if reader == UPSCALE:
        return project.call("env", "PYTHONPATH=src", "python", "-m", *UPSCALE.split(), file)
    return project.call("python", "-m", f"pipeline.{reader}")


def _checkpoint(
    project: Project, damage: Damage, reference: dict[str, str], table: faults.Table
) -> None:
    process = project.start(*RETRAIN)
    while not (states := faults.checkpoints(project)):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    _spoil(states[0], damage)
    again = project.call(*RETRAIN)
    said = [line for line in again.stdout.splitlines() if line.startswith("WARNING: /")]
    wrong = [] if said else ["no warning"]
    wrong += _not_whole(project, again.returncode, again.stdout, reference)
    says = said[0].replace(str(project.folder), "…") if said else ""
    table.add("checkpoint", damage.__name__, "train", says, "trained anew", wrong=wrong)


def _in_cache(project: Project, file: str, reference: dict[str, str], table: faults.Table) -> None:
    """DVC's cached copy is damaged, and the file itself is gone: DVC restores a damaged one."""
    path = project.folder / file
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    _spoil(project.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:], flipped)
    _remove(project, file)
    project.call("dvc", "repro")
    reader = READERS[file][0]
    alone = _read(project, file, reader)
    said = [line for line in alone.stdout.splitlines() if line.startswith("ERROR: ")]
    wrong = [] if alone.returncode and said else [f"{reader} uses it"]
    for damaged in faults.damaged_cache(project):  # as docs/data.md tells
        damaged.unlink()
    _remove(project, file)
    again = project.call("dvc", "repro")
    wrong += _not_whole(project, again.returncode, again.stdout, reference)
    ran = ", ".join(project.ran(again.stdout))
    cells = (f"{file} in DVC's cache", "flipped", reader, *(said[:1] or [""]))
    table.add(*cells, f"cache cleaned as docs/data.md tells; ran {ran}", wrong=wrong)


def _remove(project: Project, file: str) -> None:
    """The output of DVC that a file is or lies in."""
    path = project.folder / file
    if file.startswith("data/"):
        shutil.rmtree(path.parent)
    else:
        path.unlink(missing_ok=True)


def _spoil(path: Path, damage: Damage) -> None:
    """This file alone, not what shares its content by a link; DVC trusts read-only cache files."""
    content, mode = damage(path.read_bytes()), path.stat().st_mode
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)


def _not_whole(
    project: Project, returncode: int, output: str, reference: dict[str, str]
) -> list[str]:
    wrong = [output[-1500:].replace("\n", " ")] if returncode else []
    return (
        wrong
        + faults.differences(reference, faults.digests(project))
        + (published.wrong(project, project.client) + faults.leftovers(project))
    )


if __name__ == "__main__":
    main()

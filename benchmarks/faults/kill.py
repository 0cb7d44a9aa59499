"""SIGKILL at seeded random moments, then the same command again: does anything show?

    python -m benchmarks.faults.kill [--seed 0] [--rounds 1] [--where workspace]

Each row is a clone in which the stages before are done, and the rest runs as a user would start it.
Something is killed: the process of a stage, DVC with all its processes, a queue worker alone, or
that with all below it. Then the same command runs again. Its results must equal those of an
undisturbed run bit for bit, and MLflow must hold the experiment once, with its whole curve and one
model version. A round is 24 kills.
"""

import itertools
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.faults import project as faults
from benchmarks.faults.project import STAGES, Project, until

STAGE, DVC, WORKER, WORKER_AND_ALL = "stage", "DVC", "worker alone", "worker and all"
NAME = "killed"
COMMANDS = {
    "workspace": [("dvc", "repro")],
    "--temp": [("dvc", "exp", "run", "--temp", "-n", NAME)],
    "queue": [("dvc", "exp", "run", "--queue", "-n", NAME), ("dvc", "queue", "start")],
}
VICTIMS = {
    "workspace": [[STAGE, DVC]],
    "--temp": [[STAGE], [DVC]],
    "queue": [[STAGE], [WORKER], [WORKER_AND_ALL]],
}
LATEST = 6.0  # seconds after a stage began, which takes about as long


@dataclass(frozen=True)
class Kill:
    """One thing to be killed, so many seconds after a stage began."""

    where: str
    victim: str
    stage: str
    after: float


class TooLate(Exception):
    """All had ended before the moment came."""


def main() -> None:
    """Print a row for each kill."""
    parser = faults.parser(__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--rounds", type=int, default=1, help="of 24 kills")
    parser.add_argument("--where", choices=COMMANDS, help="only there")
    options = parser.parse_args()
    with faults.working_folder(options) as folder:
        # Always the same folder, as MLflow's store holds its absolute path.
        project = faults.clone(folder / "project")
        _run_undisturbed(project, folder)
        reference = faults.digests(project)
        table = faults.Table("where", "killed", "in", "after", "DVC leaves", "then")
        for kill in _plan(options.seed, options.rounds, options.where):
            after = kill.after
            try:
                after, in_stage, notes = _in_time(project, kill, folder / kill.stage)
                wrong = _wrong(project, reference)
            except (AssertionError, TimeoutError) as error:
                in_stage, notes, wrong = kill.stage, "", [f"{type(error).__name__}: {error}"]
            _end(project)
            table.add(kill.where, kill.victim, in_stage, f"{after:.1f} s", notes, wrong=wrong)
        table.exit()


def _plan(seed: int, rounds: int, only: str | None) -> Iterator[Kill]:
    draw = random.Random(seed)
    for _ in range(rounds):
        for where, victims in VICTIMS.items():
            for stage, some in zip(STAGES, itertools.cycle(victims), strict=False):
                for victim in some:
                    kill = Kill(where, victim, stage, draw.uniform(0, LATEST))
                    if only in (None, where):
                        yield kill


def _run_undisturbed(project: Project, folder: Path) -> None:
    """Run stage by stage, and keep the project as it was before each."""
    for stage in STAGES:
        shutil.copytree(project.folder, folder / stage, symlinks=True)
        project.run("dvc", "repro", "--single-item", stage)
        project.commit()


def _restore(project: Project, kept: Path) -> None:
    shutil.rmtree(project.folder)
    shutil.copytree(kept, project.folder, symlinks=True)


def _in_time(project: Project, kill: Kill, kept: Path) -> tuple[float, str, str]:
    """The moment, the stage that ran then, and what DVC left behind."""
    after = kill.after
    while True:
        _restore(project, kept)
        try:
            return after, *_kill_and_repeat(project, kill, after)
        except TooLate:
            _end(project)
            after /= 2


def _kill_and_repeat(project: Project, kill: Kill, after: float) -> tuple[str, str]:
    """The stage that ran when it was killed, and what DVC left behind."""
    *before, command = COMMANDS[kill.where]
    for preparing in before:
        project.run(*preparing)
    process = project.start(*command)
    until(lambda: kill.stage in project.running().values(), f"no {kill.stage}")
    time.sleep(after)
    deadline = time.monotonic() + 20
    while not (running := project.running()) and time.monotonic() < deadline:
        pass  # between two stages
    if not running:
        raise TooLate
    in_stage = next(iter(running.values()))
    _sigkill(kill.victim, process.pid, list(running))
    process.communicate()

    for repeated in COMMANDS[kill.where]:
        project.run(*repeated)
    if kill.where == "queue":
        _wait_for_success(project)
        until(lambda: not project.running(), "a process runs on")
    if kill.where != "workspace":
        project.run("dvc", "exp", "apply", NAME)
    copies = [p for p in (project.folder / ".dvc/tmp/exps").rglob("tmp*") if p.is_dir()]
    return in_stage, "a copy of the project" if copies else ""


def _sigkill(victim: str, dvc: int, running: list[psutil.Process]) -> None:
    if victim == STAGE:
        doomed = running
    elif victim == DVC:
        doomed = [psutil.Process(dvc)]
    else:
        parents = [parent for stage in running for parent in stage.parents()]
        doomed = [parent for parent in parents if "queue-worker" in parent.cmdline()]
    if victim in (DVC, WORKER_AND_ALL):
        doomed += [child for process in doomed for child in process.children(recursive=True)]
    for process in doomed:
        process.kill()
    psutil.wait_procs(doomed, timeout=10)


def _wait_for_success(project: Project) -> None:
    """Until the repeated experiment is done. DVC shows one without a worker as Running for ever."""

    def done() -> bool:
        status = project.run("dvc", "queue", "status")
        assert status.count("Failed") <= 1, status
        time.sleep(1)
        return "Success" in status

    until(done, "no success")


def _wrong(project: Project, reference: dict[str, str]) -> list[str]:
    return [
        *faults.differences(reference, faults.digests(project)),
        *project.wrong_in(project.client),
        *faults.leftovers(project),
        *[f"{file} is damaged" for file in faults.damaged_cache(project)],
    ]


def _end(project: Project) -> None:
    """End what still runs in a clone, such as an idle queue worker."""
    for process in psutil.process_iter():
        try:
            inside = Path(process.cwd()).is_relative_to(project.folder)
            if inside or any(str(project.folder) in part for part in process.cmdline()):
                process.kill()
        except psutil.Error:
            continue


if __name__ == "__main__":
    main()

"""Clones of this project to break, and what an experiment must have left behind at its end."""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml
from mlflow import MlflowClient

from tests.e2e import conftest as e2e
from tests.support import published

# Stages by their names in dvc.yaml, with their modules.
STAGES = {
    name: f"pipeline.{name.replace('-', '_')}"
    for name in (
        *("fetch", "grayscale-and-degrade", "train", "finetune"),
        *("mix", "evaluate", "plot", "register"),
    )
}

PATIENCE = 240.0  # seconds

ALWAYS = ["check", "register"]  # the stages that run in any case

RESULTS = ("data", "models", "metrics", "figures", "reconstructions")


@dataclass
class Project(e2e.Project):
    """A clone with tiny parameters.

    Attributes:
        prefix: a command that runs each of those in it.
    """

    prefix: tuple[str, ...] = ()

    def start(self, *command: str) -> subprocess.Popen:
        """Start a command in it, in a process group of its own."""
        return super().start(*self.prefix, *command)

    @property
    def client(self) -> MlflowClient:
        """Of a copy: MLflow's connections outlive the file that they were made to."""
        copy = Path(tempfile.mkdtemp(dir=self.folder.parent), "mlflow.db")
        shutil.copy(self.folder / "mlflow.db", copy)
        return MlflowClient(f"sqlite:///{copy}", registry_uri=f"sqlite:///{copy}")

    def wrong_in(
        self, client: MlflowClient, experiment: str = "portrait-srcnn", model: str = "srcnn"
    ) -> list[str]:
        """What is wrong unless a store holds the experiment in this clone whole and once.

        Args:
            client: of the store.
            experiment: MLflow's, which has no other run.
            model: the registered one, which has no other version.
        """
        found = client.get_experiment_by_name(experiment)
        runs = client.search_runs([found.experiment_id]) if found else []
        if len(runs) != 1:
            return [f"MLflow holds {[run.info.status for run in runs]}"]
        return published.wrong(client, runs[0], model, self.folder)

    def running(self) -> dict[psutil.Process, str]:
        """The processes that run a stage in this clone or in an experiment's copy of it."""
        found = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error, StopIteration):
                module = process.cmdline()[-1:]
                stage = next(stage for stage, name in STAGES.items() if module == [name])
                if Path(process.cwd()).is_relative_to(self.folder):
                    found[process] = stage
        return found


def clone(folder: Path) -> Project:
    """This working tree's files in a new repository, with the tests' tiny parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    e2e.clone(folder)
    return Project(folder)


def change(project: Project, **sections: Mapping[str, object]) -> None:
    """Give parameters other values, and commit that."""
    file = project.folder / "params.yaml"
    params = yaml.safe_load(file.read_text(encoding="utf-8"))
    for section, values in sections.items():
        params[section] |= values
    file.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    project.commit()


def until(holds: Callable[[], bool], otherwise: str) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: it does not for PATIENCE seconds; what is so otherwise, in words.
    """
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{otherwise} for {PATIENCE:.0f} s")
        time.sleep(0.05)


def digests(project: Project) -> dict[str, str]:
    """The sha256 of every file that an experiment gives; the speed is measured anew each time."""
    files = [file for name in RESULTS for file in sorted((project.folder / name).rglob("*"))]
    return {
        str(file.relative_to(project.folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file() and file.name != "speed.json"
    }


def differences(reference: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """What is wrong with the results, in words."""
    names = sorted({*reference, *found})
    return [f"{name} differs" for name in names if reference.get(name) != found.get(name)]


def leftovers(project: Project) -> list[str]:
    """What a killed process left and nobody removed; DVC's own is not looked at."""
    unfinished = [p for p in project.folder.rglob("*.partial") if ".dvc" not in p.parts]
    checkpoints = (project.folder / ".checkpoints").glob("*/state.pt")
    return [f"{path.relative_to(project.folder)} is left" for path in (*unfinished, *checkpoints)]


def damaged_cache(project: Project) -> list[Path]:
    """Files in DVC's cache that do not have the checksum which they are named by."""
    cache = project.folder / ".dvc/cache/files/md5"
    return [
        file
        for file in sorted(cache.glob("*/*"))
        if hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
        != (file.parent.name + file.name).removesuffix(".dir")
    ]


class Table:
    """A Markdown table that grows while its rows come in."""

    def __init__(self, *columns: str) -> None:
        self.failed = False
        print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)

    def add(self, *cells: object, wrong: list[str]) -> None:
        """A row; its last cell is "as it should be" or what is wrong."""
        self.failed |= bool(wrong)
        verdict = "**" + "; ".join(wrong) + "**" if wrong else "as it should be"
        print(f"| {' | '.join([*map(str, cells), verdict])} |", flush=True)

    def exit(self) -> None:
        """End the script: with 1 if a row was wrong."""
        sys.exit(self.failed)


@contextmanager
def working_folder(options: argparse.Namespace) -> Iterator[Path]:
    """A temporary folder for the clones, or with --keep one that stays."""
    if options.keep:
        options.keep.mkdir(parents=True)
        yield options.keep.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="srcnn-faults-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def parser(description: str) -> argparse.ArgumentParser:
    """What all scripts take."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="work in this new folder and leave it there")
    return parser

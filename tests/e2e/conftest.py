"""A clone of this project with tiny parameters, driven through the real dvc and mlflow."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Run
from skimage import data, io

from srcnn.inference.mlflow_sqlite import bring_up_to_date
from tests.support.params import write_params
from tests.support.paths import ROOT

WAIT = 900  # seconds for one command, on a busy machine; a test has its own limit

# Small pictures: VGG19's seconds grow with them.
SIDE = 96
TINY = {
    "data.source": "folder",
    "data.path": "photos",
    "data.split_salt": 1,
    "data.split": {"train": 0.5, "val": 0.25, "test": 0.25},
    "model.srcnn.kernels": [5, 1, 3],
    "model.srcnn.channels": [8, 4],
    "machine.threads": 1,
    "train.steps": 40,
    "train.batch_size": 4,
    "train.patch_size": 24,
    "train.log_every": 5,
    "train.validate_every": 20,
    "train.val_pictures": 1,
    "train.checkpoint_every": 5,
    "finetune.steps": 10,
    "finetune.batch_size": 4,
    "finetune.patch_size": 24,
    "finetune.validate_every": 5,
    "evaluate.perceptual_pictures": 1,
}


@dataclass
class Project:
    """A checkout on disk.

    Attributes:
        folder: where it is.
        first_output: of the `dvc repro` that it began with.
        settings: environment variables of its commands.
        database: of its MLflow store, in the folder.
    """

    folder: Path
    first_output: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    database: str = "mlflow.db"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DVC_", "MLFLOW_", "PYTEST_", "GIT_", "PYTHONPATH"))
        }
        binaries = str(Path(sys.executable).parent)
        return (
            inherited
            | self.settings
            | {
                "PATH": f"{binaries}{os.pathsep}{inherited['PATH']}",
                "DVC_NO_ANALYTICS": "true",
                "DVC_STUDIO_OFFLINE": "true",
            }
        )

    def start(self, *command: str) -> subprocess.Popen:
        """Start a command in the checkout, in a process group of its own."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a command in the checkout; its output."""
        process = self.start(*command)
        output, _ = process.communicate(timeout=WAIT)
        assert (process.returncode != 0) == fails, output
        return output

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "state", "--allow-empty")

    def ran(self, output: str) -> list[str]:
        """The stages that DVC really ran, in order."""
        return [line.split("'")[1] for line in output.splitlines() if "Running stage '" in line]

    def runs(self) -> list[Run]:
        """The MLflow runs of its experiment, oldest first."""
        client = self.client
        experiment = client.get_experiment_by_name("portrait-srcnn")
        return client.search_runs([experiment.experiment_id], order_by=["start_time"])

    @property
    def client(self) -> MlflowClient:
        uri = f"sqlite:///{self.folder / self.database}"
        return MlflowClient(uri, registry_uri=uri)

    def read(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()


def clone(folder: Path) -> Project:
    """The working tree's files, committed to a new repository with tiny parameters and photos.

    dvc.lock and metrics/ come along, as in every clone: DVC skips what they say is done.
    """
    listing = ["git", "ls-files", "-co", "--exclude-standard"]
    for name in subprocess.check_output(listing, cwd=ROOT, text=True).splitlines():
        if (ROOT / name).is_file() and not name.startswith("docs/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    project = Project(folder)
    write_params(folder, TINY)
    (folder / "photos").mkdir()
    for y in range(4):
        for x in range(4):
            part = data.astronaut()[y * SIDE : (y + 1) * SIDE, x * SIDE : (x + 1) * SIDE]
            io.imsave(folder / "photos" / f"{y}{x}.png", part)
    project.run("git", "init", "-q", "-b", "main")
    project.run("git", "config", "user.email", "test@example.org")
    project.run("git", "config", "user.name", "Test")
    project.commit()
    return project


def copy_of(project: Project, folder: Path) -> Project:
    """A copy with all that DVC and MLflow hold of it."""
    shutil.copytree(project.folder, folder, symlinks=True)
    bring_up_to_date(folder / "mlflow.db")  # as its first command would
    return Project(folder, project.first_output)


@pytest.fixture(scope="session")
def finished(shared: Path, empty_store: Path) -> Project:
    """A fresh clone after `dvc repro`, one for all workers: to be read, or copied."""
    output = shared / "finished.txt"
    with FileLock(shared / "finished.lock"):
        if output.exists():
            return Project(shared / "finished", output.read_text())
        project = clone(shared / "finished")
        shutil.copy(empty_store, project.folder)
        project.first_output = project.run("dvc", "repro")
        project.commit()
        output.write_text(project.first_output)
        return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A clone of a test's own, after `dvc repro`."""
    return copy_of(finished, tmp_path / "project")

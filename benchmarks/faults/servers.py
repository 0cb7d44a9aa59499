"""MLflow's tracking server on SQLite or on a PostgreSQL of its own, and experiments that use it."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.faults import project as faults
from benchmarks.faults.project import Project
from tests.mlflow_server import Proxy, Server, free_port

STEPS = {"steps": 4000, "log_every": 20, "validate_every": 1000, "checkpoint_every": 20}
MADE = ("models", "figures", "reconstructions", "mlflow.db", "mlartifacts", ".checkpoints")

_PATIENCE = 900.0  # seconds


def clone_before_training(folder: Path) -> Project:
    """A clone in which the data is ready, and DVC has all in its cache but the training."""
    project = faults.clone(folder)
    faults.change(project, train=STEPS)
    project.run("dvc", "repro", "grayscale-and-degrade")
    project.commit()
    project.run("dvc", "repro")
    for run in (folder / ".dvc/cache/runs").glob("*/*/*"):
        if "pipeline.train" in run.read_text(encoding="utf-8"):
            shutil.rmtree(run.parent)  # DVC fails on an empty folder
    for name in MADE:
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "mlflow.db").unlink(missing_ok=True)
    project.run("git", "checkout", "-q", ".")
    return project


def running(project: Project, stage: str) -> list[psutil.Process]:
    """The process of a stage in a clone, if it runs."""
    found = []
    for process in project.processes():
        with suppress(psutil.Error):
            if process.cmdline()[-1:] == [faults.STAGES[stage]]:
                found.append(process)
    return found


@dataclass
class Experiment:
    """An experiment under way, and the server that it reports to.

    Attributes:
        project: its workspace.
        proxy: before the server.
        server: MLflow's.
        process: DVC.
        checkpoint: seconds from the start of the training's process to its first checkpoint,
            without those for which it was ready to run and other processes had the CPU.
        ends: exit codes of `dvc repro`.
        output: of the last one.
    """

    project: Project
    proxy: Proxy
    server: Server
    process: subprocess.Popen | None = None
    checkpoint: float | None = None
    ends: list[int] = field(default_factory=list)
    output: str = ""

    def start(self) -> None:
        """Start `dvc repro` and wait for the training's first checkpoint."""
        self.process = self.project.start("dvc", "repro")
        self._until(lambda: running(self.project, "train"), "no training")
        training = running(self.project, "train")[0]
        self._until(self.checkpoints, "no checkpoint")
        waited = Path(f"/proc/{training.pid}/schedstat").read_text().split()[1]
        self.checkpoint = time.time() - training.create_time() - int(waited) / 1e9

    def end(self) -> None:
        """Wait for DVC's end."""
        self.output, _ = self.process.communicate(timeout=_PATIENCE)
        self.ends.append(self.process.returncode)

    def kill(self) -> None:
        """SIGKILL DVC and all below it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.end()

    def checkpoints(self) -> list[Path]:
        """The training's checkpoint, until it is done."""
        return list((self.project.folder / ".checkpoints").glob("*/state.pt"))

    def until_trained(self) -> None:
        """Wait for the training's end."""
        self._until(lambda: not self.checkpoints(), "no end")

    def until_publishing(self) -> None:
        """Wait for `register`."""
        self._until(lambda: running(self.project, "register"), "no register")

    def until_requests(self, more: int) -> None:
        """Wait until the server was asked so many times more."""
        wanted = self.proxy.requests + more
        self._until(lambda: self.proxy.requests >= wanted, "no requests")

    def must_train(self) -> None:
        """Be sure that the training goes on."""
        assert self.checkpoints(), "the training was done before its time"

    def _until(self, holds: Callable[[], object], otherwise: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not holds():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"{otherwise}: {self.process.communicate()[0][-800:]}")
            time.sleep(0.02)


@contextmanager
def server(kind: str, folder: Path) -> Iterator[Server]:
    """MLflow's server on a new database, "sqlite" or "postgresql"."""
    folder.mkdir(parents=True)
    if kind == "sqlite":
        started = Server(folder, f"sqlite:///{folder / 'server.db'}")
        with running_server(started):
            yield started
        return
    with postgresql() as database, running_server(Server(folder, database)) as started:
        yield started


@contextmanager
def running_server(started: Server) -> Iterator[Server]:
    """Start a server, and kill it when the block ends."""
    started.start()
    try:
        yield started
    finally:
        started.kill()


def missing_for_postgresql() -> str:
    """What PostgreSQL needs and is not here, in words; empty if all is here."""
    if _binaries() is None:
        return "Debian's package postgresql"
    if importlib.util.find_spec("psycopg2") is None:
        return "psycopg2 on PYTHONPATH (pip install --target FOLDER psycopg2-binary)"
    return ""


def _binaries() -> Path | None:
    """The folder of PostgreSQL's newest programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[4])
    return found[-1].parent if found else None


@contextmanager
def postgresql(password: str = "") -> Iterator[str]:
    """A database of an own PostgreSQL, which refuses to be run by root; its URI.

    Args:
        password: what it asks for; it is not in the URI. Without one it lets everybody in.
    """
    binaries, folder = _binaries(), Path(tempfile.mkdtemp(prefix="srcnn-postgresql-"))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    port, data, secret = free_port(), folder / "data", folder / "password"
    secret.write_text(password or "unused", encoding="utf-8")
    method = "scram-sha-256" if password else "trust"

    def run(program: str, *arguments: str) -> None:
        command = [str(binaries / program), *arguments]
        environment = os.environ | {"PGPASSWORD": password}
        subprocess.run(
            command, check=True, cwd=folder, user=user, env=environment, stdout=subprocess.DEVNULL
        )

    login = ("-U", "srcnn", f"--auth={method}", f"--pwfile={secret}")
    run("initdb", "-D", str(data), *login, "-E", "UTF8", "--locale=C")
    process = subprocess.Popen(
        [binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder],
        user=user,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("w"),
    )
    try:
        where = ("-h", "127.0.0.1", "-p", str(port), "-U", "srcnn")
        for _ in range(600):
            if subprocess.run([binaries / "pg_isready", "-q", *where], check=False).returncode == 0:
                break
            time.sleep(0.1)
        run("createdb", *where, "mlflow")
        run("createdb", *where, "mlflow_auth")  # for the users of a server with passwords
        yield f"postgresql+psycopg2://srcnn@127.0.0.1:{port}/mlflow"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

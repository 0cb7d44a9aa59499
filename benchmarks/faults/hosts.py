"""Two hosts, one MLflow store: twins, deaths and a clock that jumps. Needs root.

    python -m benchmarks.faults.hosts [--store server] [--only twins]

A host is a pid namespace of its own under the same host name: neither sees the other's processes.
The store is an MLflow server, or one SQLite file. A host dies by SIGKILL of all in it.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient

from benchmarks.faults import project as faults
from benchmarks.faults import published, servers
from benchmarks.faults.project import Project
from srcnn.mlflow_sqlite import database_file

NAMESPACES = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--")
HOUR = "+3600"
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
PATIENCE = 900.0


@dataclass
class Store:
    """An MLflow store that both hosts use.

    Attributes:
        uri: for MLFLOW_TRACKING_URI.
        artifacts: where the files of a server lie; "/" of a store on disk.
    """

    uri: str
    artifacts: Path

    def exists(self) -> bool:
        """Whether somebody has used it."""
        database = database_file(self.uri)
        return database is None or database.exists()

    @property
    def client(self) -> MlflowClient:
        """A client of it."""
        return MlflowClient(self.uri, registry_uri=self.uri)


@dataclass
class Host:
    """A host with its own clone.

    Attributes:
        project: its clone.
        clock: a file that says what is added to its clock.
        process: its first process.
        outputs: of `dvc repro`.
    """

    project: Project
    clock: Path
    process: subprocess.Popen | None = None
    outputs: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Run `dvc repro`."""
        self.process = self.project.start("dvc", "repro")

    def until_training(self) -> None:
        """Wait for the training's first checkpoint."""

        def trains() -> bool:
            assert self.process.poll() is None, self.process.communicate()[0][-500:]
            return bool(list(self.project.folder.glob(".checkpoints/*/state.pt")))

        _until(trains)

    def die(self) -> None:
        """All processes in it end at once."""
        self.process.kill()
        self.process.communicate()

    def end(self) -> list[str]:
        """Wait for `dvc repro`; what is wrong with its end."""
        output, _ = self.process.communicate(timeout=PATIENCE)
        self.outputs.append(output)
        return [] if self.process.returncode == 0 else [output[-500:]]


def twins(one: Host, two: Host, store: Store, name: str) -> list[str]:
    """The same experiment on both at once."""
    one.start()
    two.start()
    wrong = one.end() + two.end()
    return wrong + _published(one, store, name)


def different(one: Host, two: Host, store: Store, name: str) -> list[str]:
    """Different experiments on both at once."""
    faults.change(two.project, train={"momentum": 0.9})
    one.start()
    two.start()
    return one.end() + two.end() + two_published(store, name)


def dies_training(one: Host, two: Host, store: Store, name: str) -> list[str]:
    """One dies while it trains; then the other begins the same."""
    one.start()
    one.until_training()
    _until(lambda: _states(store, name) == ["RUNNING"])
    one.die()
    two.start()
    return two.end() + _published(two, store, name)


def dies_publishing(one: Host, two: Host, store: Store, name: str) -> list[str]:
    """One dies while it publishes; the other has the same result."""
    before = f"{name}-before"
    faults.change(two.project, tracking={"experiment": before, "model_name": before})
    two.start()
    wrong = two.end()
    faults.change(two.project, tracking={"experiment": name, "model_name": name})
    one.start()
    _until(lambda: "publishing" in _tags(store, name))
    one.die()
    two.start()
    wrong += two.end()
    return wrong + _published(two, store, name)


def clock_step(one: Host, two: Host, store: Store, name: str) -> list[str]:
    """An hour is added to the clock of one while both train, then taken away."""
    faults.change(two.project, train={"momentum": 0.9})
    one.start()
    two.start()
    one.until_training()
    one.clock.write_text(HOUR)
    two.until_training()
    time.sleep(3)
    one.clock.write_text("+0")
    return one.end() + two.end() + two_published(store, name)


FAULTS: dict[str, Callable[[Host, Host, Store, str], list[str]]] = {
    "twins": twins,
    "different": different,
    "dies training": dies_training,
    "dies publishing": dies_publishing,
    "clock": clock_step,
}


def main() -> None:
    """Print a row for each fault and store."""
    parser = faults.parser(__doc__)
    parser.add_argument("--store", choices=("server", "sqlite"), help="only this one")
    parser.add_argument("--only", choices=FAULTS, action="append", help="only these faults")
    options = parser.parse_args()
    with faults.working_folder(options) as folder:
        base = servers.clone_before_training(folder / "base")
        table = faults.Table("store", "hosts", "seconds", "then")
        for kind in [options.store] if options.store else ["server", "sqlite"]:
            with _store(kind, folder / kind) as store:
                for name in options.only or FAULTS:
                    if name == "clock" and FAKETIME is None:
                        table.add(kind, "skipped: needs Debian's package faketime", "", wrong=[])
                        continue
                    begin = time.monotonic()
                    wrong = _row(base, folder, store, name)
                    seconds = f"{time.monotonic() - begin:.0f}"
                    table.add(kind, FAULTS[name].__doc__.rstrip("."), seconds, wrong=wrong)
        table.exit()


@contextmanager
def _store(kind: str, folder: Path) -> Iterator[Store]:
    if kind == "server":
        with servers.server("sqlite", folder) as server:
            yield Store(server.uri, server.artifacts)
    else:
        folder.mkdir()
        yield Store(f"sqlite:///{folder / 'mlflow.db'}", Path("/"))


def _row(base: Project, folder: Path, store: Store, name: str) -> list[str]:
    title = f"hosts-{name.replace(' ', '-')}"
    hosts = [_host(base, folder / f"{title}-{i}", store, title, name == "clock") for i in (1, 2)]
    try:
        wrong = FAULTS[name](*hosts, store, title)
        output = "".join(text for host in hosts for text in host.outputs)
        return wrong + (["a traceback"] if "Traceback" in output else [])
    except (AssertionError, TimeoutError, subprocess.TimeoutExpired) as error:
        return [f"{type(error).__name__}: {error}"]
    finally:
        for host in hosts:
            if host.process and host.process.poll() is None:
                host.die()
            shutil.rmtree(host.project.folder)


def _host(base: Project, folder: Path, store: Store, title: str, jumps: bool) -> Host:
    shutil.copytree(base.folder, folder, symlinks=True)
    project, clock = Project(folder), folder.with_suffix(".clock")
    faults.change(project, tracking={"experiment": title, "model_name": title})
    clock.write_text("+0")
    project.prefix = NAMESPACES
    project.extra = {"MLFLOW_TRACKING_URI": store.uri}
    if jumps:
        project.extra |= {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
    return Host(project, clock)


def _published(host: Host, store: Store, name: str) -> list[str]:
    return published.wrong(host.project, store.client, name, store.artifacts)


def two_published(store: Store, name: str) -> list[str]:
    """What is wrong unless a store holds two whole runs, of which the better one is champion."""
    wrong = [] if _tags(store, name) == ["published"] * 2 else [f"runs: {_tags(store, name)}"]
    if _states(store, name) != ["FINISHED"] * 2:
        wrong.append(f"runs: {_states(store, name)}")
    versions = store.client.search_model_versions(f"name='{name}'")
    best = max(versions, key=lambda v: (float(v.tags["val_psnr_gain"]), -int(v.version)))
    champion = store.client.get_model_version_by_alias(name, "champion")
    if (len(versions), str(champion.version)) != (2, str(best.version)):
        wrong.append(f"{len(versions)} versions, champion {champion.version}")
    return wrong


def _runs(store: Store, name: str) -> list:
    if not store.exists():  # a client would make the database
        return []
    experiment = store.client.get_experiment_by_name(name)
    return list(store.client.search_runs([experiment.experiment_id])) if experiment else []


def _states(store: Store, name: str) -> list[str]:
    return [run.info.status for run in _runs(store, name)]


def _tags(store: Store, name: str) -> list[str]:
    return [run.data.tags["pipeline.state"] for run in _runs(store, name)]


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("it never came")
        time.sleep(0.1)


if __name__ == "__main__":
    main()

"""Trouble with a real MLflow server at every stage of an experiment, on SQLite and PostgreSQL.

    python -m benchmarks.faults.tracking [--store sqlite] [--only "down before"]

Each row is a `dvc repro` from the training on, with a tiny network, against `mlflow server` behind
a proxy that refuses, delays, fails or loses. Then the same command runs again in peace. At the end
MLflow must hold the experiment whole and once, and DVC must not have computed anything twice.
The training's first checkpoint must come within 5 s of when it comes without a server.
PostgreSQL is Debian's package; psycopg2 may lie in any folder on PYTHONPATH.
"""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from mlflow import MlflowClient

from benchmarks.faults import project as faults
from benchmarks.faults import published, servers
from benchmarks.faults.project import Project
from benchmarks.faults.servers import Experiment
from tests.mlflow_server import ERROR, LOSES, SILENT, SLOW, Proxy, Server

LATER = 5.0  # seconds by which a server may put off a training


def undisturbed(run: Experiment) -> None:
    """Nothing."""
    run.start()
    run.end()


def down_before(run: Experiment) -> None:
    """Down when the training starts, back while it goes on."""
    run.proxy.down()
    run.start()
    time.sleep(2)
    run.must_train()
    run.proxy.up()
    run.end()


def down_during(run: Experiment) -> None:
    """Down for 3 s in the midst of the training."""
    run.start()
    run.until_requests(3)
    run.must_train()
    run.proxy.down()
    time.sleep(3)
    run.must_train()
    run.proxy.up()
    run.end()


def down_after(run: Experiment) -> None:
    """Down from the end of the training until `register` has tried."""
    run.start()
    run.until_trained()
    run.proxy.down()
    run.until_publishing()
    time.sleep(8)
    run.proxy.up()
    run.end()


def down_throughout(run: Experiment) -> None:
    """Down from before the start until `dvc repro` has ended."""
    run.proxy.down()
    run.start()
    run.end()
    run.proxy.up()


def down_from_the_midst(run: Experiment) -> None:
    """Down from the midst of the training until `dvc repro` has ended."""
    run.start()
    run.until_requests(3)
    run.proxy.down()
    run.end()
    run.proxy.up()


def killed_while_publishing(run: Experiment) -> None:
    """The server is killed while `register` publishes, and started again."""
    run.start()
    run.until_publishing()
    run.until_requests(20)
    run.server.kill()
    run.server.start()
    run.end()


def slow(run: Experiment) -> None:
    """Every answer 5 s late until the training is done."""
    run.proxy.trouble = SLOW
    run.start()
    run.until_trained()
    run.proxy.trouble = None
    run.end()


def slow_throughout(run: Experiment) -> None:
    """Every answer 5 s late."""
    run.proxy.trouble = SLOW
    run.start()
    run.end()


def error(run: Experiment) -> None:
    """500 from before the start until `register` has tried."""
    run.proxy.trouble = ERROR
    run.start()
    run.until_publishing()
    time.sleep(8)
    run.proxy.trouble = None
    run.end()


def silent(run: Experiment) -> None:
    """Connections are taken and never answered until the training is done."""
    run.proxy.trouble = SILENT
    run.start()
    run.until_trained()
    run.proxy.trouble = None
    run.end()


def silent_throughout(run: Experiment) -> None:
    """Connections are taken and never answered until `dvc repro` has ended."""
    run.proxy.trouble = SILENT
    run.start()
    run.end()
    run.proxy.trouble = None


def loses(run: Experiment) -> None:
    """Each kind of request is done, but its first answer is lost."""
    run.proxy.trouble = LOSES
    run.start()
    run.end()
    while run.ends[-1] and len(run.ends) < 10:
        run.process = run.project.start("dvc", "repro")
        run.end()


def dvc_killed_while_training(run: Experiment) -> None:
    """Down; DVC and the training are killed."""
    run.proxy.down()
    run.start()
    time.sleep(1)
    run.must_train()
    run.kill()
    run.proxy.up()


def dvc_killed_while_publishing(run: Experiment) -> None:
    """DVC and `register` are killed while it publishes."""
    run.start()
    run.until_publishing()
    run.until_requests(20)
    run.kill()


FAULTS: dict[str, Callable[[Experiment], None]] = {
    "none": undisturbed,
    "down before": down_before,
    "down during": down_during,
    "down after": down_after,
    "down throughout": down_throughout,
    "down from the midst": down_from_the_midst,
    "killed": killed_while_publishing,
    "slow": slow,
    "slow throughout": slow_throughout,
    "500": error,
    "silent": silent,
    "silent throughout": silent_throughout,
    "lost answers": loses,
    "DVC killed, training": dvc_killed_while_training,
    "DVC killed, publishing": dvc_killed_while_publishing,
}


def main() -> None:
    """Print a row for each fault and store."""
    parser = faults.parser(__doc__)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), help="only this one")
    parser.add_argument("--only", choices=FAULTS, action="append", help="only these faults")
    options = parser.parse_args()
    with faults.working_folder(options) as folder:
        base = servers.clone_before_training(folder / "base")
        alone = _seconds_without_server(base, folder / "alone")
        print(f"Without a server the first checkpoint comes after {alone:.1f} s.\n")
        table = faults.Table(
            "store", "server", "first checkpoint", "`dvc repro` ends with", "again", "then"
        )
        for kind in [options.store] if options.store else ["sqlite", "postgresql"]:
            if kind == "postgresql" and (missing := servers.missing_for_postgresql()):
                table.add(kind, f"skipped: needs {missing}", "", "", "", wrong=[])
                continue
            with servers.server(kind, folder / kind) as server:
                for name in options.only or FAULTS:
                    clone = Project(folder / f"{kind}-{list(FAULTS).index(name)}")
                    shutil.copytree(base.folder, clone.folder, symlinks=True)
                    cells, wrong = _row(clone, server, name, alone)
                    table.add(kind, *cells, wrong=wrong)
                    shutil.rmtree(clone.folder)
        table.exit()


def _seconds_without_server(base: Project, folder: Path) -> float:
    shutil.copytree(base.folder, folder, symlinks=True)
    run = Experiment(Project(folder), None, None)
    run.start()
    run.kill()
    return run.checkpoint


def _row(
    project: Project, server: Server, name: str, alone: float
) -> tuple[tuple[str, ...], list[str]]:
    proxy, title = Proxy(server), f"fault-{list(FAULTS).index(name)}"
    proxy.up()
    faults.change(project, tracking={"experiment": title, "model_name": title})
    project.extra = {"MLFLOW_TRACKING_URI": proxy.uri}
    run, wrong = Experiment(project, proxy, server), []
    try:
        FAULTS[name](run)
        again = project.call("dvc", "repro")
        ran = project.ran(again.stdout)
        wrong = [] if again.returncode == 0 else [again.stdout[-500:]]
        if name == "DVC killed, training":
            wrong += [] if "Continuing at step" in again.stdout else ["the training began anew"]
        elif ran != faults.ALWAYS:
            wrong += [f"{ran} ran again"]
        if "Traceback" in run.output + again.stdout:
            wrong += ["a traceback"]
        wrong += published.wrong(project, MlflowClient(server.uri), title, server.artifacts)
        if run.checkpoint > alone + LATER:
            wrong += ["the training started late"]
        known = ", was there" if "was there already" in again.stdout else ", published"
        repeated = " ".join(ran) + known
    except (AssertionError, TimeoutError, subprocess.TimeoutExpired) as error:
        wrong, repeated = [f"{type(error).__name__}: {error}"], ""
        if run.process:
            run.kill()
    finally:
        proxy.trouble = None
        proxy.down()
    late = "" if run.checkpoint is None else f"{run.checkpoint:.1f} s"
    how = FAULTS[name].__doc__.splitlines()[0].rstrip(".")
    return (how, late, ", ".join(map(str, run.ends)), repeated), wrong


if __name__ == "__main__":
    main()

"""Many experiments at once: on a fresh store, of the same kind, from two clones.

    python -m benchmarks.faults.concurrency [--only eight]

The queue's workers and the clones start together. At the end every experiment is in MLflow once,
FINISHED, with its whole curve and one model version, and nothing failed.
"""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from mlflow import MlflowClient

from benchmarks.faults import project as faults
from benchmarks.faults.project import Project
from srcnn.registry import names_in

PATIENCE = 1800.0


def eight(folder: Path) -> list[str]:
    """8 different experiments in a queue with 8 jobs, on a store that does not exist yet."""
    project = faults.clone(folder / "eight")
    for i in range(8):
        momentum = f"train.momentum={0.9 + i / 100}"
        project.run("dvc", "exp", "run", "--queue", "-n", f"e{i}", "-S", momentum)
    project.run("dvc", "queue", "start", "--jobs", "8")
    wrong = _wait(project, 8)
    return wrong + _wrong(project.client, [[f"e{i}"] for i in range(8)])


def twins(folder: Path) -> list[str]:
    """4 identical experiments in a queue with 4 jobs, on a store that does not exist yet."""
    project = faults.clone(folder / "twins")
    names = [f"t{i}" for i in range(4)]
    for name in names:
        project.run("dvc", "exp", "run", "--queue", "-n", name)
    project.run("dvc", "queue", "start", "--jobs", "4")
    wrong = _wait(project, 4)
    return wrong + _wrong(project.client, [names])


def clones(folder: Path) -> list[str]:
    """2 clones with one DVC cache and one new store, each running `dvc repro` twice."""
    shared = [faults.clone(folder / name) for name in ("one", "two")]
    store = f"sqlite:///{folder / 'store/mlflow.db'}"
    for project in shared:
        project.extra = {"MLFLOW_TRACKING_URI": store}
        project.run("dvc", "cache", "dir", str(folder / "cache"))
        project.commit()
    wrong = _at_once(shared)
    names = {f"main-{p.run('git', 'rev-parse', '--short', 'HEAD').strip()}" for p in shared}
    wrong += _wrong(MlflowClient(store, registry_uri=store), [sorted(names)])
    faults.change(shared[0], train={"momentum": 0.9})
    faults.change(shared[1], train={"momentum": 0.91})
    wrong += _at_once(shared)
    others = [[f"main-{p.run('git', 'rev-parse', '--short', 'HEAD').strip()}"] for p in shared]
    return wrong + _wrong(MlflowClient(store, registry_uri=store), [sorted(names), *others])


FAULTS: dict[str, Callable[[Path], list[str]]] = {"eight": eight, "twins": twins, "clones": clones}


def main() -> None:
    """Print a row for each case."""
    parser = faults.parser(__doc__)
    parser.add_argument("--only", choices=FAULTS, action="append", help="only these")
    options = parser.parse_args()
    with faults.working_folder(options) as folder:
        table = faults.Table("at once", "seconds", "then")
        for name in options.only or FAULTS:
            begin = time.monotonic()
            wrong = FAULTS[name](folder)
            title = FAULTS[name].__doc__.rstrip(".")
            table.add(title, f"{time.monotonic() - begin:.0f}", wrong=wrong)
        table.exit()


def _wait(project: Project, jobs: int) -> list[str]:
    """Until the queue is done; what is wrong with its end."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        asked = project.call("dvc", "queue", "status")
        status = asked.stdout
        # DVC stumbles over what its workers are just writing.
        if not asked.returncode and "Running" not in status and "Queued" not in status:
            break
        time.sleep(3)
    return [] if status.count("Success") == jobs else [status]


def _at_once(projects: list[Project]) -> list[str]:
    """Run `dvc repro` in all of them; what is wrong with its end."""
    processes = [project.start("dvc", "repro") for project in projects]
    ends: list[tuple[subprocess.Popen, str]] = [
        (process, process.communicate(timeout=PATIENCE)[0]) for process in processes
    ]
    return [output[-500:] for process, output in ends if process.returncode or "Trace" in output]


def _wrong(client: MlflowClient, experiments: list[list[str]]) -> list[str]:
    """What is wrong unless MLflow holds these experiments, each named by all that gave the same."""
    experiment = client.get_experiment_by_name("portrait-srcnn")
    runs = list(client.search_runs([experiment.experiment_id]))
    names = sorted(names_in(run.data.tags) for run in runs)
    wrong = [] if names == sorted(experiments) else [f"MLflow holds {json.dumps(names)}"]
    for run in runs:
        state = (run.info.status, run.data.tags.get("pipeline.state"))
        history = client.get_metric_history(run.info.run_id, "train/loss")
        versions = client.search_model_versions(f"run_id='{run.info.run_id}'")
        if state != ("FINISHED", "published"):
            wrong.append(f"{run.info.run_name} is {state}")
        if sorted(point.step for point in history) != list(range(5, 41, 5)):
            wrong.append(f"{run.info.run_name} has {len(history)} points")
        if len(versions) != 1:
            wrong.append(f"{run.info.run_name} has {len(versions)} model versions")
    all_versions = client.search_model_versions("name='srcnn'")
    best = max(all_versions, key=lambda v: (float(v.tags["val_psnr_gain"]), -int(v.version)))
    champion = client.get_model_version_by_alias("srcnn", "champion")
    if str(champion.version) != str(best.version):
        wrong.append(f"champion is {champion.version}, the best {best.version}")
    return wrong


if __name__ == "__main__":
    main()

"""Many short experiments in DVC's queue, and a store of a thousand runs.

    python -m benchmarks.faults.many [--experiments 50] [--jobs 2] [--runs 1000]

The queue: what an experiment takes beyond its stages, and what it leaves on the disk before and
after the cleaning that docs/experiments.md tells of. The store: seconds of what MLflow's page asks
for, and of the comparison page, with so many runs. Run it on an otherwise idle machine.
"""

import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from benchmarks.faults import project as faults
from benchmarks.faults.project import Project
from tests.e2e.conftest import ROOT
from tests.mlflow_server import Server

KEPT = (".dvc/cache", ".dvc/tmp", ".git", "mlartifacts", "mlflow.db")
MB = 2**20
COMPARED = ("many-1", "many-2")
AT_ONCE = 100  # runs on one page of MLflow's table


def main() -> None:
    """Print a table for the queue and one for the store."""
    parser = faults.parser(__doc__)
    parser.add_argument("--experiments", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1000)
    options = parser.parse_args()
    with faults.working_folder(options) as folder:
        project = faults.clone(folder / "project")
        project.run("dvc", "repro")
        project.commit()
        _run_queue(project, folder, options.experiments, options.jobs)
        _fill(project, options.runs)
        _look(project, folder, options.runs)


def _run_queue(project: Project, folder: Path, experiments: int, jobs: int) -> None:
    """Experiments that differ in their seed: their time, and their traces on the disk."""
    calls = faults.Calls.of(project, folder / "bin")
    before = _sizes(project)
    seeds = ",".join(map(str, range(1, experiments + 1)))
    project.run("dvc", "exp", "run", "--queue", "-n", "many", "-S", f"seed={seeds}")
    start = time.monotonic()
    project.run("dvc", "queue", "start", "--jobs", str(jobs))
    project.wait_for_queue()
    seconds = time.monotonic() - start
    published = sum(run.info.status == "FINISHED" for run in project.runs()) - 1

    stages = calls.take()
    of_stages = sum(map(sum, stages.values())) / experiments
    each = seconds * jobs / experiments
    print(f"{experiments} experiments, {jobs} at a time: {seconds:.0f} s, {published} in MLflow")
    print(
        f"each {each:.1f} s, of which stages {of_stages:.1f} s: overhead {each - of_stages:.1f} s"
    )
    for stage, times in stages.items():
        print(f"    {stage}: {len(times)} times, median {statistics.median(times):.1f} s")

    after = _sizes(project)
    project.run("bash", "-ec", _cleaning())
    cleaned = _sizes(project)
    print("\n| MB | before | for each experiment | for each after cleaning |")
    print("| --- | --- | --- | --- |")
    for name in KEPT:
        more = [(sizes[name] - before[name]) / experiments for sizes in (after, cleaned)]
        print(f"| {name} | {before[name]:.1f} | {more[0]:.3f} | {more[1]:.3f} |", flush=True)


def _sizes(project: Project) -> dict[str, float]:
    """MB on the disk, a file with several links counted once."""
    found = {}
    for name in KEPT:
        path = project.folder / name
        files = [path] if path.is_file() else path.rglob("*")
        blocks = {(s := file.lstat()).st_ino: s.st_blocks for file in files}
        found[name] = 512 * sum(blocks.values()) / MB
    return found


def _cleaning() -> str:
    """The commands of the guide."""
    guide = (ROOT / "docs/experiments.md").read_text(encoding="utf-8")
    commands = re.search(r"^dvc queue remove.*?^(?=```)", guide, re.DOTALL | re.MULTILINE)
    assert commands, "docs/experiments.md no longer says how to clean up"
    return commands[0]


def _fill(project: Project, runs: int) -> None:
    """Write the newest run again and again until the store holds so many."""
    store = f"sqlite:///{project.folder / 'mlflow.db'}"
    client = MlflowClient(store, registry_uri=store)
    there = project.runs()
    for i in range(len(there), runs):
        _copy(client, there[-1], f"copy-{i}")


def _copy(client: MlflowClient, run: Run, name: str) -> None:
    copy = client.create_run(run.info.experiment_id, run_name=name)
    now = int(time.time() * 1000)
    tags = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}
    client.log_batch(
        copy.info.run_id,
        [Metric(name, value, now, 0) for name, value in run.data.metrics.items()],
        [Param(name, value) for name, value in run.data.params.items()],
        [RunTag(name, value) for name, value in tags.items()],
    )
    client.set_terminated(copy.info.run_id)


def _look(project: Project, folder: Path, runs: int) -> None:
    """Ask for the first page of MLflow's table, and for a comparison of two experiments."""
    server = Server(folder, f"sqlite:///{project.folder / 'mlflow.db'}")
    server.start()
    try:
        question = {"experiment_ids": [project.runs()[0].info.experiment_id]}
        url = f"{server.uri}/ajax-api/2.0/mlflow/runs/search"

        def ask() -> None:
            answer = requests.post(url, json=question | {"max_results": AT_ONCE}, timeout=60)
            assert len(answer.json()["runs"]) == AT_ONCE

        asking = _seconds(ask)
    finally:
        server.kill()
    comparing = _seconds(lambda: project.run("python", "-m", "pipeline.compare", *COMPARED))
    print(
        f"\n{runs} runs: MLflow's page gets its first {AT_ONCE} in {asking:.2f} s; "
        f"python -m pipeline.compare {' '.join(COMPARED)} takes {comparing:.1f} s"
    )


def _seconds(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


if __name__ == "__main__":
    main()

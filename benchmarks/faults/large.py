"""The whole pipeline on many pictures: wall time, and what DVC takes beside the stages.

    python -m benchmarks.faults.large [--pictures 300 30000]

The pictures are generated, 256x256 PNG; the network and the training are tiny. Each command's
seconds are split into those of the stages it ran and the rest, which is DVC's. What DVC takes may
hardly grow with the pictures. 30,000 need 6 GB of disk. Run it on an otherwise idle machine.
"""

import time

from benchmarks.faults import memory
from benchmarks.faults import project as faults
from benchmarks.faults.project import Calls, Project

ALLOWED = 3.0  # seconds that DVC may take more with the most pictures than with the fewest
COMMANDS = {
    "dvc repro, at first": ("dvc", "repro"),
    "dvc status": ("dvc", "status"),
    "dvc repro, nothing changed": ("dvc", "repro"),
    "dvc exp run": ("dvc", "exp", "run", "-S", "tracking.promote=true"),
    "dvc exp run --temp": ("dvc", "exp", "run", "--temp", "-S", "tracking.promote=true"),
}


def main() -> None:
    """Print a row for each command."""
    parser = faults.parser(__doc__)
    parser.add_argument("--pictures", type=int, nargs="+", default=[300, 30000])
    options = parser.parse_args()
    counts = sorted(options.pictures)
    rows: dict[str, list[tuple[float, float]]] = {title: [] for title in COMMANDS}
    with faults.working_folder(options) as folder:
        pictures = folder / "pictures"
        pictures.mkdir()
        for count in counts:
            memory.generate(pictures, count)
            project = faults.clone(folder / f"project-{count}")
            data = {"source": "folder", "path": str(pictures)}
            faults.change(project, data=data)
            calls = Calls.of(project, folder / f"bin-{count}")
            for title, command in COMMANDS.items():
                rows[title].append(_timed(project, calls, command))
        table = faults.Table("command", *(f"{n:,} pictures" for n in counts), "DVC, more")
        for title, seen in rows.items():
            more = seen[-1][1] - seen[0][1]
            wrong = ["grows with the pictures"] if more > ALLOWED and "first" not in title else []
            cells = [f"{stages:.1f} s + DVC {rest:.1f} s" for stages, rest in seen]
            table.add(title, *cells, f"{more:+.1f} s", wrong=wrong)
        table.exit()


def _timed(project: Project, calls: Calls, command: tuple[str, ...]) -> tuple[float, float]:
    """Seconds of the stages that a command ran, and of the rest of it."""
    if "exp" in command:
        project.commit()
    start = time.monotonic()
    project.run(*command)
    whole = time.monotonic() - start
    ran = calls.take()
    for module, seconds in ran.items():
        print(f"    {module} {sum(seconds):.1f} s")
    print(f"{' '.join(command)}: {whole:.1f} s", flush=True)
    stages = sum(map(sum, ran.values()))
    return stages, whole - stages


if __name__ == "__main__":
    main()

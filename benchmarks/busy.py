"""A training step on a quiet machine and beside one busy process, by how long threads spin.

    python -m benchmarks.busy [--kernels 9 5 5] [--steps 60] [--rounds 3]

Two threads train the network of the defaults (6 patches of 72) under each setting of GNU's OpenMP,
in a process of its own, one after the other in each round. Beside them runs nothing of this
script's, then one process that never waits. Medians over the rounds, and ratios to OpenMP's own
default. What this project sets is `srcnn.openmp`.
"""

import argparse
import os
import statistics
import subprocess
import sys

SETTINGS: tuple[dict[str, str], ...] = (
    {},  # OpenMP's own default
    {"GOMP_SPINCOUNT": "10000"},
    {"GOMP_SPINCOUNT": "1000"},
    {"OMP_WAIT_POLICY": "PASSIVE"},
)
_STEP = """
import sys, time, statistics, torch
from srcnn.hardware import keep_freed_memory, make_deterministic
from srcnn.training.learner import Learner
from srcnn.networks import SRCNN
from srcnn.training.optim import Optimization
from srcnn.training.process_group import ProcessGroup
*kernels, steps = map(int, sys.argv[1:])
make_deterministic(2)
keep_freed_memory()
model = SRCNN(4, kernels, generator=torch.Generator().manual_seed(0))
model = model.to(memory_format=torch.channels_last)
learner = Learner(model, Optimization(), steps + 5, ProcessGroup())
patches = torch.rand(6, 1, 22, 22, generator=torch.Generator().manual_seed(1))
seconds = []
for step in range(steps + 5):
    start = time.perf_counter()
    learner.step(step, lambda: {"loss": model.patch(patches).square().mean()}, 1.0)
    seconds.append(time.perf_counter() - start)
print(statistics.median(seconds[5:]))
"""
_BUSY = "while True: pass"


def main() -> None:
    """Print milliseconds a step for each setting, quiet and busy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernels", type=int, nargs=3, default=[9, 5, 5])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    arguments = [str(number) for number in (*options.kernels, options.steps)]
    medians = {}
    for surroundings, beside in (("quiet", 0), ("beside one busy process", 1)):
        busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(beside)]
        try:
            rounds = [
                [_step_seconds(arguments, setting) for setting in SETTINGS]
                for _ in range(options.rounds)
            ]
        finally:
            for process in busy:
                process.kill()
                process.wait()
        medians[surroundings] = [statistics.median(times) for times in zip(*rounds, strict=True)]
    print(f"| ms a step | {' | '.join(medians)} |\n| --- |{' --- |' * len(medians)}")
    for i, setting in enumerate(SETTINGS):
        cells = [f"{1000 * of[i]:.1f} ({of[i] / of[0]:.2f})" for of in medians.values()]
        name = " ".join(map("=".join, setting.items())) or "OpenMP's default"
        print(f"| {name} | {' | '.join(cells)} |")


def _step_seconds(arguments: list[str], setting: dict[str, str]) -> float:
    unset = {k: v for k, v in os.environ.items() if not k.startswith(("GOMP_", "OMP_"))}
    environment = unset | setting | {"PYTHONPATH": "src"}
    command = [sys.executable, "-c", _STEP, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()

"""One training of a stage: prepared, continued where it was interrupted, reported, written."""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save

from pipeline import stage
from pipeline.stage import artifacts, paths
from pipeline.stage.inputs import Environment, Inputs, digest
from pipeline.stage.params import Params
from pipeline.stage.record import Degraded, Trained
from pipeline.stage.sections import Finetune, Train
from pipeline.tracking import identity, live
from pipeline.training import checkpoints, processes
from srcnn.data.pairs import Pairs
from srcnn.hardware import choose_device, choose_precision, keep_freed_memory, make_deterministic
from srcnn.training.loop import Training
from srcnn.training.optim import Optimization
from srcnn.training.process_group import ProcessGroup
from srcnn.training.settings import DivergedError, Settings

Prepare = Callable[[Pairs, torch.device, str, ProcessGroup], Training]


def settings(params: Params, of: Train | Finetune, precision: str) -> Settings:
    """How a stage trains: what its own section does not say is as in section `train`."""
    values = params.train.model_dump() | of.model_dump()

    def named(kind: type[Any]) -> dict[str, Any]:
        names = [field.name for field in fields(kind)]
        return {name: values[name] for name in names if name in values}

    own = named(Settings) | {"precision": precision}
    return Settings(**own, optimization=Optimization(**named(Optimization)))


def run(
    params: Params,
    name: str,
    files: paths.TrainingFiles,
    prepare: Prepare,
    before: Trained | None = None,
    initial: str | None = None,
) -> None:
    """Train, or continue a training of the same inputs in the same environment.

    Args:
        params: all parameters.
        name: the stage's, in dvc.yaml and among the modules of pipeline.
        files: what it writes.
        prepare: makes the training, of pairs, device, precision and group.
        before: the record of the training that this one continues.
        initial: sha256 of the weights that train.init names, if it does.

    Raises:
        StageError: the pictures are smaller than a patch, the loss diverged, an input was changed
            meanwhile, or another process ended.
    """
    inputs = Inputs.of(name, params)
    device = choose_device(params.machine.device)
    make_deterministic(params.machine.threads)
    precision = choose_precision(params.train.precision, device)
    keep_freed_memory()
    with artifacts.reading(paths.PAIRS):
        pairs = Pairs.open(paths.PAIRS)
    with processes.process_group(params.machine.processes, device, f"pipeline.{name}") as group:
        try:
            training = prepare(pairs, device, precision, group)
        except ValueError as error:  # the library's words begin with a name of the section
            raise stage.StageError(f"{name}.{error}") from None
        environment = Environment(
            device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
            instructions=torch.backends.cpu.get_cpu_capability(),
            precision=precision,
            pytorch=torch.__version__,
            processes=group.size,
            threads=torch.get_num_threads(),
            first_step=training.first_step(),
        )
        if not group.is_main:
            training.resume(None)
            with suppress(DivergedError):  # which the first process tells of
                training.fit(checkpoint_every=params.train.checkpoint_every)
            return
        earlier = before.params if before else {}
        made_from: dict[str, Any] = {
            "params": earlier | inputs.params,
            "key": inputs.key(environment),
            "environment": environment,
            "pairs": pairs.digest,
            "initial": before.initial if before else initial,
        }
        with checkpoints.of(made_from["key"]) as checkpoint:
            _lead(params, inputs, training, made_from, before, checkpoint)
            if training.collapse:
                print(f"WARNING: {training.collapse}", file=sys.stderr, flush=True)
            _write(training, made_from, files)
            checkpoint.remove()


def _lead(
    params: Params,
    inputs: Inputs,
    training: Training,
    made_from: Mapping[str, Any],
    before: Trained | None,
    checkpoint: checkpoints.Checkpoints,
) -> None:
    """Train and report, as the only process or as the first of several."""
    key = made_from["key"]
    print(f"Stage {inputs.stage}: {training.steps} steps on {made_from['environment']}", flush=True)
    if changes := identity.changed_parameters(params):
        print(f"Not as committed in params.yaml: {changes}", flush=True)
    shown = Degraded.read(paths.DEGRADED).params | made_from["params"]
    training.resume(checkpoint.load())
    if training.step:
        print(f"Continuing at step {training.step} of {training.steps}.", flush=True)
    # A row that is the last of one training and the first of the next is whole with the next.
    begun = training.curve if training.step else training.curve[:-1]
    earlier = before.key if before else None
    with live.reporting(params.tracking.experiment, shown, key, begun, earlier) as report:
        try:
            training.fit(
                lambda _: report(training.curve[-1]),
                checkpoint.save,
                params.train.checkpoint_every,
            )
        except DivergedError as error:
            raise stage.StageError(f"{error} ({inputs.stage}.lr, {inputs.stage}.muon_lr)") from None
        try:
            inputs.check_unchanged()
        except stage.StageError:
            checkpoint.save(training.state_dict())
            raise


def _write(training: Training, made_from: Mapping[str, Any], files: paths.TrainingFiles) -> None:
    artifacts.write_bytes(files.weights, training.best().to_bytes())
    artifacts.write_bytes(files.snapshots, save(training.snapshots()))
    curve = training.curve
    artifacts.write_csv(files.curve, pd.DataFrame(curve, columns=list(curve[-1])))
    Trained(
        **made_from,
        weights=digest(files.weights),
        curve=digest(files.curve),
        best=training.best_row,
    ).write(files.record)

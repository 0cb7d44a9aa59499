"""Stage train: from the LR/HR pairs to the network's weights, the training curve and snapshots."""

from contextlib import suppress
from dataclasses import fields
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save

from pipeline import check
from pipeline.base import artifacts, paths, processes, stage
from pipeline.base.environment import Environment
from pipeline.base.inputs import Inputs, digest
from pipeline.base.params import Params
from pipeline.base.record import Degraded, Trained
from pipeline.perceptual.loss import build_loss
from pipeline.tracking import checkpoints, identity, live
from srcnn.hardware import (
    choose_device,
    choose_precision,
    keep_freed_memory,
    make_deterministic,
)
from srcnn.losses import ReconstructionLoss
from srcnn.networks import build
from srcnn.optim import Optimization
from srcnn.pairs import Pairs
from srcnn.team import Team
from srcnn.training import DivergedError, Settings, Training


def main(params: Params) -> None:
    """Train, or continue a training of the same parameters, data and code that was interrupted."""
    given = Inputs.of("train", params)
    check.before_train(params)
    device = choose_device(params.train.device)
    make_deterministic(params.train.threads)
    precision = choose_precision(params.train.precision, device)
    keep_freed_memory()
    with artifacts.reading(paths.PAIRS):
        pairs = Pairs.open(paths.PAIRS, verify=True)
    loss = build_loss(params.loss, pairs.luma, device, precision)
    with processes.together(params.train.processes, device, "pipeline.train") as team:
        training = _prepare(params, device, precision, loss, pairs, team)
        environment = Environment.in_force(device, precision, team.size, training.first_step())
        if team.leads:
            _lead(params, given, training, pairs, environment)
        else:
            training.resume(None)
            with suppress(DivergedError):  # which the first process tells of
                training.fit(checkpoint_every=params.train.checkpoint_every)


def _lead(
    params: Params,
    given: Inputs,
    training: Training,
    pairs: Pairs,
    environment: Environment,
) -> None:
    """Train, report and write, as the only process or as the first of several."""
    key = given.key(environment)
    made_from = {"params": given.params, "key": key, "environment": environment}
    shown = Degraded.read(paths.DEGRADED).params | given.params
    print(f"Training {params.train.steps} steps on {environment}", flush=True)
    if changes := identity.changed_parameters(params):
        print(f"Not as committed in params.yaml: {changes}", flush=True)
    with checkpoints.of(key) as checkpoint:
        training.resume(checkpoint.load())
        if training.step:
            print(f"Continuing at step {training.step} of {params.train.steps}.", flush=True)
        with live.reporting(params.tracking.experiment, shown, key) as report:
            try:
                training.fit(report, checkpoint.save, params.train.checkpoint_every)
            except DivergedError as error:
                raise stage.StageError(f"{error} (train.lr, train.muon_lr)") from None
            try:
                given.check_unchanged()
            except stage.StageError:
                checkpoint.save(training.state_dict())
                raise
        _write(training, pairs, made_from)
        checkpoint.remove()


def _open_pairs() -> Pairs:
    try:
        return Pairs.open(paths.PAIRS, verify=True)
    except ValueError as error:
        raise stage.StageError(f"{error}. {artifacts.way_back(paths.PAIRS)}") from None


def _prepare(
    params: Params,
    device: torch.device,
    precision: str,
    loss: ReconstructionLoss,
    pairs: Pairs,
    team: Team,
) -> Training:
    # The initial weights and the patches come from generators of their own, so that two networks
    # of different size see the same patches.
    generator = torch.Generator().manual_seed(params.seed)
    model = build(params.model.name, params.degrade.scale, params.model.settings, generator)
    given = params.train.model_dump(exclude={"device", "processes", "threads", "checkpoint_every"})
    optimization = Optimization(
        **{field.name: given.pop(field.name) for field in fields(Optimization)}
    )
    settings = Settings(**given | {"precision": precision}, optimization=optimization)
    try:
        return Training(model.to(device), pairs, loss, settings, params.seed + 1, team)
    except ValueError as error:
        raise stage.StageError(f"train.{error}") from None


def _write(training: Training, pairs: Pairs, made_from: dict[str, Any]) -> None:
    artifacts.write_bytes(paths.WEIGHTS, training.best().to_bytes())
    artifacts.write_bytes(paths.SNAPSHOTS, save(training.snapshots()))
    curve = pd.DataFrame(training.curve, columns=training.columns)
    artifacts.write_csv(paths.TRAINING_CURVE, curve)
    Trained(
        **made_from,
        pairs=pairs.digest,
        weights=digest(paths.WEIGHTS),
        curve=digest(paths.TRAINING_CURVE),
        kept=training.kept,
    ).write(paths.TRAINED)


if __name__ == "__main__":
    stage.run(main)

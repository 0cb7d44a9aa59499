"""Training a network: everything one run needs, step by step, to the same bits each time."""

import hashlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from srcnn.data.pairs import Pairs
from srcnn.inference.resolver import SuperResolver
from srcnn.networks.network import Network, crop
from srcnn.progress import Progress
from srcnn.training.curve import Past, Row, collapse, validation_score
from srcnn.training.learner import Learner, Terms, weights_of
from srcnn.training.losses import ReconstructionLoss
from srcnn.training.patches import PatchSampler
from srcnn.training.process_group import ProcessGroup
from srcnn.training.settings import Settings, check_finite
from srcnn.training.validation import Validation

if TYPE_CHECKING:  # most trainings have none
    from srcnn.adversarial.adversary import Adversary

SNAPSHOTS = 8  # step 0, then every doubling up to the last step
VAL_PATCHES = 32  # enough for a smooth val_loss, few enough for a perceptual one


class Training:
    """One run: the network, its optimizers, its random numbers and its curve so far.

    Args:
        network: to train, on the device to train on.
        pairs: LR/HR pairs with a "train" and a "val" split.
        loss: what to minimise.
        settings: how.
        seed: of the patches drawn.
        group: the processes that train together.
        past: what the curve and the snapshots begin with; their steps are counted on.
        adversary: learns beside the network, where the loss has a term of it.

    Raises:
        ValueError: see `PatchSampler`.
    """

    def __init__(
        self,
        network: Network,
        pairs: Pairs,
        loss: ReconstructionLoss,
        settings: Settings,
        seed: int,
        group: ProcessGroup | None = None,
        past: Past | None = None,
        adversary: "Adversary | None" = None,
    ) -> None:
        self._group = group or ProcessGroup()
        self._network = network.to(memory_format=torch.channels_last)
        self._loss = loss
        self._settings = settings
        self._adversary = adversary
        self._learner = Learner(network, settings.optimization, settings.steps, self._group)
        # What is validated, shown and kept.
        self._averaged = deepcopy(network) if settings.ema else network
        self._resolver = SuperResolver(self._averaged, pairs.luma, settings.precision)
        device = self._resolver.device
        patch, reach = settings.patch_size, network.reach
        train, val = pairs.split("train"), pairs.split("val")
        self._sampler = PatchSampler(train, patch, reach, settings.augment, device)
        self._generator = torch.Generator().manual_seed(seed)
        # The same validation patches at every validation, so that val_loss is one curve.
        val_sampler = PatchSampler(val, patch, reach, augment=False)
        lr, hr = val_sampler.draw(VAL_PATCHES, torch.Generator().manual_seed(0))
        self._val_patches = lr.to(device), hr.to(device)
        naturalness = adversary.naturalness if adversary else None
        self._validation = Validation(pairs, settings.val_pictures, naturalness)

        self._past = past or Past()
        self.step = 0
        self._rows: list[Row] = []
        self._terms: list[Terms] = []  # of each step since the last row
        self._best = weights_of(self._averaged)
        self._snapshots: dict[int, torch.Tensor] = {}
        self._snapshot_steps = {0} | {settings.steps >> k for k in range(SNAPSHOTS - 1)}

    @property
    def steps(self) -> int:
        """How many there are to make."""
        return self._settings.steps

    @property
    def curve(self) -> list[Row]:
        """All rows so far, of the past too. After a step the last one has all columns, in order."""
        before = self._past.curve
        if not (before and self._rows):
            return before + self._rows
        return [*before[:-1], before[-1] | self._rows[0], *self._rows[1:]]

    def state_dict(self) -> dict[str, Any]:
        """Everything that continues this run to the same bits: tensors and plain values only."""
        return {
            "step": self.step,
            "rows": self._rows,
            "learner": self._learner.state_dict(),
            "adversary": self._adversary.state_dict() if self._adversary else None,
            "averaged": weights_of(self._averaged) if self._settings.ema else None,
            "generator": self._generator.get_state(),
            "terms": self._terms,
            "best": self._best,
            "snapshots": self._snapshots,
        }

    def first_step(self) -> str:
        """A digest of the network after one step from where it is; the run stays as it was.

        Whatever decides the bits has a part in it: the processor, libraries, their settings in the
        environment, threads, processes. All processes of the group have to call it.

        Raises:
            ProcessLostError: another process has ended.
        """
        before = deepcopy(self.state_dict())
        if self._settings.steps:
            self._train_step()
        weights = b"".join(
            tensor.numpy().tobytes() for tensor in weights_of(self._network).values()
        )
        self.load_state_dict(before)
        return hashlib.sha256(weights).hexdigest()

    def resume(self, state: dict[str, Any] | None) -> None:
        """Take up the run that rank 0 gives the state of, in all processes; None: begin.

        Raises:
            ProcessLostError: another process has ended.
        """
        state = self._group.broadcast(state)
        if state is not None:
            self.load_state_dict(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a run where `state_dict` left it."""
        self.step = state["step"]
        self._rows = state["rows"]
        self._learner.load_state_dict(state["learner"])
        if self._adversary:
            self._adversary.load_state_dict(state["adversary"])
        if self._settings.ema:
            self._averaged.load_state_dict(state["averaged"])
        self._generator.set_state(state["generator"])
        self._terms = state["terms"]
        self._best = state["best"]
        self._snapshots = state["snapshots"]

    def fit(
        self,
        report: Callable[[Row], None] = lambda row: None,
        checkpoint: Callable[[dict[str, Any]], None] = lambda state: None,
        checkpoint_every: int = 100,
    ) -> None:
        """Train to the last step.

        Args:
            report: called with each new row of the curve (see `curve`).
            checkpoint: called with `state_dict()` every `checkpoint_every` steps.
            checkpoint_every: steps.

        Raises:
            DivergedError: a term of the loss is NaN or infinite; the last checkpoint is from before
                that.
            ProcessLostError: another process has ended.
        """
        settings = self._settings
        hidden = not self._group.is_main
        name = "finetune" if self._past.curve else "train"
        with Progress(name, settings.steps, "step", self.step, hidden) as shown:
            if self.step == 0:
                self._record(shown, report)
            while self.step < settings.steps:
                self._train_step()
                shown.update()
                if self._is_due(settings.log_every) or self._is_due(settings.validate_every):
                    self._record(shown, report)
                if self.step % checkpoint_every == 0:
                    check_finite(self._terms, self._past.step + self.step)
                    if self._group.is_main:
                        checkpoint(self.state_dict())

    def best(self) -> SuperResolver:
        """The best weights so far, by `validation_score`, as a model of its own."""
        network = deepcopy(self._averaged)
        network.load_state_dict(self._best)
        return replace(self._resolver, model=network)

    @property
    def best_row(self) -> Row:
        """The row of the curve, the first of equals, that the best weights so far are from."""
        return max((row for row in self._rows if "val_psnr" in row), key=validation_score)

    @property
    def collapse(self) -> str | None:
        """See `srcnn.training.curve.collapse`."""
        return collapse(self._rows, self.best_row)

    def snapshots(self) -> dict[str, torch.Tensor]:
        """Validation pictures as reconstructed along the way: see `Validation.snapshots`."""
        return self._validation.snapshots({**self._past.snapshots, **self._snapshots})

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self._settings.steps

    def _train_step(self) -> None:
        size = self._settings.batch_size
        batch = self._sampler.draw(size, self._generator)
        lr, hr = map(self._group.shard, batch)
        share = len(hr) / size
        hr = crop(hr, self._network.margin)
        made: list[torch.Tensor] = []

        def loss() -> Terms:
            made.append(self._patch(self._network, lr))
            return self._loss(made[0], hr, self.step)

        terms = self._learner.step(self.step, loss, share)
        if self._adversary:
            terms |= self._adversary.learn(self.step, made[0], hr, share)
        if self._settings.ema:
            self._average()
        self._terms.append(terms)
        self.step += 1
        if self.step in self._snapshot_steps:
            self._take_snapshot()

    def _patch(self, network: Network, lr: torch.Tensor) -> torch.Tensor:
        return network.patch(lr, bfloat16=self._settings.precision == "bfloat16")

    @torch.no_grad()
    def _average(self) -> None:
        pairs = zip(self._averaged.parameters(), self._network.parameters(), strict=True)
        for mean, now in pairs:
            mean.lerp_(now, 1 - self._settings.ema)

    def _take_snapshot(self) -> None:
        if self._group.is_main:
            step = self._past.step + self.step
            self._snapshots[step] = self._validation.snapshot(self._resolver)

    def _record(self, shown: Progress, report: Callable[[Row], None]) -> None:
        row: Row = {"step": self._past.step + self.step}
        if self.step > 0:
            check_finite(self._terms, self._past.step + self.step)
            row["lr"] = self._learner.lr
            for name in self._terms[0]:
                values = [terms[name] for terms in self._terms]
                row[f"train_{name}"] = float(torch.stack(values).sum()) / len(values)
            self._terms = []
        elif not self._past.curve:
            self._take_snapshot()
        if self._is_due(self._settings.validate_every):
            row |= self._validate()
        self._rows.append(row)
        report(row)
        if "val_psnr" in row:
            shown.tell(
                f"validation {row['val_psnr']:.2f} dB (bicubic {row['val_psnr_bicubic']:.2f})"
            )

    def _validate(self) -> Row:
        lr, hr = self._val_patches
        with torch.no_grad():
            sr = self._patch(self._averaged, lr)
            terms = self._loss(sr, crop(hr, self._network.margin))
        row = {f"val_{name}": float(value) for name, value in terms.items()}
        row |= self._validation.scores(self._resolver, self._group)
        if self._rows and validation_score(row) > validation_score(self.best_row):
            self._best = weights_of(self._averaged)
        return row

"""Training an SRCNN: everything one run needs, step by step, to the same bits each time."""

import copy
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from srcnn.inference import SuperResolver
from srcnn.losses import ReconstructionLoss
from srcnn.models import SRCNN, crop
from srcnn.optim import build_optimizers, remove_means, schedule
from srcnn.pairs import Pairs
from srcnn.patches import PatchSampler
from srcnn.progress import Progress
from srcnn.team import Team
from srcnn.validation import Validation

Row = dict[str, Any]  # one line of the training curve

CURVE_COLUMNS = (
    "step",
    "lr",
    "train_loss",
    "train_pixel",
    "train_perceptual",
    "train_perceptual_weighted",
    "val_loss",
    "val_pixel",
    "val_perceptual",
    "val_perceptual_weighted",
    "train_psnr",
    "train_psnr_bicubic",
    "val_psnr",
    "val_psnr_bicubic",
    "val_ssim",
    "val_ssim_bicubic",
)
SNAPSHOTS = 8  # step 0, then every doubling up to the last step
VAL_PATCHES = 32  # enough for a smooth val_loss, few enough for a perceptual one


class DivergedError(RuntimeError):
    """The loss is no longer a finite number."""


@dataclass(frozen=True)
class Settings:
    """How to train. Names and units: section `train` of params.yaml."""

    steps: int
    batch_size: int
    patch_size: int
    augment: bool = True
    optimizer: str = "muon"
    lr: float = 1e-3
    muon_lr: float = 0.02
    momentum: float = 0.95
    weight_decay: float = 0.0
    schedule: str = "one-cycle"
    warmup: float = 0.1
    precision: str = "float32"
    log_every: int = 10
    validate_every: int = 200
    val_pictures: int = 8


class Training:
    """One run: the network, its optimizers, its random numbers and its curve so far.

    Args:
        model: the network to train, on the device to train on.
        pairs: LR/HR pairs with a "train" and a "val" split.
        loss: what to minimise.
        settings: how.
        seed: of the patches drawn.
        team: the processes that train together.

    Raises:
        ValueError: a batch has fewer patches than there are processes.
    """

    def __init__(
        self,
        model: SRCNN,
        pairs: Pairs,
        loss: ReconstructionLoss,
        settings: Settings,
        seed: int,
        team: Team | None = None,
    ) -> None:
        self._team = team or Team()
        if settings.batch_size < self._team.size:
            raise ValueError(
                f"batch_size is {settings.batch_size}; {self._team.size} processes need at least "
                "one patch each"
            )
        self._model = model.to(memory_format=torch.channels_last)
        if model.residual:
            remove_means(model.extract.weight.data)
        self._loss = loss
        self._settings = settings
        self._resolver = SuperResolver(model, pairs.scale, pairs.luma, settings.precision)
        self._optimizers = build_optimizers(
            model,
            settings.optimizer,
            settings.lr,
            settings.muon_lr,
            settings.momentum,
            settings.weight_decay,
        )
        self._peaks = [optimizer.param_groups[0]["lr"] for optimizer in self._optimizers]
        device = model.extract.weight.device
        patch = settings.patch_size
        augment = settings.augment
        self._sampler = PatchSampler(pairs.split("train"), patch, augment, device)
        self._generator = torch.Generator().manual_seed(seed)
        # The same validation patches at every validation, so that val_loss is one curve.
        val_sampler = PatchSampler(pairs.split("val"), patch, augment=False)
        val_patches = val_sampler.draw(VAL_PATCHES, torch.Generator().manual_seed(0))
        self._val_patches = tuple(patches.to(device) for patches in val_patches)
        self._validation = Validation(pairs, settings.val_pictures)

        self.step = 0
        self.curve: list[Row] = []
        self._sums: dict[str, torch.Tensor] = {}  # of the loss terms since the last row
        self._best_score = -math.inf
        self._best = _copy(model)
        self._snapshots: dict[int, torch.Tensor] = {}
        self._snapshot_steps = {0} | {settings.steps >> k for k in range(SNAPSHOTS - 1)}

    def state_dict(self) -> dict[str, Any]:
        """Everything that continues this run to the same bits: tensors and plain values only."""
        return {
            "step": self.step,
            "curve": self.curve,
            "model": _copy(self._model),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "generator": self._generator.get_state(),
            "sums": self._sums,
            "best_score": self._best_score,
            "best": self._best,
            "snapshots": self._snapshots,
        }

    def first_step(self) -> str:
        """A digest of the network after one step from where it is; the run stays as it was.

        Whatever decides the bits has a part in it: the processor, libraries, their settings in the
        environment, threads, processes. All processes of the team have to call it.

        Raises:
            TeamLostError: another process has ended.
        """
        before = copy.deepcopy(self.state_dict())
        self._train_step()
        weights = b"".join(tensor.numpy().tobytes() for tensor in _copy(self._model).values())
        self.load_state_dict(before)
        return hashlib.sha256(weights).hexdigest()

    def resume(self, state: dict[str, Any] | None) -> None:
        """Take up the run that rank 0 gives the state of, in all processes; None: begin.

        Raises:
            TeamLostError: another process has ended.
        """
        state = self._team.same(state)
        if state is not None:
            self.load_state_dict(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a run where `state_dict` left it."""
        self.step = state["step"]
        self.curve = state["curve"]
        self._model.load_state_dict(state["model"])
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self._generator.set_state(state["generator"])
        self._sums = state["sums"]
        self._best_score = state["best_score"]
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
            report: called with each new row of the curve (see CURVE_COLUMNS).
            checkpoint: called with `state_dict()` every `checkpoint_every` steps.
            checkpoint_every: steps.

        Raises:
            DivergedError: the loss is NaN or infinite; the last checkpoint is from before that.
            TeamLostError: another process has ended.
        """
        settings = self._settings
        hidden = not self._team.leads
        with Progress("train", settings.steps, "step", self.step, hidden) as shown:
            if self.step == 0:
                self._record(shown, report)
            while self.step < settings.steps:
                self._train_step()
                shown.update()
                if self._is_due(settings.log_every) or self._is_due(settings.validate_every):
                    self._record(shown, report)
                if self.step % checkpoint_every == 0:
                    self._check_finite()
                    if self._team.leads:
                        checkpoint(self.state_dict())

    def best(self) -> SuperResolver:
        """The best weights so far, by `validation_score`, as a model of its own."""
        model = SRCNN(self._model.kernels, self._model.channels, self._model.residual)
        model.load_state_dict(self._best)
        return replace(self._resolver, model=model)

    @property
    def kept(self) -> Row:
        """The row of the curve, the first of equals, that the best weights so far are from."""
        return max((row for row in self.curve if "val_psnr" in row), key=validation_score)

    def snapshots(self) -> dict[str, torch.Tensor]:
        """Validation pictures as reconstructed along the way: see `Validation.snapshots`."""
        return self._validation.snapshots(self._snapshots)

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self._settings.steps

    def _train_step(self) -> None:
        settings = self._settings
        factor = schedule(settings.schedule, self.step, settings.steps, settings.warmup)
        for optimizer, peak in zip(self._optimizers, self._peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * factor
            optimizer.zero_grad(set_to_none=True)
        batch = self._sampler.draw(settings.batch_size, self._generator)
        upsampled, hr = map(self._team.share, batch)
        terms = self._terms(upsampled, hr)
        terms["loss"].backward()
        means = self._team.mean(self._model, terms, len(hr) / settings.batch_size)
        kernels = self._model.extract.weight
        if self._model.residual and kernels.grad is not None:
            remove_means(kernels.grad)
        for optimizer in self._optimizers:
            optimizer.step()
        if self._model.residual:
            remove_means(kernels.data)
        for name, mean in means.items():
            self._sums[name] = self._sums.get(name, 0) + mean
        self.step += 1
        if self.step in self._snapshot_steps and self._team.leads:
            self._snapshots[self.step] = self._validation.snapshot(self._resolver)

    def _terms(self, upsampled: torch.Tensor, hr: torch.Tensor) -> dict[str, torch.Tensor]:
        """The loss on the pixels of the patches whose whole context is in the patch."""
        sr = self._model.valid(
            upsampled.contiguous(memory_format=torch.channels_last),
            bfloat16=self._settings.precision == "bfloat16",
        )
        return self._loss(sr, crop(hr, self._model.margin), self._resolver.luma)

    def _record(self, shown: Progress, report: Callable[[Row], None]) -> None:
        row: Row = {"step": self.step}
        if self.step > 0:
            self._check_finite()
            steps = self.step - self.curve[-1]["step"]
            row["lr"] = self._optimizers[-1].param_groups[0]["lr"]
            row |= {f"train_{name}": float(total) / steps for name, total in self._sums.items()}
            self._sums = {}
        elif self._team.leads:
            self._snapshots[0] = self._validation.snapshot(self._resolver)
        if self._is_due(self._settings.validate_every):
            row |= self._validate()
        self.curve.append(row)
        report(row)
        if "val_psnr" in row:
            shown.tell(
                f"validation {row['val_psnr']:.2f} dB (bicubic {row['val_psnr_bicubic']:.2f})"
            )

    def _check_finite(self) -> None:
        total = float(self._sums.get("loss", 0.0))
        if not math.isfinite(total):
            raise DivergedError(
                f"the training loss became {total} before step {self.step}: "
                "the learning rate or a loss weight is too high"
            )

    def _validate(self) -> Row:
        with torch.no_grad():
            terms = self._terms(*self._val_patches)
        row = {f"val_{name}": float(value) for name, value in terms.items()}
        row |= self._validation.scores(self._resolver, self._team)
        score = validation_score(row)
        if score > self._best_score:
            self._best_score = score
            self._best = _copy(self._model)
        return row


def validation_score(row: Row) -> float:
    """How good the weights are that gave a validated row of the curve; higher is better.

    Validation PSNR or, with a perceptual loss, the validation loss: PSNR would choose the weights
    that have learned least from the perceptual term.
    """
    return -row["val_loss"] if "val_perceptual" in row else row["val_psnr"]


def _copy(model: SRCNN) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}

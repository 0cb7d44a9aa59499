"""A discriminator that learns beside the network, and the loss that it gives the network."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from srcnn.scoring.naturalness import Naturalness
from srcnn.training.learner import Terms, weights_of
from srcnn.training.optim import schedule
from srcnn.training.process_group import ProcessGroup


class Adversary:
    """The adversarial loss, with the discriminator that makes it.

    Relativistic (Jolicoeur-Martineau 2019, as in ESRGAN, eq. 1 and 2): the discriminator tells
    which is the more real than the other kind on average, and the network is to turn that around;
    so the originals, too, give a gradient. Otherwise (Goodfellow et al. 2014, as in SRGAN, eq. 6)
    it tells originals from reconstructions, and the network is to make it take these for originals.

    Args:
        discriminator: (B, 1, H, W) luma in [0, 1] to logits, on the device to train on.
        relativistic: which of both losses.
        lr: peak rate of its Adam (betas 0.9 and 0.999, as in the paper).
        steps: over which the rate takes its course, one-cycle without a rise.
        group: the processes that train together.

    Attributes:
        naturalness: by which the weights of such a training are chosen.

    Raises:
        UnusableWeights: see `srcnn.perceptual.vgg19.load`.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        relativistic: bool,
        lr: float,
        steps: int,
        group: ProcessGroup,
    ) -> None:
        self._discriminator = discriminator.to(memory_format=torch.channels_last)
        self._relativistic = relativistic
        self._lr, self._steps, self._group = lr, steps, group
        self._optimizer = torch.optim.Adam(discriminator.parameters(), lr)
        self.naturalness = Naturalness(next(discriminator.parameters()).device)

    def term(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """The network's loss, a scalar; the discriminator's weights get no gradient of it.

        Args:
            sr: (B, 1, H, W) luma in [0, 1].
            hr: the same.
        """
        self._discriminator.requires_grad_(False)
        fake = self._discriminator(sr)
        if not self._relativistic:
            return _cross_entropy(fake, 1.0)
        with torch.no_grad():
            real = self._discriminator(hr)
        return (
            _cross_entropy(fake - real.mean(), 1.0) + _cross_entropy(real - fake.mean(), 0.0)
        ) / 2

    def learn(self, step: int, sr: torch.Tensor, hr: torch.Tensor, share: float) -> Terms:
        """One step of the discriminator.

        Args:
            step: 0 .. steps - 1.
            sr: (B, 1, H, W) luma in [0, 1], which gets no gradient.
            hr: the same.
            share: how much of the batch that is, 0..1.

        Returns:
            "discriminator", its loss; "real" and "fake", the mean probability that it gives of
            being an original; "told", the share of patches that it tells right.

        Raises:
            ProcessLostError: another process has ended.
        """
        self._optimizer.param_groups[0]["lr"] = self._lr * schedule(
            "one-cycle", step, self._steps, 0.0
        )
        self._optimizer.zero_grad(set_to_none=True)
        self._discriminator.requires_grad_(True)
        fake, real = self._discriminator(sr.detach()), self._discriminator(hr)
        if self._relativistic:
            fake, real = fake - real.mean(), real - fake.mean()
        loss = (_cross_entropy(real, 1.0) + _cross_entropy(fake, 0.0)) / 2
        loss.backward()
        terms = {
            "discriminator": loss,
            "real": real.sigmoid().mean(),
            "fake": fake.sigmoid().mean(),
            "told": ((real > 0).float().mean() + (fake < 0).float().mean()) / 2,
        }
        terms = self._group.all_reduce(self._discriminator, terms, share)
        self._optimizer.step()
        return terms

    def state_dict(self) -> dict[str, Any]:
        """What continues the training to the same bits."""
        return {
            "discriminator": weights_of(self._discriminator),
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up where `state_dict` left it."""
        self._discriminator.load_state_dict(state["discriminator"])
        self._optimizer.load_state_dict(state["optimizer"])


def _cross_entropy(logits: torch.Tensor, target: float) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

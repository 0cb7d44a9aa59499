"""A network with what makes it learn: the loop around it knows no layer and no optimizer."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from srcnn.networks.network import Network
from srcnn.training.optim import Optimization, build_optimizers, center_kernels, schedule
from srcnn.training.process_group import ProcessGroup

Terms = dict[str, torch.Tensor]


class Learner:
    """A network and its optimizers, their rates' course, and what holds after each step.

    Args:
        network: to train, on the device to train on.
        how: optimizers and rates.
        steps: over which the rates take their course.
        group: the processes that train together.
    """

    def __init__(
        self, network: Network, how: Optimization, steps: int, group: ProcessGroup
    ) -> None:
        self._network = network
        self._how = how
        self._steps = steps
        self._group = group
        self._optimizers = build_optimizers(network, how)
        self._base_lrs = [optimizer.param_groups[0]["lr"] for optimizer in self._optimizers]
        self._centered = network.centered_kernels()
        self._hold()

    @property
    def lr(self) -> float:
        """The rate of the last step, of what Muon does not train."""
        return self._optimizers[-1].param_groups[0]["lr"]

    def step(self, step: int, loss: Callable[[], Terms], share: float) -> Terms:
        """Make one step.

        Args:
            step: 0 .. steps - 1.
            loss: computes the terms, "loss" among them, on this process's share of the batch.
            share: how much of the batch that is, 0..1.

        Returns:
            The terms of the whole batch, and the norm of its gradient.

        Raises:
            ProcessLostError: another process has ended.
        """
        factor = schedule(self._how.schedule, step, self._steps, self._how.warmup)
        for optimizer, lr in zip(self._optimizers, self._base_lrs, strict=True):
            optimizer.param_groups[0]["lr"] = lr * factor
            optimizer.zero_grad(set_to_none=True)
        terms = loss()
        terms["loss"].backward()
        terms = self._group.all_reduce(self._network, terms, share)
        gradients = [p.grad for p in self._network.parameters() if p.grad is not None]
        terms["gradient_norm"] = torch.nn.utils.get_total_norm(gradients)
        for kernels in self._centered:
            if kernels.grad is not None:
                center_kernels(kernels.grad)
        for optimizer in self._optimizers:
            optimizer.step()
        self._hold()
        return terms

    def _hold(self) -> None:
        """What is to hold of the weights at all times."""
        for kernels in self._centered:
            center_kernels(kernels.data)
        self._network.project()

    def state_dict(self) -> dict[str, Any]:
        """What continues the training to the same bits."""
        return {
            "network": weights_of(self._network),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up where `state_dict` left it."""
        self._network.load_state_dict(state["network"])
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the network's weights, on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}

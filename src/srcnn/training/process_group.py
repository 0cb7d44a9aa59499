"""Several processes that train one network: each takes a shard of every batch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

Item = TypeVar("Item")
Batch = TypeVar("Batch", Tensor, range)
State = TypeVar("State", bound=Mapping[str, Any] | None)


class ProcessLostError(RuntimeError):
    """Another process of the group has ended."""


@dataclass(frozen=True)
class ProcessGroup:
    """One process of those that train together; by default the only one.

    All draw the same patches, take their share of them, and make the same step with the mean
    gradient, so that their weights stay equal (synchronous data parallelism). Of the pictures of
    a validation each takes its share, too. Rank 0 alone writes.

    `DistributedDataParallel` is not used: it hooks into `forward`, which the training does not
    call, and of 57,000 parameters there is no communication to hide behind the backward pass.

    Attributes:
        rank: 0 .. size - 1.
        size: how many processes there are. With more than one, `torch.distributed` has been
            initialised.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def shard(self, batch: Batch) -> Batch:
        """This process's items of a batch (B, ...) or of a range."""
        return batch[self.rank :: self.size]

    def all_gather(self, own: list[Item]) -> list[Item]:
        """The whole, in every process, of a list of which each has the items [rank::size].

        Raises:
            ProcessLostError: another process has ended.
        """
        if self.size == 1:
            return own
        shares: list[list[Item]] = [[] for _ in range(self.size)]
        with _lost():
            dist.all_gather_object(shares, own)
        whole: list[Any] = [None] * sum(map(len, shares))
        for rank, share in enumerate(shares):
            whole[rank :: self.size] = share
        return whole

    def all_reduce(
        self, model: nn.Module, terms: Mapping[str, Tensor], share: float
    ) -> dict[str, Tensor]:
        """Make each gradient that of the whole batch; the terms of the loss of the whole batch.

        Args:
            model: after `backward` of the mean loss of this process's share.
            terms: scalars, means over the share.
            share: how much of the batch it is, 0..1; the shares of all add up to 1.

        Raises:
            ProcessLostError: another process has ended.
        """
        values = {name: term.detach() for name, term in terms.items()}
        if self.size == 1:
            return values
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        parts = [*gradients, *values.values()]
        # One message for all: its latency counts, not its length.
        flat = share * torch.cat([part.reshape(-1) for part in parts])
        with _lost():
            dist.all_reduce(flat)
        means = flat.split([part.numel() for part in parts])
        for gradient, mean in zip(gradients, means, strict=False):
            gradient.copy_(mean.view_as(gradient))
        return {
            name: mean[0].clone()
            for name, mean in zip(values, means[len(gradients) :], strict=True)
        }

    def broadcast(self, state: State) -> State:
        """What rank 0 has, in every process.

        Raises:
            ProcessLostError: another process has ended.
        """
        if self.size == 1:
            return state
        held = [state]
        with _lost():
            dist.broadcast_object_list(held, src=0)
        return held[0]


@contextmanager
def _lost() -> Iterator[None]:
    """What `torch.distributed` raises where another process has ended."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessLostError(str(error)) from None

"""The networks: what they all are (`network`), and one file for each."""

from collections.abc import Callable
from typing import Any

import torch

from srcnn.networks.espcn import ESPCN
from srcnn.networks.fsrcnn import FSRCNN
from srcnn.networks.network import Network
from srcnn.networks.srcnn import SRCNN
from srcnn.networks.srresnet import SRResNet

NETWORKS: dict[str, Callable[..., Network]] = {
    network.name: network for network in (SRCNN, FSRCNN, ESPCN, SRResNet)
}
"""Every network, by its name in params.yaml and in model files."""


def build(
    name: str, scale: int, settings: dict[str, Any], generator: torch.Generator | None = None
) -> Network:
    """A network of NETWORKS with its settings, by their names in params.yaml.

    Raises:
        ValueError: there is no such network, or its settings cannot be.
    """
    if name not in NETWORKS:
        raise ValueError(f"network is {name!r}; allowed: {', '.join(NETWORKS)}")
    return NETWORKS[name](scale=scale, generator=generator, **settings)

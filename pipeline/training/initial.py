"""The network that a training begins with."""

import hashlib
from typing import Any

import torch

from pipeline.stage import StageError, resolve
from pipeline.stage.params import Params
from srcnn.inference import mlflow_models, model_files, packaged
from srcnn.inference.resolver import SuperResolver
from srcnn.networks import build
from srcnn.networks.network import Network

_ALLOWED = (
    f"allowed are a .safetensors file, {packaged.reference(packaged.DEFAULT_SCALE)}, "
    "models:/NAME/VERSION and runs:/RUN_ID"
)


def network(params: Params) -> tuple[Network, str | None]:
    """One of random weights, drawn with the seed, or the one that train.init names.

    Returns:
        The network, and the sha256 of the weights that train.init names, if it does.

    Raises:
        StageError: train.init names none, one that may be another tomorrow, or one with other
            settings than those of the parameters.
    """
    generator = torch.Generator().manual_seed(params.seed)
    settings = params.model.network.model_dump()
    new = build(params.model.name, params.degrade.scale, settings, generator)
    if params.train.init is None:
        return new, None
    source = _resolver(params.train.init)
    own, wanted = _traits(source.model, source.luma), _traits(new, params.degrade.luma)
    if own != wanted:
        others = [f"{name}={value}" for name, value in own.items() if wanted.get(name) != value]
        raise StageError(
            f"train.init is {params.train.init!r}, whose network is not the one that the "
            f"parameters ask for: it has {', '.join(others)}"
        )
    new.load_state_dict(source.model.state_dict())
    return new, hashlib.sha256(source.to_bytes()).hexdigest()


def _traits(network: Network, luma: str) -> dict[str, Any]:
    """What makes weights fit, by the names of the parameters that decide it."""
    sizes = {f"model.{network.name}.{name}": of for name, of in network.settings.items()}
    return {
        "model.name": network.name,
        **sizes,
        "degrade.scale": network.scale,
        "degrade.luma": luma,
    }


def _resolver(reference: str) -> SuperResolver:
    try:
        if reference.startswith("models:"):
            now = mlflow_models.pinned(reference)
            if now != reference:
                raise ValueError(
                    f"it may mean another version tomorrow; now it is that of train.init={now}"
                )
        if reference.startswith(("models:", "runs:", packaged.PREFIX)):
            return model_files.load(reference).resolver
        path = resolve(reference)
        if not path.is_file():
            raise ValueError(f"{path} does not exist or is not a file; {_ALLOWED}")
        return SuperResolver.load(path)
    except (OSError, ValueError) as error:
        raise StageError(f"train.init is {reference!r}: {error}") from None

"""The network that a training begins with."""

import hashlib

import torch

from pipeline.base.params import Params
from pipeline.base.project import StageError
from srcnn import model_files
from srcnn.inference import SuperResolver
from srcnn.networks import build
from srcnn.networks.network import Network


def network(params: Params) -> Network:
    """One of random weights, drawn with the seed, or the one that train.init names.

    Raises:
        StageError: train.init names none, or one of another kind, scale or luma.
    """
    generator = torch.Generator().manual_seed(params.seed)
    new = build(params.model.name, params.degrade.scale, params.model.settings, generator)
    if params.train.init is None:
        return new
    given = _given(params.train.init)
    if (given.model.label, given.scale, given.luma) != (new.label, new.scale, params.degrade.luma):
        raise StageError(
            f"train.init is {params.train.init!r}, a {given.model.label} x{given.scale} for "
            f"{given.luma} luma; the parameters ask for a {new.label} x{new.scale} for "
            f"{params.degrade.luma} luma (model, degrade.scale, degrade.luma)"
        )
    new.load_state_dict(given.model.state_dict())
    return new


def digest(reference: str) -> str:
    """Of the weights that train.init names."""
    return hashlib.sha256(_given(reference).to_bytes()).hexdigest()


def _given(reference: str) -> SuperResolver:
    try:
        return model_files.load(reference).resolver
    except (OSError, ValueError) as error:
        raise StageError(f"train.init is {reference!r}: {error}") from None

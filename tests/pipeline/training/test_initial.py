"""train.init: weights to begin with, which are the same for good, and fit."""

from pathlib import Path

import pytest

from pipeline import register
from pipeline.stage import StageError, paths
from pipeline.training import initial
from tests.pipeline.experiment import load_params


def begin_with(reference: str | Path):
    """The tiny network's parameters, and this in train.init."""
    return load_params({"train.init": str(reference), "seed": 7})


def state(params) -> dict[str, list[float]]:
    """The weights that a training of these parameters begins with."""
    network, _ = initial.network(params)
    return {name: tensor.tolist() for name, tensor in network.state_dict().items()}


def test_a_file_gives_its_weights(experiment):
    Path("mine.safetensors").write_bytes(paths.WEIGHTS.read_bytes())
    given = state(begin_with("mine.safetensors"))  # relative to the project's root
    assert given == state(begin_with(paths.WEIGHTS.resolve()))
    assert given != state(load_params({"seed": 7}))


@pytest.mark.parametrize("reference", ["models:/srcnn@champion", "models:/srcnn"])
def test_a_reference_that_moves_is_refused_with_the_version_that_it_means_now(
    experiment, reference
):
    register.main(load_params())
    with pytest.raises(StageError, match=r"now it is that of train\.init=models:/srcnn/1$"):
        initial.network(begin_with(reference))
    assert state(begin_with("models:/srcnn/1")) == state(begin_with(paths.WEIGHTS.resolve()))


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("packaged:x4", r"it has model\.srcnn\.kernels=\(9, 5, 5\), .*, degrade\.scale=4$"),
        ("packaged:x5", "packaged:x5: no such model; the package has packaged:x2"),
        ("no.safetensors", r"no\.safetensors does not exist or is not a file; allowed are"),
        ("params.yaml", r"params\.yaml is not a trained network of this project"),
        ("models:/nobody/1", "models:/nobody/1 in .* cannot be read"),
    ],
)
def test_what_cannot_be_begun_with_is_refused(experiment, reference, message):
    Path("params.yaml").write_text("seed: 0")
    with pytest.raises(StageError, match=rf"^train\.init is '{reference}'.*{message}"):
        initial.network(begin_with(reference))

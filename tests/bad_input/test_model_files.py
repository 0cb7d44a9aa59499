"""Model files that somebody made up: one error, and no memory taken for what they promise."""

import json
import pickle
import resource

import numpy as np
import pytest
import torch
from safetensors.torch import save

from pipeline.stage.sections import Degrade
from srcnn.inference.resolver import SCALES, SuperResolver, UnusableModel
from tests.bad_input.conftest import Trap
from tests.support.models import resolver

ABOUT = {"kernels": [5, 3, 3], "channels": [6, 4], "residual": True, "scale": 2, "luma": "full"}
TENSORS = {name: tensor.contiguous() for name, tensor in resolver().model.state_dict().items()}


def crafted(about=None, **tensors):
    kept = {name: tensor for name, tensor in (TENSORS | tensors).items() if tensor is not None}
    return save(kept, metadata={"srcnn": json.dumps(ABOUT if about is None else about)})


def test_what_the_corpus_starts_from_is_a_model(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(crafted())
    lr = np.arange(48, dtype=np.uint8).reshape(6, 8)
    np.testing.assert_array_equal(SuperResolver.load(path)(lr), resolver()(lr))


def test_its_scales_are_those_that_can_be_trained():
    assert Degrade.model_fields["scale"].annotation.__args__ == SCALES


MISSING = object()
IMPOSSIBLE = {
    "scale": (MISSING, 1, 2.0, True, "2", [2], 10**400),
    "luma": (MISSING, "bt709", 1),
    "precision": ("int8", None),
    "residual": (MISSING, 1, "true"),
    "kernels": (MISSING, 9, "955", [5, 3], [5, 4, 3], [5, 3, 0], [5.0, 3, 3], [True, 3, 3]),
    "channels": (MISSING, 6, [6, 4, 4], [6, -4], [6, 0], [10**9] * 2, [2**63] * 2, {"a": 1}),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in IMPOSSIBLE.items() for value in values],
    ids=lambda each: "missing" if each is MISSING else str(each)[:40],
)
def test_what_is_impossible_or_missing_in_a_description_is_named(tmp_path, name, value):
    about = {key: kept for key, kept in (ABOUT | {name: value}).items() if kept is not MISSING}
    assert name in check_refused(tmp_path, crafted(about))


CHANGED = {
    "no bias": {"map.bias": None},
    "another tensor": {"momentum": torch.zeros(3)},
    "another shape": {"map.weight": torch.zeros(4, 6, 1, 1)},
    "float64": {"map.bias": torch.zeros(4, dtype=torch.float64)},
    "nan": {"map.bias": torch.full((4,), torch.nan)},
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_other_tensors_are_named(tmp_path, change):
    assert next(iter(change)) in check_refused(tmp_path, crafted(**change))


CONTENT = crafted()
METADATA = ["", "null", "[]", '"srcnn"', "{", "not JSON", "[" * 100_000, "9" * 10_000, "{}"]
FILES = {
    **{f"about {text:.9}": save(TENSORS, metadata={"srcnn": text}) for text in METADATA},
    "about nothing": save(TENSORS),
    "about another": save(TENSORS, metadata={"format": "pt"}),
    "empty": b"",
    "cut in a tensor": CONTENT[:-1],
    "a huge header promised": (2**62).to_bytes(8, "little") + CONTENT[8:],
    "pickled code": pickle.dumps(Trap()),
    "a folder": None,
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_files_of_another_kind_are_refused(tmp_path, content):
    check_refused(tmp_path, content)


def test_a_description_takes_no_memory(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check_refused(tmp_path, crafted(ABOUT | {"channels": [20_000, 20_000], "kernels": [5, 3, 3]}))
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert taken < 50_000, f"{taken} kB"


def check_refused(folder, content):
    """Load a file of this content, or a folder; the error's one line, which must name it."""
    path = folder / "odd.safetensors"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(UnusableModel, match=r"odd\.safetensors is not a trained network") as caught:
        SuperResolver.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < len(str(path)) + 500
    return message

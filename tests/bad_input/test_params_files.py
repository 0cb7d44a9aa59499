"""params.yaml: every stage says in one message what is wrong with it, before any work."""

import datetime
import math
from fnmatch import fnmatch
from pathlib import Path

import pytest

from pipeline import fetch
from pipeline.stage import params
from tests.support.params import branch_of, tree_with

TREE = tree_with()
LEAVES = list(params.flatten(TREE))

ODD = {
    "text": "seven",
    "negative": -1,
    "zero": 0,
    "half": 0.5,
    "huge": 2**100,
    "nan": math.nan,
    "inf": math.inf,
    "true": True,
    "null": None,
    "list": [1],
    "mapping": {"a": 1},
    "empty": "",
    "date": datetime.date(2020, 1, 1),
}
# Which of them a parameter takes; all others of it, and all of other parameters, are named.
TAKEN = {
    "text": ["data.revision", "loss.vgg19_weights", "tracking.experiment", "tracking.model_name"],
    "true": [
        *("data.skip_unreadable", "evaluate.lpips", "finetune.control", "model.*.residual"),
        *("tracking.promote", "train.augment"),
    ],
    "null": [
        *("data.limit", "degrade.jpeg_quality", "evaluate.perceptual_pictures", "machine.workers")
    ],
    "text null": ["data.group_by", "train.init"],
    "text null empty": ["data.path"],
    "zero": ["model.fsrcnn.m", "seed", "train.steps"],
    "negative zero": ["data.split_salt"],
    "zero half": [
        *("*.warmup", "degrade.*_sigma", "finetune.adversarial_ramp", "finetune.ema"),
        *("finetune.mix", "train.momentum"),
    ],
    "half huge": [
        *("*.lr", "*.muon_lr", "loss.perceptual_feature_scale", "loss.perceptual_layers.conv5_4")
    ],
    "zero half huge": ["loss.*_weight", "train.weight_decay"],
}


@pytest.mark.parametrize("name", LEAVES)
def test_odd_values_are_taken_as_they_are_or_named(name):
    section, _, leaf = name.rpartition(".")
    taken = []
    for kind, value in ODD.items():
        try:
            read = params.validated(tree_with({name: value}))
        except params.ParamsError as error:
            assert leaf in str(error) or section in str(error)
            assert len(str(error)) < 1000
        else:
            taken.append(kind)
            branch, _ = branch_of(read.model_dump(), name)
            assert branch[leaf] == value
    matching = [kinds for kinds, names in TAKEN.items() if any(fnmatch(name, of) for of in names)]
    assert taken == " ".join(matching).split()


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)
FILES = {
    "empty": b"",
    "list": b"- 1\n",
    "binary": bytes(range(256)),
    "control characters": b"seed: \x00\x01",
    "two documents": b"seed: 0\n---\nseed: 1\n",
    "python object": b"seed: !!python/object/apply:os.system [true]\n",
    "deep mapping": b"seed: " + b"{a: " * 1000,
    "long number": b"seed: " + b"9" * 10_000,
    "laughs": LAUGHS.encode() + b"seed: *h\n",
    "itself": b"&a {seed: *a}\n",
    "bad bool tag": b"seed: !!bool x\n",
    "nothing": None,
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_files_that_are_no_parameters(project, content):
    file = Path("params.yaml")
    file.unlink() if content is None else file.write_bytes(content)
    assert project(fetch, "fetch").is_one_error("params.yaml")


@pytest.mark.parametrize("section", [key for key, value in TREE.items() if isinstance(value, dict)])
@pytest.mark.parametrize("value", [None, 5, "x", [], {}], ids=str)
def test_sections_of_another_kind_are_named(section, value):
    with pytest.raises(params.ParamsError, match=section):
        params.validated(tree_with({section: value}))

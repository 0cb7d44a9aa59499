import os
import shutil
from pathlib import Path

import pytest

from pipeline.tracking import identity
from tests.pipeline.experiment import load_params
from tests.support.git import commit_all, git
from tests.support.paths import ROOT


@pytest.fixture
def checkout(project):
    """A commit of the project's params.yaml, a source file and results, in the current folder."""
    Path("metrics").mkdir()
    shutil.copy(ROOT / "params.yaml", project)
    for name in ("metrics/a.json", "dvc.lock", "net.py"):
        Path(name).write_text("1")
    commit_all()


def test_experiment_name_outside_dvc_is_branch_and_commit(project, monkeypatch):
    assert identity.experiment_name() == "no-commit"
    assert identity.changed_parameters(load_params()) == ""  # nothing is known of them
    commit_all()
    assert identity.experiment_name().startswith("main-")
    git("checkout", "-q", "--detach")
    assert identity.experiment_name().startswith("detached-")
    monkeypatch.setenv("DVC_EXP_NAME", "bold-name")
    assert identity.experiment_name() == "bold-name"


def test_results_change_nothing_parameters_the_name_and_code_makes_a_checkout_dirty(checkout):
    committed = identity.experiment_name()
    assert not identity.only_results_differ()
    Path("metrics/a.json").write_text("2")
    Path("dvc.lock").write_text("2")
    assert identity.experiment_name() == committed
    assert identity.only_results_differ()
    params = Path("params.yaml").read_text()
    names = {committed}
    for seed in (1, 2):
        Path("params.yaml").write_text(params.replace("seed: 0", f"seed: {seed}"))
        names.add(identity.experiment_name())
    assert len(names) == 3
    assert all(name.startswith(committed) for name in names)
    assert identity.provenance()["git.dirty"] == "false"
    Path("params.yaml").write_text(params)
    Path("net.py").write_text("2")
    assert identity.provenance()["git.dirty"] == "true"
    assert not identity.only_results_differ()


def test_what_is_not_utf8_is_told_as_text_that_can_be_stored(checkout, monkeypatch):
    clean = identity.experiment_name()
    Path("net.py").write_bytes(b"caf\xe9")
    assert identity.experiment_name().startswith(f"{clean}-")
    git("checkout", "-q", "-b", b"caf\xe9")
    monkeypatch.setattr("getpass.getuser", lambda: os.fsdecode(b"andr\xe9"))
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", os.fsdecode(b"\xe9"))
    for name, expected in {"": "caf\\xe9-", "b\udce9": "b\\xe9"}.items():
        monkeypatch.setenv("DVC_EXP_NAME", name)
        assert identity.experiment_name().startswith(expected)
        told = identity.provenance()
        "".join((*told, *told.values(), identity.experiment_name())).encode()
        assert told["mlflow.user"] == "andr\\xe9"


def test_the_columns_of_mlflows_pages_are_filled(checkout, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    tags = identity.provenance()
    assert (tags["mlflow.user"], tags["mlflow.source.name"]) == ("ann", "dvc repro")
    assert len(tags["mlflow.source.git.commit"]) == 40
    monkeypatch.setenv("DVC_EXP_NAME", "bold-name")
    assert identity.provenance()["mlflow.source.name"] == "dvc exp run"


def test_parameters_that_are_not_committed_are_named(checkout):
    tiny = identity.changed_parameters(load_params())
    assert "model.srcnn.channels [64, 32] → [4, 3]" in tiny
    assert "seed" not in tiny
    layers = load_params({"loss.perceptual_layers": {"relu1_2": 0.5}})
    changed = identity.changed_parameters(layers)
    assert "loss.perceptual_layers.conv5_4 1.0 → (none)" in changed
    assert "loss.perceptual_layers.relu1_2 (none) → 0.5" in changed
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("lr: 0.001 ", "lr: 1e-05 ", 1))  # as by DVC
    git("commit", "-qam", "x")
    assert "train.lr 1e-05 → 0.001" in identity.changed_parameters(load_params())

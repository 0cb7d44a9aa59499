import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import identity
from tests.pictures import params


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """What `stage_key("train")` looks at: dvc.yaml, a source file and the data's digest."""
    (tmp_path / "dvc.yaml").write_text(
        "stages: {train: {params: [seed, loss], deps: [data/pairs, net.py]}}"
    )
    (tmp_path / "net.py").write_text("layers = 3")
    (tmp_path / "data/pairs").mkdir(parents=True)
    (tmp_path / "data/pairs/meta.json").write_text('{"sha256": "abc"}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def key(**changes):
    return identity.stage_key("train", params().model_copy(update=changes))


def test_stage_key_is_of_what_the_stage_declares(checkout):
    first = key()
    assert key() == first
    assert key(seed=1) != first
    loss = params().loss
    assert key(loss=loss.model_copy(update={"pixel": "l1"})) != first
    degrade = params().degrade
    assert key(degrade=degrade.model_copy(update={"scale": 2})) == first


def test_stage_key_changes_with_code_and_data(checkout):
    first = key()
    (checkout / "net.py").write_text("layers = 4")
    second = key()
    (checkout / "data/pairs/meta.json").write_text('{"sha256": "abd"}')
    assert len({first, second, key()}) == 3


def test_owner_is_alive_until_its_process_ends():
    assert not identity.is_dead(identity.owner())
    code = "from pipeline import identity; print(identity.owner())"
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    # Run by hand, the child owns itself: no dvc is among its parents here.
    assert identity.is_dead(child.stdout.strip())


def test_reused_process_number_is_another_process():
    host, pid, created = identity.owner().rsplit(":", 2)
    assert identity.is_dead(f"{host}:{pid}:{float(created) - 100:.0f}")


def test_nothing_is_known_of_other_hosts():
    assert not identity.is_dead("another-host:1:1")


def test_experiment_name_outside_dvc_is_branch_and_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    assert identity.experiment_name() == "no-commit"
    for command in (
        ("init", "-q", "-b", "topic"),
        ("-c", "user.name=T", "-c", "user.email=t@e", "commit", "-qm", "x", "--allow-empty"),
    ):
        subprocess.run(["git", *command], check=True)
    assert identity.experiment_name().startswith("topic-")
    monkeypatch.setenv("DVC_EXP_NAME", "bold-name")
    assert identity.experiment_name() == "bold-name"


def test_results_and_parameters_do_not_make_a_checkout_dirty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").mkdir()
    for name in ("metrics/a.json", "dvc.lock", "params.yaml", "net.py"):
        (tmp_path / name).write_text("1")
    for command in (
        ("init", "-q"),
        ("add", "-A"),
        ("-c", "user.name=T", "-c", "user.email=t@e", "commit", "-qm", "x"),
    ):
        subprocess.run(["git", *command], check=True)
    (tmp_path / "metrics/a.json").write_text("2")
    (tmp_path / "dvc.lock").write_text("2")
    (tmp_path / "params.yaml").write_text("2")
    assert identity.provenance()["git.dirty"] == "false"
    (tmp_path / "net.py").write_text("2")
    assert identity.provenance()["git.dirty"] == "true"

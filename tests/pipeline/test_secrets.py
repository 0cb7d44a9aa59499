"""Credentials in the environment appear in nothing that is printed, recorded or written."""

import re
import shutil
from contextlib import suppress

import pytest

from pipeline import register, stage, train
from pipeline.compare import __main__ as compare
from pipeline.compare import tradeoff
from pipeline.tracking import live
from srcnn.command import cli
from tests.support import small_project

PLANTED = {
    "MLFLOW_TRACKING_USERNAME": "ann",  # no secret: MLflow records who made a model
    "MLFLOW_TRACKING_PASSWORD": "pl4nted-password-2",
    "MLFLOW_TRACKING_TOKEN": "pl4nted-token-3",
    "HF_TOKEN": "hf_pl4nted4",
    "AWS_ACCESS_KEY_ID": "pl4nted-id-5",
    "AWS_SECRET_ACCESS_KEY": "pl4nted-key-6",
}


@pytest.fixture
def environment(project, whole_project, monkeypatch):
    """A whole project in the current folder, and credentials in the environment."""
    shutil.copytree(whole_project, project, dirs_exist_ok=True)
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(register, "_PAUSES", ())
    monkeypatch.setattr(live, "GRACE", 1.0)
    return monkeypatch


def check(folder, *texts):
    """Fail if something planted is in a text or in a file's name or content below a folder."""
    for text in texts:
        assert "pl4nted" not in text
    for path in folder.rglob("*"):
        assert "pl4nted" not in path.name
        if path.is_file():
            assert b"pl4nted" not in path.read_bytes(), path


def everything():
    """All that speaks with MLflow, one after the other."""
    for main in (
        train.main,
        register.main,
        lambda params: compare.main(params, compare.parse([])),
        lambda params: tradeoff.main(params, tradeoff.parse([])),
    ):
        with suppress(SystemExit):
            stage.run(main)
    picture = ["upscale", "photos/0.png", "-o", "large.png"]
    cli.main(picture)
    cli.main([*picture, "--overwrite", "--model", "runs:/0123"])


def test_nothing_planted_is_in_a_store_of_ones_own(environment, tmp_path, capfd, caplog):
    small_project.run_stages()
    everything()
    said = capfd.readouterr()
    assert "champion version 1" in said.out
    assert (tmp_path / "large.png").is_file()
    check(tmp_path, said.out, said.err, caplog.text)


@pytest.mark.parametrize(
    "uri",
    [
        "http://pl4nted%40user:pl4nted%2Fword@127.0.0.1:9/sub",
        "mysql+nodriver://pl4nted-user:pl4nted/word@127.0.0.1:9/db",
    ],
)
def test_a_server_that_cannot_be_reached_is_named_without_what_is_planted(
    environment, tmp_path, capfd, caplog, uri
):
    environment.setenv("MLFLOW_TRACKING_URI", uri)
    everything()
    said = capfd.readouterr()
    assert said.err.count("ERROR: ") == 5
    assert re.search(r"^ERROR: .*\*\*\*@127\.0\.0\.1:9.*same command", said.err, re.MULTILINE)
    assert "Traceback" not in said.err
    check(tmp_path, said.out, said.err, caplog.text)

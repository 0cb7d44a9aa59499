"""MLFLOW_TRACKING_URI is tried first: a wrong address is an error, an absent server a warning."""

import socket
import time
from pathlib import Path

import pytest

from pipeline.stage import StageError
from pipeline.tracking import reach


@pytest.mark.parametrize(
    "uri",
    [
        "htp://u:secret@localhost:5000",
        "localhost:5000",
        "http://[localhost:5000",
        "postgresq://u:secret@localhost/x",
        "mysql+nodriver://u:secret@localhost/x",
        "./mlruns",
    ],
)
def test_an_address_that_no_store_can_have_is_an_error(project, monkeypatch, capsys, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    before = sorted(project.rglob("*"))
    with pytest.raises(StageError, match=r"^MLFLOW_TRACKING_URI is '") as caught:
        reach.check_store("portraits")
    assert "secret" not in str(caught.value)
    assert capsys.readouterr().err == ""
    assert sorted(project.rglob("*")) == before


def test_a_server_that_is_away_is_one_warning(project, monkeypatch, capsys):
    uri = "http://127.0.0.1:9"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    reach.check_store("portraits")
    said = capsys.readouterr().err
    assert said.startswith(f"WARNING: the MLflow store {uri} cannot be reached: ")
    assert said.count("\n") == 1


def test_a_server_that_never_answers_is_not_waited_for(project, monkeypatch, capsys):
    monkeypatch.setattr(reach, "TIMEOUT", 0.2)
    import mlflow.store.tracking  # noqa: F401  # its import is not what is measured

    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        start = time.monotonic()
        reach.check_store("portraits")
        assert time.monotonic() - start < 5
    assert "it does not answer within 0.2 s" in capsys.readouterr().err


def test_a_database_of_ones_own_is_left_to_the_stages(project, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///new.db")
    reach.check_store("portraits")
    assert not Path("new.db").exists()
    assert capsys.readouterr().err == ""

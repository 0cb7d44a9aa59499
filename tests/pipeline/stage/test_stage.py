import os
import signal
import subprocess
import sys
from unittest.mock import Mock

import pytest

from pipeline import stage
from tests.support.paths import ROOT

COPY = ".dvc/tmp/exps/tmpabc123"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with an experiment's copy inside, as DVC makes it; no DVC_ROOT."""
    root = tmp_path / "project"
    (root / COPY / ".dvc").mkdir(parents=True)
    (root / "src").mkdir()
    (tmp_path / "other" / ".dvc").mkdir(parents=True)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return root


@pytest.mark.parametrize("named", [None, ".", COPY, "../other"])
@pytest.mark.parametrize("where", [".", "src", COPY])
def test_root_is_the_original_repository(project, monkeypatch, where, named):
    """DVC_ROOT, if another project's, is not believed."""
    monkeypatch.chdir(project / where)
    if named:
        monkeypatch.setenv("DVC_ROOT", str(project / named))
    assert stage.project_root() == project


def test_relative_paths_are_the_original_projects(project, monkeypatch):
    monkeypatch.chdir(project / COPY)
    monkeypatch.setenv("HOME", "/home/anna")
    for path, wanted in (
        ("photos", project / "photos"),
        ("/photos", "/photos"),
        ("~/photos", "/home/anna/photos"),
        ("~no-one/photos", project / "~no-one/photos"),
    ):
        assert str(stage.resolve(path)) == str(wanted)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("can't allocate memory: you tried to allocate 9 bytes.")]
)
def test_too_little_memory_is_one_message_that_says_what_needs_less(error, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit):
        stage.run(Mock(side_effect=error))
    said = capsys.readouterr().err
    assert said.startswith("ERROR: there is not enough memory: ")
    assert "train.batch_size" in said
    assert said.count("\n") == 1


def started(code, **streams):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], env=environment, text=True, **streams)


def test_a_reader_that_leaves_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    code = "from pipeline import stage; stage.run(lambda params: print('a line'))"
    ended = started(code, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, "")


def test_what_the_terminal_cannot_show_is_no_error(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    code = "from pipeline import stage; stage.run(lambda params: print('\\udce9 \\u00fc'))"
    ended = started(code, cwd=ROOT, capture_output=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "\\udce9 \\xfc\n", "")


def test_ctrl_c_before_the_work_begins_is_one_line():
    code = "import pipeline, os, signal; os.kill(os.getpid(), signal.SIGINT)"
    ended = started(
        code,
        stderr=subprocess.PIPE,
        # A test run in the background may ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert ended.returncode != 0
    assert ended.stderr == "Interrupted\n"

"""A line where no bar can be seen, also while a single step takes long."""

import io
import re
import sys
import time

import pytest

from srcnn import progress as module
from srcnn.progress import Progress, progress


@pytest.fixture(autouse=True)
def silence(monkeypatch):
    monkeypatch.setattr(module, "SILENCE", 0.05)


def wait_for(text, capsys):
    said = ""
    for _ in range(1000):
        said += capsys.readouterr().err
        if re.search(text, said):
            return
        time.sleep(0.01)
    pytest.fail(f"no {text!r} in {said!r}")


def test_silence_is_broken_also_within_a_step(capsys):
    items = progress("ab", "fetch", 2, "picture")
    assert next(items) == "a"
    wait_for("^fetch: picture 0 of 2\n", capsys)
    assert next(items) == "b"
    wait_for(r"fetch: picture 1 of 2, about \d+ s left\n", capsys)
    assert not list(items)


def test_without_a_known_end_what_is_done_is_counted(capsys):
    with Progress("fetch", None, "picture") as shown:
        shown.update()
        wait_for("^fetch: picture 1\n", capsys)


def test_news_is_a_line_at_once_and_breaks_the_silence(capsys, monkeypatch):
    monkeypatch.setattr(module, "SILENCE", 60.0)
    with Progress("train", 9, "step", done=9) as shown:
        shown.tell("30 dB")
    assert capsys.readouterr().err == "train: step 9 of 9: 30 dB\n"


def test_of_several_processes_the_others_are_silent(capsys):
    with Progress("train", 9, "step", hidden=True) as shown:
        shown.update()
        shown.tell("30 dB")
        time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_without_lines(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("train", 9, "step") as shown:
        shown.tell("30 dB")
        shown.update()
        time.sleep(0.2)
    assert "train: " in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1

import os
import shutil
import subprocess
import sys

import pytest

from pipeline.tracking import owner
from tests.support.paths import ROOT

SAY_OWNER = "from pipeline.tracking import owner; print(owner.current())"


def said_by(*command: str) -> str:
    """The owner that a Python process names, started by a command."""
    done = subprocess.run(
        [*command, sys.executable, "-c", SAY_OWNER],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return done.stdout.strip()


def test_owner_is_alive_until_its_process_ends():
    assert owner.is_dead(owner.current()) is False
    # Run by hand, the child owns itself: no dvc is among its parents here.
    assert owner.is_dead(said_by()) is True


def test_reused_process_number_is_another_process():
    process, _, start = owner.current().rpartition("/")
    assert owner.is_dead(f"{process}/{float(start) - 100:.0f}") is True


def test_a_step_of_the_wall_clock_kills_nobody(monkeypatch):
    mine = owner.current()
    monkeypatch.setattr("psutil.Process.create_time", lambda self: 0.0)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert owner.current() == mine
    assert owner.is_dead(mine) is False


@pytest.mark.parametrize("field", [1, 2], ids=["another boot", "another pid namespace"])
def test_nothing_is_known_of_other_hosts(field):
    fields = owner.current().split("/")
    fields[field] = "other"
    assert owner.is_dead("/".join(fields)) is None


def test_nothing_is_known_of_what_no_pipeline_wrote():
    assert owner.is_dead("") is None
    assert owner.is_dead("host:123:456") is None


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare"
)
@pytest.mark.parametrize("mount", [("--mount-proc",), ()], ids=["own /proc", "the host's /proc"])
def test_a_container_with_this_host_name_is_another_place(mount):
    """Its process has a number that is alive here, too."""
    contained = said_by("unshare", "--pid", "--fork", *mount)
    assert contained.split("/")[0] == owner.current().split("/")[0]
    assert owner.is_dead(contained) is None

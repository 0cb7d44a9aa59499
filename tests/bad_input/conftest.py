"""A project, and the commands in it, run in this process: what they raise fails the test."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import fetch, stage
from srcnn.command.cli import main
from tests.support.models import model_file
from tests.support.params import declare_stages, write_params


class Trap:
    """Where its pickle is loaded as it stands, the test ends."""

    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("raise SystemExit('pickled code ran')",)


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code, what it said, and files that were not there before."""

    code: int
    said: str
    made: list[str]

    def is_one_error(self, *naming: str) -> bool:
        """Whether it failed with one message, which names these, and left nothing behind."""
        assert self.code not in (0, None), f"it went through: {self.said}"
        self.is_clean()
        assert self.said.count("ERROR: ") == 1, self.said
        assert not self.made
        for name in naming:
            assert name in self.said
        return True

    def is_clean(self) -> bool:
        """Whether it left nothing half and showed no traceback."""
        assert "Traceback" not in self.said
        assert len(self.said) < 20_000
        assert not [name for name in self.made if "partial" in name]
        return True


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys) -> Callable[..., Outcome]:
    """Call something that may exit, in an empty current folder."""
    (tmp_path / "work" / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)

    def outcome(function: Callable[..., object], *arguments: object) -> Outcome:
        before, code = files(Path.cwd()), 0
        capsys.readouterr()
        try:
            code = function(*arguments) or 0
        except SystemExit as ended:
            code = ended.code
        said = "".join(capsys.readouterr())
        return Outcome(code, said, sorted(files(Path.cwd()) - before))

    return outcome


@pytest.fixture
def project(run) -> Callable[..., Outcome]:
    """Run a stage in a project whose params.yaml has other values, by dotted names."""
    declare_stages(Path())
    write_params(Path())

    def stage_outcome(module, name: str | None = None, **changes: object) -> Outcome:
        if changes:
            write_params(Path(), changes)
        return run(stage.run, module.main, name)

    return stage_outcome


@pytest.fixture
def fetched(project) -> Callable[..., Outcome]:
    """Run the stage fetch on a folder of photos."""

    def outcome(path: str = "photos", **changes: object) -> Outcome:
        return project(fetch, "fetch", **{"data.source": "folder", "data.path": path} | changes)

    return outcome


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> str:
    """The file of a network x2."""
    return str(model_file(tmp_path_factory.mktemp("model")))


@pytest.fixture
def upscale(run, model) -> Callable[..., Outcome]:
    """Run `srcnn upscale` with this network."""
    return lambda *arguments: run(main, ["upscale", *arguments, "--model", model])

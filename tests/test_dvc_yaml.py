"""dvc.yaml declares for each stage the code that its result depends on, and no other."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import to_hydra_overrides

from srcnn.inference import packaged
from tests.support.imports import closure
from tests.support.params import branch_of, tree_with
from tests.support.paths import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

ALWAYS = ("check", "register")

# Code that a stage imports, but that decides nothing of its result; with the reason.
CARRIERS = {
    "pipeline/__init__.py": "puts src/ on the path",
    "src/srcnn/__init__.py": "loads the library's functions for its users",
    "src/srcnn/progress.py": "shows how far a stage is",
    "src/srcnn/openmp.py": "makes sure that there are the threads that are asked for",
    "src/srcnn/masking.py": "turns errors into messages without passwords",
    "pipeline/check.py": "says what a stage would stop at",
    **{
        file.relative_to(ROOT).as_posix(): "carries parameters, paths and files"
        for file in (ROOT / "pipeline/stage").glob("*.py")
    },
}
_OF_TRAININGS = {
    "pipeline/training/checkpoints.py": "a continued training ends in the same bits",
    "pipeline/tracking/identity.py": "says which parameters were changed",
    "pipeline/tracking/live.py": "reports to MLflow",
}
_FINDS = "finds what train.init names, whose weights are in the key"
OF_STAGE = {
    "train": {
        **_OF_TRAININGS,
        **{
            f"src/srcnn/inference/{file}.py": _FINDS
            for file in ("model_files", "packaged", "mlflow_models")
        },
    },
    "finetune": _OF_TRAININGS,
}

# Data among the code, and the file that reads it.
READ_BY = {
    "src/srcnn/perceptual/vgg19.safetensors": "src/srcnn/perceptual/embedded.py",
    **{
        packaged.file(name).relative_to(ROOT).as_posix(): "src/srcnn/inference/packaged.py"
        for name in packaged.references()
    },
}


def code_of(dep: str) -> set[str]:
    """The source files, and data among them, of a file or folder that a stage depends on."""
    path = ROOT / dep
    found = path.rglob("*") if path.is_dir() else [path]
    names = {file.relative_to(ROOT).as_posix() for file in found if not is_empty(file)}
    return {name for name in names if name.endswith(".py") or name in READ_BY}


@pytest.mark.parametrize("stage", [name for name in STAGES if name not in ALWAYS])
def test_a_stage_depends_on_the_code_that_it_imports_and_on_no_other(stage):
    """A folder may stand for its files where the stage imports most of them."""
    exceptions = CARRIERS | OF_STAGE.get(stage, {})
    main = main_of(stage)
    assert STAGES[stage]["cmd"] == f"python -m pipeline.{main.stem}"
    imported = {path.as_posix() for path in closure(main, ROOT, exceptions) if not is_empty(path)}
    needed = imported | {data for data, reader in READ_BY.items() if reader in imported}
    declared = {dep: files for dep in STAGES[stage]["deps"] if (files := code_of(dep))}
    everything = set().union(*declared.values())
    assert needed - everything == set(), "not declared"
    assert not everything & exceptions.keys()
    for dep, files in declared.items():
        assert 2 * len(files & needed) > len(files), f"{dep} is declared, but not needed"


def test_data_in_the_package_is_known_here():
    files = {file.relative_to(ROOT).as_posix() for file in (ROOT / "src").rglob("*.safetensors")}
    assert files == READ_BY.keys()


def test_dvc_takes_the_values_that_the_docs_give_to_parameters():
    docs = [*(ROOT / "docs").glob("*.md"), ROOT / "docs" / "kubernetes.yaml"]
    pages = [ROOT / "README.md", ROOT / "params.yaml", *docs]
    given = {
        re.sub(r"\$\w+", "/x", setting.strip("',"))
        for page in pages
        for setting in re.findall(r"-S ('[^']*'|[^\s`\"]+)", page.read_text(encoding="utf-8"))
        if "…" not in setting
    }
    assert len(given) > 50
    for setting in given:
        assert to_hydra_overrides([setting])
        name = setting.partition("=")[0]
        if not name.startswith(("+", "~")):
            branch, leaf = branch_of(tree_with(), name)
            assert leaf in branch, setting


def is_empty(file: Path) -> bool:
    """Whether a source file has nothing but a docstring, as most packages' __init__.py."""
    return (
        file.suffix == ".py" and len(ast.parse((ROOT / file).read_text(encoding="utf-8")).body) <= 1
    )


def main_of(stage: str) -> Path:
    """The file that a stage runs."""
    return Path("pipeline", f"{stage.replace('-', '_')}.py")


@pytest.mark.parametrize("stage", ALWAYS)
def test_what_runs_always_needs_no_code_declared(stage):
    assert next(iter(STAGES)) == "check"  # before any result is removed
    assert STAGES[stage]["always_changed"] is True
    assert not [dep for dep in STAGES[stage].get("deps", []) if dep.startswith(("pipeline", "src"))]


def test_dvc_keeps_every_stage_in_its_run_cache():
    """It leaves out those with a file that is not in its cache, unless it is a metric or a plot."""
    for stage in STAGES.values():
        for out in stage.get("outs", []):
            assert isinstance(out, str), f"{out} has settings of its own"

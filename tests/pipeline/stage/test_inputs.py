from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml

from pipeline.stage import StageError, paths
from pipeline.stage.inputs import Inputs, digest
from tests.pipeline.experiment import ENVIRONMENT
from tests.support.params import ROOT, params_with


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """What a stage `train` is given here: dvc.yaml, parameters, a source file and the data."""
    dvc_yaml = tmp_path / "dvc.yaml"
    dvc_yaml.write_text("stages: {train: {params: [seed, loss], deps: [data/pairs, net.py]}}")
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "net.py").write_text("layers = 3")
    (tmp_path / "data/pairs").mkdir(parents=True)
    (tmp_path / "data/pairs/index.csv").write_text("id")
    (tmp_path / "data/pairs/meta.json").write_text('{"sha256": "abc"}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "DVC_YAML", dvc_yaml)
    return tmp_path


def key(environment=ENVIRONMENT, **changes):
    return Inputs.of("train", params_with().model_copy(update=changes)).key(environment)


def test_key_is_of_what_the_stage_declares(checkout):
    first = key()
    assert key() == first
    assert key(seed=1) != first
    loss = params_with().loss
    assert key(loss=loss.model_copy(update={"pixel": "l1"})) != first
    degrade = params_with().degrade
    assert key(degrade=degrade.model_copy(update={"scale": 2})) == first


def test_key_changes_with_code_and_data(checkout):
    first = key()
    (checkout / "net.py").write_text("layers = 4")
    second = key()
    (checkout / "data/pairs/meta.json").write_text('{"sha256": "abd"}')
    assert len({first, second, key()}) == 3


@pytest.mark.parametrize("part", [field.name for field in fields(ENVIRONMENT)])
def test_key_changes_with_each_part_of_the_environment(checkout, part):
    assert key(replace(ENVIRONMENT, **{part: 2})) != key()


def test_inputs_that_stayed_the_same_are_accepted(checkout):
    given = Inputs.of("train", params_with())
    tree = yaml.safe_load(Path("params.yaml").read_text())
    tree["degrade"]["scale"] = 2  # another stage's
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    Inputs.of("train", params_with()).check_unchanged()
    given.check_unchanged()


def test_a_parameter_changed_meanwhile_is_named_with_both_values(checkout):
    given = Inputs.of("train", params_with())
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("seed: 0", "seed: 12", 1))
    with pytest.raises(StageError, match="while train ran: seed was 0 and is 12"):
        given.check_unchanged()


@pytest.mark.parametrize("file", ["net.py", "data/pairs/index.csv"])
def test_a_file_changed_meanwhile_is_named(checkout, file):
    given = Inputs.of("train", params_with())
    Path(file).write_text("edited")
    named = file if file == "net.py" else "data/pairs"
    with pytest.raises(StageError, match=f"{named} was edited"):
        given.check_unchanged()


def test_parameters_that_became_invalid_are_a_change(checkout):
    given = Inputs.of("train", params_with())
    Path("params.yaml").write_text("seed: [")
    with pytest.raises(StageError, match=r"while train ran: params\.yaml is not valid YAML"):
        given.check_unchanged()


def test_digest_of_a_folder_is_of_names_and_contents(tmp_path):
    folder = tmp_path / "code"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/a.js").write_text("1")
    digests = [digest(folder)]
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/a.pyc").write_text("compiled")
    assert digest(folder) == digests[0]
    (folder / "sub/a.js").write_text("2")
    digests.append(digest(folder))
    (folder / "sub/a.js").rename(folder / "sub/b.js")
    digests.append(digest(folder))
    assert len(set(digests)) == 3
    assert digest(tmp_path / "none") == "missing"

from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml

from pipeline.stage import StageError, paths
from pipeline.stage.inputs import Inputs, digest
from tests.pipeline.experiment import ENVIRONMENT
from tests.support.params import params_with, tree_with, write_params


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """What a stage `train` is given here: dvc.yaml, parameters, a source file and the data."""
    dvc_yaml = tmp_path / "dvc.yaml"
    dvc_yaml.write_text("stages: {train: {params: [seed, loss], deps: [data/pairs, net.py]}}")
    write_params(tmp_path)
    (tmp_path / "net.py").write_text("layers = 3")
    (tmp_path / "data/pairs").mkdir(parents=True)
    (tmp_path / "data/pairs/index.csv").write_text("id")
    (tmp_path / "data/pairs/meta.json").write_text('{"sha256": "abc"}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "DVC_YAML", dvc_yaml)
    return tmp_path


def key(environment=ENVIRONMENT, **changes):
    return Inputs.of("train", params_with().model_copy(update=changes)).key(environment)


def test_key_is_of_what_the_stage_declares_its_code_its_data_and_the_environment(checkout):
    first = key()
    loss, degrade = params_with().loss, params_with().degrade
    assert key() == key(degrade=degrade.model_copy(update={"scale": 2})) == first
    keys = [first, key(seed=1), key(loss=loss.model_copy(update={"pixel": "l1"}))]
    parts = [field.name for field in fields(ENVIRONMENT)]
    keys += [key(replace(ENVIRONMENT, **{part: 2})) for part in parts]
    for file, content in (("net.py", "layers = 4"), ("data/pairs/meta.json", '{"sha256": "abd"}')):
        (checkout / file).write_text(content)
        keys.append(key())
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("params.yaml", yaml.safe_dump(tree_with({"seed": 12})), "seed was 0 and is 12"),
        ("params.yaml", "seed: [", r"params\.yaml is not valid YAML"),
        ("net.py", "edited", "net.py was edited"),
        ("data/pairs/index.csv", "edited", "data/pairs was edited"),
    ],
)
def test_what_was_changed_meanwhile_is_named(checkout, file, content, said):
    given = Inputs.of("train", params_with())
    write_params(checkout, {"degrade.scale": 2})  # another stage's
    given.check_unchanged()
    Path(file).write_text(content)
    with pytest.raises(StageError, match=f"while train ran: {said}"):
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

from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml
from dvc.utils.serialize import parse_yaml
from mlflow.utils.validation import _validate_model_name

from pipeline.stage import params
from srcnn.perceptual.loss import LAYERS

ROOT = Path(__file__).resolve().parents[3]


def load(tmp_path, **changes):
    """params.yaml with some keys changed; "section.key" is written section__key, None deletes."""
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for name, value in changes.items():
        *groups, key = name.split("__")
        section = tree
        for group in groups:
            section = section[group]
        section[key] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return params.load(path)


def test_every_parameter_has_a_comment_and_a_dotted_name(tmp_path):
    flat = load(tmp_path).flat()
    lines = (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()
    for name in flat:
        key = name.split(".")[-1]
        described = [line for line in lines if line.strip().startswith(f"{key}:")]
        assert described, name
        # the three shares of data.split share one comment
        if not name.startswith(("data.split.", "loss.perceptual_layers.")):
            assert any("#" in line for line in described), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train__stepps": 5}, "train.stepps: unknown parameter"),
        ({"extra": 5}, "extra: unknown parameter"),
        ({"data__group_by": "^([a-z"}, "data.group_by: '^([a-z' is no regular expression (unterm"),
        ({"data__group_by": ""}, "data.group_by is ''; String should have at least 1"),
        ({"train__steps": "many"}, "train.steps is 'many'; it should be a valid integer"),
        ({"train__steps": -1}, "train.steps is -1; it should be greater than or equal to 0"),
        ({"train__lr": -0.1}, "train.lr is -0.1; it should be greater than 0"),
        ({"train__lr": float("nan")}, "train.lr is nan; it should be"),
        ({"train__momentum": 1.0}, "train.momentum is 1.0; it should be less than 1"),
        ({"machine__device": "tpu"}, "machine.device is 'tpu'; it should be 'auto', 'cpu'"),
        ({"train__augment": "yes please"}, "train.augment is 'yes please'; it should be a valid"),
        ({"loss__perceptual_weight": -1.0}, "loss.perceptual_weight is -1.0; it should be greater"),
        (
            {"loss__pixel": "mae"},
            "loss.pixel is 'mae'; it should be 'mse', 'rmse', 'l1' or 'charbonnier'",
        ),
        (
            {"model__srcnn__kernels": [9, 4, 5]},
            "model.srcnn.kernels has 4; kernel sizes must be odd",
        ),
        ({"model__srcnn__kernels": [9, 5]}, "model.srcnn.kernels is [9, 5]"),
        ({"model__srcnn__channels": [0, 32]}, "model.srcnn.channels.0 is 0"),
        ({"degrade__scale": 5}, "degrade.scale is 5; it should be 2, 3, 4 or 8"),
        ({"degrade__luma": "rgb"}, "degrade.luma is 'rgb'"),
        ({"degrade__jpeg_quality": 0}, "degrade.jpeg_quality is 0"),
        ({"degrade__noise_sigma": -1}, "degrade.noise_sigma is -1"),
        ({"data__source": "imagenet"}, "data.source is 'imagenet'; it should be 'samples'"),
        ({"data__source": "folder"}, "data.path must name a folder"),
        ({"data__limit": 0}, "data.limit is 0"),
        ({"data__split": {"train": 0.9, "val": 0.2, "test": 0.2}}, "train + val + test = 1.3"),
        ({"data__split": {"train": 0.8, "val": 0.2, "test": 0.0}}, "greater than 0"),
        ({"train__patch_size": 46}, "train.patch_size is 46; it must be a multiple of"),
        (
            {"finetune__patch_size": 46, "finetune__control": True},
            "finetune.patch_size is 46; it must be a multiple of",
        ),
        ({"finetune__perceptual_patches": 7}, "at most finetune.batch_size (6) is allowed"),
        ({"finetune__mix": 1.5}, "finetune.mix is 1.5; it should be less than or equal to 1"),
        (
            {"finetune__control": True, "loss__perceptual_weight": 0.01},
            "loss.perceptual_weight is 0.01 and must be 0 with it",
        ),
        ({"train__patch_size": 16}, "train.patch_size is 16"),
        ({"loss__perceptual_layers": {"relu9_1": 1.0}}, "no layer 'relu9_1'; it has conv1_1 to"),
        ({"loss__perceptual_layers": {"conv2_3": 1.0}}, "no layer 'conv2_3'"),
        ({"loss__perceptual_layers": {}}, "loss.perceptual_layers: name at least one layer"),
        (
            {"loss__perceptual_layers": {"conv5_4": 0.0}},
            "loss.perceptual_layers.conv5_4 is 0.0; it should be greater than 0",
        ),
        ({"loss__perceptual_distance": "l2"}, "loss.perceptual_distance is 'l2'"),
        ({"loss__perceptual_feature_scale": 0.0}, "loss.perceptual_feature_scale is 0.0"),
        ({"loss__vgg19_weights": ""}, "loss.vgg19_weights is ''"),
        ({"evaluate__lpips": "yes"}, "evaluate.lpips is 'yes'; it should be 'auto', True or False"),
        ({"evaluate__perceptual_pictures": 0}, "evaluate.perceptual_pictures is 0"),
        (
            {"loss__perceptual_weight": 0.01, "finetune__patch_size": 28},
            "finetune.patch_size is 28; at least 32 pixels are needed: 16 as context of model.name "
            "srcnn, 16 for the loss",
        ),
        ({"evaluate__test_sets": {"a/b": "x"}}, "evaluate.test_sets"),
        ({"seed": -1}, "seed is -1"),
        (
            {"tracking__model_name": "a/b"},
            "tracking.model_name: 'a/b' is no name of a model: it takes letters, digits, spaces",
        ),
        ({"tracking__model_name": " "}, "tracking.model_name: ' ' (1 characters) is no name in"),
        ({"tracking__model_name": ".."}, "tracking.model_name: '..' is no name of a model"),
        ({"tracking__model_name": "x" * 257}, "tracking.model_name: 'xx"),
        ({"tracking__experiment": ""}, "tracking.experiment: '' (0 characters) is no name"),
        ({"tracking__experiment": "x" * 501}, "(501 characters) is no name in MLflow: it takes 1"),
        ({"tracking__experiment": "a\0"}, "tracking.experiment: 'a\\x00'"),
    ],
)
def test_impossible_values_are_named_with_what_is_allowed(tmp_path, changes, message):
    with pytest.raises(params.ParamsError) as caught:
        load(tmp_path, **changes)
    assert message in str(caught.value)
    assert str(tmp_path / "params.yaml") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("data.limit", "valid integer, or null"),
        ("data.group_by", "at least 1 character, or null"),
        ("machine.workers", "valid integer, or null"),
        ("degrade.jpeg_quality", "valid integer, or null"),
        ("evaluate.perceptual_pictures", "valid integer, or null"),
        ("train.steps", "valid integer"),
        ("evaluate.lpips", "'auto', True or False"),
    ],
)
def test_null_is_named_where_it_is_allowed_for_what_was_left_empty(tmp_path, name, allowed):
    with pytest.raises(params.ParamsError, match=rf"{name} is ''; .*{allowed}$"):
        load(tmp_path, **{name.replace(".", "__"): ""})


@pytest.mark.parametrize("name", ["srcnn", "a b", "_x.y-z", "Ü", "x" * 256])
def test_mlflow_takes_every_name_of_a_model_that_passes(tmp_path, name):
    _validate_model_name(load(tmp_path, tracking__model_name=name).tracking.model_name)


def test_every_layer_of_vgg19_and_no_other_may_be_named(tmp_path):
    weighted = dict.fromkeys(LAYERS, 1.0)
    assert load(tmp_path, loss__perceptual_layers=weighted).loss.perceptual_layers == weighted


def test_a_shallow_layer_is_content_with_a_small_patch(tmp_path):
    layers = {"relu2_2": 1.0}
    changes = {"loss__perceptual_weight": 0.01, "loss__perceptual_layers": layers}
    assert load(tmp_path, **changes, finetune__patch_size=20).finetune.patch_size == 20


def test_all_problems_are_in_one_message(tmp_path):
    with pytest.raises(params.ParamsError) as caught:
        load(tmp_path, train__steps=-1, loss__pixel="x", seed="a")
    for key in ("train.steps", "loss.pixel", "seed"):
        assert key in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("train.device", "machine.device"),
        ("train.threads", "machine.threads"),
        ("train.processes", "machine.processes"),
        ("data.workers", "machine.workers"),
        ("model.kernels", "model.srcnn.kernels"),
        ("model.channels", "model.srcnn.channels"),
        ("model.residual", "model.srcnn.residual"),
    ],
)
def test_a_parameter_that_has_moved_is_told_with_its_new_name(tmp_path, old, new):
    with pytest.raises(params.ParamsError, match=rf" {old}: this parameter is {new} now$"):
        load(tmp_path, **{old.replace(".", "__"): 1})


def test_missing_parameter_is_named(tmp_path):
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    del tree["train"]["steps"]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    with pytest.raises(params.ParamsError, match=r"train\.steps: missing"):
        params.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [("a: [", "is not valid YAML"), ("", "must hold a mapping"), ("- 1", "must hold a mapping")],
)
def test_file_that_is_no_mapping(tmp_path, content, message):
    path = tmp_path / "params.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(params.ParamsError, match=message):
        params.load(path)


def test_a_failure_without_a_message_is_named(monkeypatch):
    monkeypatch.setattr(params.YAML, "load", Mock(side_effect=MemoryError))
    with pytest.raises(params.ParamsError, match="is not valid YAML: MemoryError"):
        params.load(ROOT / "params.yaml")


def test_missing_file(tmp_path):
    with pytest.raises(params.ParamsError, match="no such file"):
        params.load(tmp_path / "params.yaml")


# -S train.lr=1e-5 makes DVC write the first; of the next three YAML 1.1 makes 8, True and 90.
VALUES = ["1e-05", "010", "yes", "1:30", "0o10", "0x10", "1_000", "~", "", "''", "Off", ".5", "="]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_what_dvc_takes_it_for(value):
    def read(parse):
        try:
            return repr(parse(f"key: {value}", "params.yaml"))
        except Exception:
            return "refused"

    assert read(params.parse) == read(parse_yaml)


def test_a_key_that_comes_twice_is_refused_as_dvc_does(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text(encoding="utf-8") + "seed: 1\n")
    with pytest.raises(params.ParamsError, match=r'is not valid YAML: line \d+: .* key "seed"'):
        params.load(path)

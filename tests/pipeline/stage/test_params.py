import pytest
from dvc.utils.serialize import parse_yaml
from mlflow.utils.validation import _validate_model_name

from pipeline.stage import params
from srcnn.networks import NETWORKS, build
from srcnn.perceptual.loss import LAYERS
from tests.support.params import params_with, tree_with
from tests.support.paths import ROOT

DEFAULTS = (ROOT / "params.yaml").read_text(encoding="utf-8")
VGG19 = {"loss.perceptual_weight": 0.01}
CONTROL = {"finetune.control": True}


def refused(changes):
    """What is said of params.yaml with other values, by dotted names."""
    with pytest.raises(params.ParamsError) as caught:
        params.validated(tree_with(changes))
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.stepps": 5}, "train.stepps: unknown parameter"),
        ({"train.device": 1}, "train.device: this parameter is machine.device now"),
        ({"model.kernels": 1}, "model.kernels: this parameter is model.srcnn.kernels now"),
        ({"data.group_by": "^([a-z"}, "data.group_by: '^([a-z' is no regular expression (unterm"),
        ({"data.source": "imagenet"}, "data.source is 'imagenet'; it should be 'samples'"),
        ({"data.source": "folder"}, "data.path must name a folder"),
        ({"data.split": {"train": 0.9, "val": 0.2, "test": 0.2}}, "train + val + test = 1.3"),
        ({"data.split": {"train": 0.8, "val": 0.2, "test": 0.0}}, "greater than 0"),
        ({"model.name": "vdsr"}, "model.name: 'vdsr' is no network; there are srcnn, fsrcnn, e"),
        ({"model.srcnn.kernels": [9, 4, 5]}, "model.srcnn.kernels has 4; kernel sizes must be odd"),
        ({"model.srcnn.channels": [0, 32]}, "model.srcnn.channels.0 is 0"),
        ({"train.steps": "many"}, "train.steps is 'many'; it should be a valid integer"),
        ({"train.patch_size": 46}, "train.patch_size is 46; it must be a multiple of"),
        ({"train.patch_size": 16}, "train.patch_size is 16; at least 17 pixels are needed"),
        (CONTROL | {"finetune.patch_size": 46}, "finetune.patch_size is 46; it must be a multiple"),
        (VGG19 | {"finetune.patch_size": 28}, "at least 35 pixels are needed: 16 as context of m"),
        ({"finetune.perceptual_patches": 7}, "at most finetune.batch_size (6) is allowed"),
        (VGG19 | CONTROL, "loss.adversarial_weight 0: both must be 0"),
        ({"loss.perceptual_layers": {"relu9_1": 1.0}}, "is 'relu9_1'; String should match pattern"),
        ({"loss.perceptual_layers": {}}, "loss.perceptual_layers is {}; Dictionary should have at"),
        ({"evaluate.lpips": "yes"}, "evaluate.lpips: 'yes' is not auto, true, false or a"),
        ({"evaluate.test_sets": {"a/b": "x"}}, "evaluate.test_sets"),
        ({"tracking.model_name": "a/b"}, "tracking.model_name is 'a/b'; String should match"),
        ({"tracking.model_name": "x" * 257}, "String should have at most 256 characters"),
        ({"tracking.experiment": "a\0"}, "tracking.experiment is 'a\\x00'; String should match"),
    ],
)
def test_impossible_values_are_named_with_what_is_allowed(changes, message):
    assert message in refused(changes)


@pytest.mark.parametrize("name", ["srcnn", "a b", "_x.y-z", "Ü", "x" * 256])
def test_mlflow_takes_every_name_of_a_model_that_passes(name):
    _validate_model_name(params_with({"tracking.model_name": name}).tracking.model_name)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_margin_of_a_patch_is_the_network_s(name):
    model = params_with({"model.name": name}).model
    assert model.margin == build(name, 4, model.network.model_dump()).margin


def test_every_layer_of_vgg19_may_be_named_and_a_shallow_one_needs_but_a_small_patch():
    params_with({"loss.perceptual_layers": dict.fromkeys(LAYERS, 1.0)})
    shallow = {"loss.perceptual_layers": {"relu2_2": 1.0}}
    params_with(VGG19 | shallow | {"finetune.patch_size": 24})


def test_all_problems_are_in_one_message():
    said = refused({"train.steps": -1, "loss.pixel": "x", "seed": "a"})
    assert all(key in said for key in ("train.steps", "loss.pixel", "seed"))


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{DEFAULTS}seed: 1\n", r'is not valid YAML: line \d+: .* key "seed"'),  # as DVC does
        ("seed: 0", "cannot be used:\n  data: missing"),
    ],
)
def test_a_key_that_comes_twice_or_is_missing_is_named(tmp_path, content, message):
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(params.ParamsError, match=message):
        params.load(path)

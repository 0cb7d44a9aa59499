"""An experiment in MLflow exactly once, whole, and true to what was computed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline import register, stage
from pipeline.stage import paths
from pipeline.stage.inputs import digest
from pipeline.stage.record import Evaluated, Trained
from pipeline.tracking import publication, registry
from pipeline.tracking.points import times
from pipeline.tracking.store import TRAINING_RUN
from srcnn.inference import model_files
from tests.pipeline.experiment import load_params
from tests.pipeline.published import all_runs, check_whole, publish_another, versions
from tests.support.published import points

# Every step that publishing takes, in their order, in a place where it can be cut short.
STEPS = [
    (MlflowClient, "create_run"),
    (MlflowClient, "update_run"),
    (MlflowClient, "log_batch"),
    (MlflowClient, "log_inputs"),
    (MlflowClient, "log_artifacts"),
    (registry.Model, "log"),
    (MlflowClient, "create_registered_model"),
    (MlflowClient, "create_model_version"),
    (publication, "_tag"),
    (MlflowClient, "set_terminated"),
    (publication, "_settle"),
    (MlflowClient, "set_registered_model_alias"),
]

IMAGE = "{run}/artifacts/images/* HR*.png"


class Killed(BaseException):
    """The process ends here."""


def test_published_once_whole_whatever_params_yaml_says_by_now(published, capsys):
    (run,) = all_runs(published)
    check_whole(published, run)
    # params.yaml was edited since
    register.main(load_params({"train.patch_size": 48, "train.lr": 7.0, "seed": 9}))
    (again,) = all_runs(published)
    assert again.data.tags == run.data.tags
    assert again.data.params == run.data.params
    assert run.data.params["seed"] == "0"
    check_whole(published, again)
    assert "it was there already" in capsys.readouterr().out


def test_it_ends_with_the_result_and_what_to_do_next(experiment, capsys):
    evaluation = json.loads(paths.EVALUATION.read_text())
    evaluation["psnr_source_gain_ci95"] = [-0.25, 0.75]
    paths.EVALUATION.write_text(json.dumps(evaluation))
    register.main(load_params())
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{evaluation['network']} {evaluation['psnr']:.2f} dB, bicubic ")
    gain = f"mean gain over 3 sources {evaluation['psnr_source_gain']:+.2f} dB"
    assert f"{gain} (95 % interval -0.25 to +0.75)" in said[0]
    assert said[-1].startswith("Next: `python -m pipeline.compare`")
    assert f"5000/#/experiments/{experiment.experiment_id}/runs?view" in said[-1]


def test_a_version_says_what_it_is_and_how_it_compares_with_the_package_s_network(published):
    (version,) = versions(published)
    assert version.description.startswith("SRCNN 3-1-3, x2, mse, samples: **")
    assert version.tags["loss"] == "mse"
    assert version.tags["untrained_features"] == "false"
    assert version.tags["experiment"] == all_runs(published)[0].info.run_name
    gain = json.loads(paths.EVALUATION.read_text())["validation"]["psnr_over_packaged"]
    assert gain < 0
    assert version.tags["val_psnr_over_packaged"] == str(gain)
    assert model_files.load().title.startswith("packaged:x2 (the champion, version 1, is ")


def _other_weights():
    paths.WEIGHTS.write_bytes(paths.WEIGHTS.read_bytes()[:-4] + b"\0\0\0\1")


def _other_curve():
    paths.TRAINING_CURVE.write_text(paths.TRAINING_CURVE.read_text() + "15,,,,,,,,\n")


def _evaluated_with_another_seed():
    given = Evaluated.read(paths.EVALUATED)
    given.params["seed"] = 5
    given.write(paths.EVALUATED)


def _evaluated_another_model():
    trained = Trained.read(paths.TRAINED)
    _other_weights()
    replace(trained, weights=digest(paths.WEIGHTS)).write(paths.TRAINED)


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        (_other_weights, r"srcnn\.safetensors.*another sha256"),
        (_other_curve, "they differ in metrics/training.csv"),
        (_evaluated_with_another_seed, "they differ in seed"),
        (_evaluated_another_model, "they differ in models/srcnn.safetensors"),
        (lambda: paths.EVALUATED.unlink(), "provenance.json is missing"),
    ],
)
def test_results_that_do_not_belong_together_are_refused(experiment, mix, message):
    mix()
    with pytest.raises(stage.StageError, match=message):
        register.main(load_params())
    assert all_runs(experiment) == []


def failing(patch, place, step, error):
    """Let this step's first call end with an error, after its work."""
    done, calls = getattr(place, step), []

    def call(*args, **kwargs):
        calls.append(step)
        result = done(*args, **kwargs)
        if len(calls) == 1:
            raise error
        return result

    patch.setattr(place, step, call)


def test_publishing_killed_after_each_step_in_turn_is_completed(experiment, monkeypatch):
    for place, step in STEPS:
        with monkeypatch.context() as patch:
            failing(patch, place, step, Killed())
            with pytest.raises(Killed):
                register.main(load_params())
    register.main(load_params())
    (run,) = all_runs(experiment)
    check_whole(experiment, run)


def test_requests_whose_answers_are_lost_are_repeated_without_doubling(experiment, monkeypatch):
    for place, step in STEPS:
        failing(monkeypatch, place, step, MlflowException("the connection broke"))
    monkeypatch.setattr(register, "_PAUSES", (0.01,) * len(STEPS))
    register.main(load_params())
    (run,) = all_runs(experiment)
    check_whole(experiment, run)


def test_a_run_is_finished_only_when_all_of_it_is_there(experiment, monkeypatch):
    done, seen = MlflowClient.set_terminated, []

    def look(client, run_id, *args, **kwargs):
        run = client.get_run(run_id)
        seen.append((len(versions(experiment)), "model.version" in run.data.tags))
        seen.append({file.path for file in client.list_artifacts(run_id)})
        return done(client, run_id, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, "set_terminated", look)
    register.main(load_params())
    assert seen[0] == (1, True)
    assert {"figures", "metrics", "reconstructions"} <= seen[1]


def test_another_evaluation_has_its_own_run_and_a_champion_of_other_data_stays(published, capsys):
    (first,) = all_runs(published)
    (version,) = versions(published)
    published.client.set_model_version_tag("srcnn", version.version, registry.DATA, "other")
    publish_another()
    assert "champion version 1" in (said := capsys.readouterr().out)
    assert "validated on other pictures or at another scale" in said
    second = next(run for run in all_runs(published) if run.info.run_id != first.info.run_id)
    assert second.data.tags[TRAINING_RUN] == first.info.run_id
    assert second.data.params["evaluate.lpips"] == "false"
    assert points(published.client, second, "val/psnr") == [(0, 28.5), (10, 30.1)]
    assert times(published, [second]) == times(published, [first])

    publish_another(promote=True)
    assert "champion version 2" in (said := capsys.readouterr().out)
    assert "other pictures" not in said


def test_a_mended_code_of_the_served_model_is_a_new_version(published, monkeypatch):
    monkeypatch.setattr(registry, "_served_code", lambda: "mended")
    register.main(load_params())
    assert len(all_runs(published)) == 1
    assert sorted(int(version.version) for version in versions(published)) == [1, 2]
    champion = published.client.get_model_version_by_alias("srcnn", "champion")
    assert str(champion.version) == "2"


@pytest.mark.parametrize("lost", ["registry", "", IMAGE])
def test_what_was_deleted_in_the_registry_or_beside_the_database_is_put_back(published, lost):
    (run,) = all_runs(published)
    if lost == "registry":
        published.client.delete_registered_model("srcnn")
    else:
        for path in Path().glob(f"mlartifacts/{lost.format(run=run.info.run_id)}"):
            path.unlink() if path.is_file() else shutil.rmtree(path)
    register.main(load_params())
    (run,) = all_runs(published)
    check_whole(published, run)


def test_what_is_listed_and_was_not_changed_is_not_uploaded_again(published, monkeypatch):
    done, uploaded = MlflowClient.log_artifacts, []

    def log(client, run_id, folder, place):
        uploaded.append(place)
        done(client, run_id, folder, place)

    monkeypatch.setattr(MlflowClient, "log_artifacts", log)
    register.main(load_params())
    assert uploaded == []
    next(paths.FIGURES.iterdir()).write_bytes(b"drawn by other code")
    register.main(load_params())
    assert sorted(uploaded) == ["figures", "images", "metrics", "reconstructions"]
    check_whole(published, *all_runs(published))


def test_the_champion_is_not_that_of_a_deleted_run(published, capsys):
    (run,) = all_runs(published)
    published.client.delete_run(run.info.run_id)
    register.main(load_params())
    assert "champion version 2" in capsys.readouterr().out

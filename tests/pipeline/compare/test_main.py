import json
import subprocess

import pytest

from pipeline.compare import __main__ as compare
from pipeline.compare import choice, runs
from pipeline.stage import StageError, paths
from pipeline.tracking import identity
from pipeline.tracking.store import RESULTS, RunState, Store
from srcnn.inference.mlflow_models import CONTENT_TAG
from srcnn.scoring.scores import write_scores
from tests.pipeline.compare.compared import parts
from tests.pipeline.experiment import load_params


def publish(store, folder, made, results):
    """What register puts into MLflow, as far as a comparison needs it."""
    (folder / "metrics").mkdir(parents=True)
    sets = {name: list(scores.values()) for name, scores in results.scores.items()}
    (folder / paths.PER_IMAGE).write_text(write_scores(sets))
    results.curve.to_csv(folder / paths.TRAINING_CURVE, index=False)
    (folder / paths.EVALUATION).write_text(json.dumps(results.evaluation))
    (folder / "reconstructions").mkdir()
    index = []
    for k, picture in enumerate(results.pictures):
        index.append({"file": f"{k:02d}", "id": picture.id, "whole": picture.whole})
        for kind, content in picture.png.items():
            (folder / f"reconstructions/{k:02d}-{kind}.png").write_bytes(content)
    (folder / "reconstructions/index.json").write_text(json.dumps(index))
    run = store.client.create_run(store.experiment_id, run_name=made.name)
    store.log_params(run.info.run_id, made.params)
    store.log_metrics(run, made.metrics)
    store.client.log_artifacts(run.info.run_id, str(folder))
    store.tag(run.info.run_id, made.tags | {CONTENT_TAG: "content"})
    store.move(run.info.run_id, RunState.FINISHED)
    return run.info.run_id


def test_two_runs_are_compared_from_mlflow_alone(project, capsys):
    store = Store("portrait-srcnn")
    a, b = parts("pixel"), parts("perceptual", "0.01", shift=0.5)
    ids = [publish(store, project / f"made{i}", *pair) for i, pair in enumerate((a, b))]
    store.client.create_run(store.experiment_id, run_name="unfinished")
    found = runs.published("portrait-srcnn")
    assert [e.run_id for e in found] == ids[::-1]
    read = found[0].results
    assert read.scores == b[1].scores
    assert read.pictures == b[1].pictures
    assert read.evaluation == b[1].evaluation

    compare.main(load_params(), compare.parse([]))
    printed = capsys.readouterr().out
    assert f"A  pixel (run {ids[0][:8]})" in printed
    assert "significantly better in PSNR" in printed
    assert ids[1] in (project / "comparison.html").read_text(encoding="utf-8")

    compare.main(load_params(), compare.parse(["perceptual", ids[0]]))
    assert f"B  pixel (run {ids[0][:8]})" in capsys.readouterr().out

    store.client.delete_run(ids[1])
    with pytest.raises(StageError, match="no pixel-only and perceptual experiment"):
        compare.main(load_params(), compare.parse([]))


def test_missing_store_is_not_made(project):
    (project / "mlflow.db").unlink()
    with pytest.raises(StageError, match=r"there is no MLflow store.*dvc repro"):
        compare.main(load_params(), compare.parse([]))
    assert not (project / "mlflow.db").exists()


def test_an_experiment_that_is_not_there_is_not_made(project):
    store = Store("portrait-srcnn")
    before = {experiment.name for experiment in store.client.search_experiments()}
    params = load_params()
    tracking = params.tracking.model_copy(update={"experiment": "portrait-srnn"})
    with pytest.raises(StageError, match=r"tracking\.experiment is 'portrait-srnn', which .* hold"):
        compare.main(params.model_copy(update={"tracking": tracking}), compare.parse([]))
    assert {experiment.name for experiment in store.client.search_experiments()} == before


def test_an_experiment_that_was_renamed_in_dvc_is_found_by_either_name(project):
    store = Store("portrait-srcnn")
    paths.EVALUATED.parent.mkdir()
    for command in (("init", "-q"), ("config", "user.name", "T"), ("config", "user.email", "t@e")):
        subprocess.run(["git", *command], check=True)
    for weights in ("one", "two"):
        paths.EVALUATED.write_text(weights)
        subprocess.run(["git", "add", "metrics"], check=True)
        subprocess.run(["git", "commit", "-qm", weights], check=True)
        ref = f"refs/exps/ab/cdef/{weights}-new-name"
        subprocess.run(["git", "update-ref", ref, "HEAD"], check=True)
        run = store.client.create_run(store.experiment_id, run_name=weights)
        tags = {RESULTS: identity.results_id(), CONTENT_TAG: "content"}
        store.tag(run.info.run_id, tags)
        store.move(run.info.run_id, RunState.FINISHED)
    found = runs.published("portrait-srcnn")
    for weights, wanted in zip(("one", "two"), reversed(found), strict=True):
        for name in (weights, f"{weights}-new-name"):
            assert choice.find(found, [name]) == [wanted]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["one"], "2 to 26 experiments or none, not 1"),
        (["one"] * 27, "2 to 26 experiments or none, not 27"),
        (["--blend", "1.5"], "--blend 1.5 is no share, from 0 to 1"),
        (["--folder", "nowhere"], "'nowhere' is not NAME=FOLDER with a folder that is there"),
        (["--figure", "a.gif"], "a.gif must end in .pdf, .png, .svg"),
        (["--pictures", "a"], "--pictures are those of --figure"),
    ],
)
def test_a_wrong_command_line_is_one_error_that_says_why(words, why, capsys):
    with pytest.raises(SystemExit):
        compare.parse(words)
    assert why in capsys.readouterr().err

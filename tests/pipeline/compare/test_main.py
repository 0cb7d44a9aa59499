import pytest

from pipeline.compare import __main__ as compare
from pipeline.compare import choice, runs
from pipeline.stage import StageError, paths
from pipeline.tracking import identity
from pipeline.tracking.store import RESULTS, RunState, Store
from srcnn.inference.mlflow_models import CONTENT_TAG
from tests.pipeline.experiment import load_params
from tests.support.git import commit_all, git


def test_an_experiment_that_is_not_there_is_not_made(project):
    store = Store("portrait-srcnn")
    params = load_params({"tracking.experiment": "portrait-srnn"})
    with pytest.raises(StageError, match=r"tracking\.experiment is 'portrait-srnn', which .* hold"):
        compare.main(params, compare.parse([]))
    assert not store.client.get_experiment_by_name("portrait-srnn")


def test_an_experiment_that_was_renamed_in_dvc_is_found_by_either_name(project):
    store = Store("portrait-srcnn")
    paths.EVALUATED.parent.mkdir()
    for weights in ("one", "two"):
        paths.EVALUATED.write_text(weights)
        commit_all()
        git("update-ref", f"refs/exps/ab/cdef/{weights}-new-name", "HEAD")
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

"""Experiments in DVC's queue, two at a time."""

from srcnn.registry import names_in


def test_twins_share_a_run_changed_code_has_its_own_and_a_known_one_adds_its_name(project):
    losses = project.folder / "src/srcnn/losses.py"
    original = losses.read_text()
    queue = ("dvc", "exp", "run", "--queue", "-n")
    project.run(*queue, "twin-a", "-S", "seed=5")
    project.run(*queue, "twin-b", "-S", "seed=5")
    changed = original.replace('"mse": F.mse_loss', '"mse": lambda a, b: 7 + F.mse_loss(a, b)')
    assert changed != original
    losses.write_text(changed)
    project.run(*queue, "changed", "-S", "seed=5")
    losses.write_text(original)
    project.run(*queue, "equal")
    project.run("dvc", "queue", "start", "--jobs", "2")
    project.wait_for_queue()

    assert len(project.runs()) == 3
    by_names = {names(run): run for run in project.runs()}
    assert by_names["twin-a, twin-b"].data.metrics["train/loss"] < 1
    assert by_names["changed"].data.metrics["train/loss"] > 7
    (first,) = by_names.keys() - {"twin-a, twin-b", "changed"}
    assert first.split(", ")[0] == "equal"  # the other is main's
    assert {run.info.status for run in project.runs()} == {"FINISHED"}
    assert len(project.client.search_model_versions("name = 'srcnn'")) == 3


def names(run):
    """Of the experiments that the run is of, sorted."""
    return ", ".join(names_in(run.data.tags))

import subprocess

from pipeline.tracking import identity


def test_experiment_name_outside_dvc_is_branch_and_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    assert identity.experiment_name() == "no-commit"
    for command in (
        ("init", "-q", "-b", "topic"),
        ("-c", "user.name=T", "-c", "user.email=t@e", "commit", "-qm", "x", "--allow-empty"),
    ):
        subprocess.run(["git", *command], check=True)
    assert identity.experiment_name().startswith("topic-")
    subprocess.run(["git", "checkout", "-q", "--detach"], check=True)
    assert identity.experiment_name().startswith("detached-")
    monkeypatch.setenv("DVC_EXP_NAME", "bold-name")
    assert identity.experiment_name() == "bold-name"


def test_results_and_parameters_do_not_make_a_checkout_dirty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").mkdir()
    for name in ("metrics/a.json", "dvc.lock", "params.yaml", "net.py"):
        (tmp_path / name).write_text("1")
    for command in (
        ("init", "-q"),
        ("add", "-A"),
        ("-c", "user.name=T", "-c", "user.email=t@e", "commit", "-qm", "x"),
    ):
        subprocess.run(["git", *command], check=True)
    (tmp_path / "metrics/a.json").write_text("2")
    (tmp_path / "dvc.lock").write_text("2")
    (tmp_path / "params.yaml").write_text("2")
    assert identity.provenance()["git.dirty"] == "false"
    (tmp_path / "net.py").write_text("2")
    assert identity.provenance()["git.dirty"] == "true"

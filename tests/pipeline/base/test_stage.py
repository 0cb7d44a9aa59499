import pytest

from pipeline.base import stage


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with an experiment's copy inside, as DVC makes it; no DVC_ROOT."""
    root = tmp_path / "project"
    copy = root / ".dvc/tmp/exps/tmpabc123"
    (copy / ".dvc").mkdir(parents=True)
    (root / "src").mkdir()
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return root


@pytest.mark.parametrize("where", [".", "src", ".dvc/tmp/exps/tmpabc123"])
def test_root_is_the_original_repository(project, monkeypatch, where):
    monkeypatch.chdir(project / where)
    assert stage.project_root() == project


@pytest.mark.parametrize("where", [".", "src", ".dvc/tmp/exps/tmpabc123"])
def test_dvc_root_names_the_original(project, monkeypatch, where):
    monkeypatch.setenv("DVC_ROOT", str(project))
    monkeypatch.chdir(project / where)
    assert stage.project_root() == project


def test_dvc_root_of_another_project_is_not_believed(project, tmp_path, monkeypatch):
    other = tmp_path / "other"
    (other / ".dvc").mkdir(parents=True)
    monkeypatch.setenv("DVC_ROOT", str(other))
    monkeypatch.chdir(project)
    assert stage.project_root() == project


def test_dvc_root_that_names_the_copy_leads_to_the_original(project, monkeypatch):
    copy = project / ".dvc/tmp/exps/tmpabc123"
    monkeypatch.setenv("DVC_ROOT", str(copy))
    monkeypatch.chdir(copy)
    assert stage.project_root() == project


def test_relative_paths_are_the_original_projects(project, monkeypatch):
    monkeypatch.chdir(project / ".dvc/tmp/exps/tmpabc123")
    assert stage.resolve("photos") == project / "photos"
    assert str(stage.resolve("/photos")) == "/photos"


def test_bad_input_is_one_message_without_a_traceback(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("seed: 0")

    with pytest.raises(SystemExit) as caught:
        stage.run(lambda params: None)

    assert caught.value.code == 1
    assert capsys.readouterr().err.startswith("ERROR: params.yaml cannot be used:\n  data: missing")

import pytest

from pipeline.stage import artifacts


def test_json_is_standard(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        artifacts.write_json(tmp_path / "a.json", {"psnr": float("inf")})
    assert not (tmp_path / "a.json").exists()


def test_folder_appears_only_when_whole(tmp_path):
    path = tmp_path / "data" / "raw"
    with artifacts.whole_folder(path) as partial:
        (partial / "a").write_text("a")
        assert not path.exists()
    assert (path / "a").read_text() == "a"
    assert [entry.name for entry in path.parent.iterdir()] == ["raw"]


def test_failure_keeps_the_old_folder(tmp_path):
    path = tmp_path / "raw"
    path.mkdir()
    (path / "old").write_text("old")

    def interrupted():
        with artifacts.whole_folder(path) as partial:
            (partial / "new").write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert [entry.name for entry in tmp_path.rglob("*")] == ["raw", "old"]


def test_what_a_killed_process_left_is_not_taken_over(tmp_path):
    (tmp_path / ".raw.partial").mkdir()
    (tmp_path / ".raw.partial" / "half").write_text("half")
    with artifacts.whole_folder(tmp_path / "raw") as partial:
        (partial / "a").write_text("a")
    assert [file.name for file in (tmp_path / "raw").iterdir()] == ["a"]


def test_full_disk_names_the_folder_that_it_has_no_room_for(tmp_path):
    """/dev/full is a disk without room: a write to it fails as on any full disk."""

    def fill():
        with artifacts.whole_folder(tmp_path / "raw") as partial:
            (partial / "pictures").symlink_to("/dev/full")
            (partial / "pictures").write_bytes(b"a")

    with pytest.raises(OSError, match=r"No space left on device: .*/raw'"):
        fill()
    assert list(tmp_path.iterdir()) == []

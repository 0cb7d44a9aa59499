import pytest

from pipeline.stage import artifacts


def test_json_is_standard(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        artifacts.write_json(tmp_path / "a.json", {"psnr": float("inf")})
    assert not (tmp_path / "a.json").exists()


def test_a_folder_appears_when_whole_without_what_a_killed_process_left(tmp_path):
    (tmp_path / ".raw.partial").mkdir()
    (tmp_path / ".raw.partial" / "half").write_text("half")
    with artifacts.whole_folder(tmp_path / "raw") as partial:
        (partial / "a").write_text("a")
        assert not (tmp_path / "raw").exists()
    assert [entry.name for entry in tmp_path.rglob("*")] == ["raw", "a"]


def test_full_disk_names_the_folder_that_it_has_no_room_for(tmp_path):
    """/dev/full is a disk without room: a write to it fails as on any full disk."""

    def fill():
        with artifacts.whole_folder(tmp_path / "raw") as partial:
            (partial / "pictures").symlink_to("/dev/full")
            (partial / "pictures").write_bytes(b"a")

    with pytest.raises(OSError, match=r"No space left on device: .*/raw'"):
        fill()
    assert list(tmp_path.iterdir()) == []

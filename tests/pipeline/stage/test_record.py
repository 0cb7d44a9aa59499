import pytest

from pipeline.stage import StageError
from pipeline.stage.record import Degraded


@pytest.mark.parametrize(
    "damaged",
    [
        lambda text: text.replace("4", "5"),  # one bit: other parameters would be published
        lambda text: text.replace("abc", "abb"),
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "7",
    ],
)
def test_a_damaged_record_is_named_and_not_used(tmp_path, damaged):
    path = tmp_path / "pairs.json"
    made = Degraded({"degrade.scale": 4, "data.path": None}, "abc")
    made.write(path)
    assert Degraded.read(path) == made
    path.write_text(damaged(path.read_text()))
    with pytest.raises(StageError, match=r"pairs\.json is damaged"):
        Degraded.read(path)

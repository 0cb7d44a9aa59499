import pytest

from srcnn.scoring.scores import Score, read_scores, write_scores

SETS = {
    "test": [
        Score("007", "nan", "full", "0123", {"psnr": 30.5, "vgg19": 1e-06}, {"psnr": 28.0}),
        Score("a,b\n", "s", "studio", "1e5", {}, {}),
    ],
    "Set5": [Score("c", "c", "full", "", {"ssim": 0.9}, {"ssim": 0.8})],
}


def written(folder, text):
    (folder / "scores.csv").write_bytes(text.encode())
    return folder / "scores.csv"


def test_what_is_written_is_read(tmp_path):
    assert read_scores(written(tmp_path, write_scores(SETS))) == SETS


def test_a_row_that_is_cut_short_is_an_error(tmp_path):
    text = write_scores(SETS)
    with pytest.raises(ValueError, match="'c' is cut short"):
        read_scores(written(tmp_path, text[: text.rindex("0.9")]))

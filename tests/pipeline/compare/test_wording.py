import re

import pytest

from pipeline.compare import wording
from pipeline.compare.results import compare_experiments
from tests.pipeline.compare.compared import experiment


def test_text_says_what_is_significant_and_what_is_to_be_expected():
    a, b = experiment("pixel"), experiment("perceptual", "0.01", shift=0.5)
    text = wording.as_text(compare_experiments(a, b))
    assert re.search(
        r"A is significantly better in PSNR \(by 0\.\d\d dB\) and SSIM \(by 0\.\d{4}\); "
        r"B is significantly better in GMSD \(by 0\.\d{4}\)\.",
        text,
    )
    assert re.search(r"PSNR, dB ↑ .* A is better in \d+ of 24 pictures, p < 0\.001\n", text)
    assert re.search(r"GMSD ↓ .* B is better in \d+ of 24 pictures, p < 0\.001\n", text)
    assert "B was trained with a perceptual loss. It is expected to lose PSNR" in text
    other_way = wording.as_text(compare_experiments(b, a))
    assert "A was trained with a perceptual loss" in other_way
    assert "B is significantly better in PSNR" in other_way


def test_equal_experiments_do_not_differ_significantly():
    text = wording.as_text(compare_experiments(experiment("pixel"), experiment("other")))
    assert "No significant difference in PSNR, SSIM and GMSD." in text
    assert re.search(r"PSNR, dB ↑ .* no significant difference, p [01]\.\d{3}\n", text)
    assert "expected to lose" not in text


@pytest.mark.parametrize(
    ("tiles", "counted"), [(8, "3 source pictures"), (24, "one source picture")]
)
def test_few_sources_decide_nothing(tiles, counted):
    a, b = (experiment(n, shift=s, tiles=tiles) for n, s in (("pixel", 0), ("other", 0.5)))
    text = wording.as_text(compare_experiments(a, b))
    assert f"come from {counted}: too few" in text
    assert "significantly" not in text

import re
from dataclasses import replace

import numpy as np

from pipeline.compare import page, wording
from tests.pipeline.compare.compared import changed, compare_two, experiment


def test_text_says_who_is_better_if_anyone_and_what_is_to_be_expected():
    a, b = experiment("pixel"), experiment("perceptual", "0.01", shift=0.5)
    text = wording.as_text([compare_two(a, b)])
    assert re.search(
        r"A is significantly better in PSNR \(by 0\.\d\d dB\) and SSIM \(by 0\.\d{4}\); "
        r"B is significantly better in GMSD \(by 0\.\d{4}\)\.",
        text,
    )
    assert re.search(r"GMSD ↓ .* B is better in \d+ of 24 sources, p < 0\.001\n", text)
    assert "B was trained with a perceptual loss. It is expected to lose PSNR" in text
    assert "A was trained with a perceptual loss" in wording.as_text([compare_two(b, a)])
    text = wording.as_text([compare_two(experiment("pixel"), experiment("other"))])
    assert "No significant difference in PSNR, SSIM and GMSD." in text
    assert re.search(r"PSNR, dB ↑ .* no significant difference, p [01]\.\d{3}\n", text)
    assert "expected to lose" not in text


def differing(differences, pictures=None):
    """Text on B, which differs from A by so many dB on sources of so many pictures (default 1)."""
    sources = np.repeat(range(len(differences)), pictures or [1] * len(differences))
    a = experiment("a", count=len(sources), measures=["psnr"])
    a = changed(a, lambda i, score: replace(score, source=f"source{sources[i]}"))
    shifts = np.take(differences, sources)
    b = changed(a, lambda i, score: replace(score, sr={"psnr": score.sr["psnr"] + shifts[i]}))
    b = replace(b, run_id="b", name="b")
    return wording.as_text([compare_two(a, b)])


def test_many_pictures_of_few_sources_do_not_turn_the_verdict():
    differences = np.linspace(-0.51, -0.49, 40), np.linspace(0.39, 0.41, 20)
    text = differing(np.concatenate(differences), [1] * 40 + [20] * 20)
    assert re.search(
        r"60 sources, 440 pictures .* −0\.20 +−0\.\d\d to −0\.\d\d  "
        r"A is better in 40 of 60 sources, p < 0\.001\n",
        text,
    )
    assert "A is significantly better in PSNR (by 0.20 dB)." in text
    assert "Bicubic, A and B are means over pictures; B − A" in text


def test_an_interval_that_the_test_contradicts_is_explained():
    text = differing([1, 1.1, 1.2, 1.3, 1.4, -0.01])
    assert re.search(r"no significant difference, p .*; interval and test disagree\n", text)
    assert "\nNo significant difference in PSNR.\n" in f"{text}\n"


def test_few_sources_decide_nothing():
    a, b = (experiment(n, shift=s, tiles=8) for n, s in (("pixel", 0), ("other", 0.5)))
    comparison = compare_two(a, b)
    text = wording.as_text([comparison])
    assert "GMSD cannot be decided with 3 sources, 7 are needed for 3 differences." in text
    assert re.search(r"PSNR, dB ↑  3 sources, 24 pictures .*cannot be decided with 3 so", text)
    assert " to " not in text  # no interval
    assert "significantly" not in text
    html = page.render([comparison])
    assert html.count("too few sources for an interval") == 3
    assert "<small>cannot be decided with 3 sources</small>" in html

import json
import math
import time
from dataclasses import replace

import numpy as np
import pytest

from srcnn.data.imresize import downscale
from srcnn.data.pairs import Pairs, writing_pairs
from srcnn.inference.resolver import bicubic
from srcnn.scoring import classical
from srcnn.scoring.measures import GMSD, PSNR, SSIM, VGG19, Context, Function
from srcnn.scoring.protocol import (
    measured,
    megapixels_per_second,
    score_pairs,
    score_test_set,
    summarise,
)
from srcnn.scoring.scores import Score
from tests.support.pairs import write_pairs
from tests.support.pictures import noise

CLASSICAL = {measure: measure.make(Context()) for measure in (PSNR, SSIM, GMSD)}


class Resolver:
    """Stands in for a model: enlarges by repeating pixels and remembers what it was given."""

    def __init__(self, scale):
        self.scale, self.seen = scale, []

    def __call__(self, lr):
        self.seen.append(lr)
        enlarged = np.kron(lr, np.ones((self.scale, self.scale)))
        return np.clip(np.round(enlarged), 0, 255).astype(np.uint8)


def flat(value, side=24):
    return np.full((side, side), value, dtype=np.uint8)


def score(picture_id="a", source="a", psnr=30.0):
    of_sr = {"psnr": psnr, "ssim": 0.9, "gmsd": 0.05}
    of_bicubic = {"psnr": 28.0, "ssim": 0.8, "gmsd": 0.09}
    return Score(picture_id, source, "full", "digest", of_sr, of_bicubic)


def test_a_score_is_what_the_definitions_give(tmp_path):
    with writing_pairs(tmp_path, 4, "full") as add:
        add("a", "s", "test", flat(100), flat(120, 6))
    (result,) = score_pairs([flat(110)], Pairs.open(tmp_path), CLASSICAL)

    assert (result.id, result.source) == ("a", "s")
    assert result.sr["psnr"] == pytest.approx(10 * math.log10(255**2 / 100))
    assert result.bicubic["psnr"] == pytest.approx(10 * math.log10(255**2 / 400))
    assert result.gain(PSNR) == pytest.approx(20 * math.log10(2))


def test_the_interval_of_a_gain_is_over_sources_of_which_each_counts_once():
    gains = {f"s{i}": 2.0 + i / 8 for i in range(8)}
    of_one = [score(s, s, 28 + gain) for s, gain in gains.items()]
    more = [score(f"{i}", "s7", 28 + gains["s7"]) for i in range(20)]

    once, often = (summarise(scores, seed=0) for scores in (of_one, of_one + more))

    low, high = once["psnr_source_gain_ci95"]
    assert 2 < low < once["psnr_source_gain"] < high < 2.875
    assert once["gmsd_gain"] == pytest.approx(0.04)  # the lower the better
    assert often["psnr_gain"] > high
    for name in ("psnr_source_gain", "psnr_source_gain_ci95"):
        assert often[name] == pytest.approx(once[name])


def test_one_perfect_picture_gives_strict_json(tmp_path):
    pairs = write_pairs(tmp_path, 2, [("test", flat(9))])

    summary = summarise(list(score_pairs([flat(9)], pairs, CLASSICAL)), seed=0)

    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["psnr_gain"] == 0
    assert summary["psnr_std"] is summary["psnr_gain_std"] is None
    assert summary["psnr_source_gain_ci95"] is None


@pytest.mark.parametrize("kind", ["colour", "gray", "three equal channels"])
@pytest.mark.parametrize("scale", [2, 3])
def test_a_test_set_is_scored_by_the_protocol_of_the_literature(scale, kind):
    smooth = np.linspace(0, 9, 41)[:, None] + np.linspace(0, 7, 44)
    rgb = np.stack([127 + 120 * np.sin(smooth * f) for f in (0.7, 1.1, 1.9)], axis=2)
    rgb = rgb.round().astype(np.uint8)
    picture = {"colour": rgb, "gray": rgb[..., 0]}.get(kind, rgb[..., [0, 0, 0]])
    resolver = Resolver(scale)

    (result,) = score_test_set(resolver, [("waves.png", picture)], CLASSICAL)

    if kind == "gray":
        luma = picture.astype(float)
    else:
        luma = 16 + (picture / 255.0) @ [65.481, 128.553, 24.966]
    height, width = 41 // scale * scale, 44 // scale * scale
    hr = np.floor(luma[:height, :width] + 0.5)
    lr = downscale(hr, scale)
    assert np.abs(resolver.seen[0] - lr).max() < 1e-9  # not rounded
    inside = (slice(scale, -scale), slice(scale, -scale))
    for picture, scores in ((bicubic(lr, scale), result.bicubic), (Resolver(scale)(lr), result.sr)):
        pixels = picture[inside], hr[inside].astype(np.uint8)
        assert scores["psnr"] == classical.psnr(*pixels)
        assert scores["ssim"] == classical.ssim(*pixels)
    assert result.id == result.source == "waves.png"
    assert result.luma == ("full" if kind == "gray" else "studio")


def test_digest_is_of_the_pixels_that_are_scored():
    picture = noise(0, (24, 36))
    same = np.pad(picture, ((0, 1), (0, 1)))  # which is cut off
    other = picture.copy()
    other[20, 9] ^= 255
    pictures = [("a", each) for each in (picture, same, other, picture.reshape(36, 24))]
    digests = [score.pixels for score in score_test_set(Resolver(2), pictures, CLASSICAL)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_learned_measures_are_taken_of_the_sample_and_told_which_luma_they_see(tmp_path):
    told = []
    vgg19 = Function(lambda sr, hr, luma_range: told.append(luma_range) or 0.0)
    functions = CLASSICAL | {VGG19: vgg19}
    pairs = write_pairs(tmp_path, 2, [("test", noise(0, (24, 24)))], "studio")
    list(score_pairs([pairs.hr(0)], pairs, functions))
    pictures = [(str(shape), noise(0, shape)) for shape in ((24, 24), (30, 24), (24, 24, 3))]
    scores = list(score_test_set(Resolver(2), pictures, functions, {0, 2}))
    assert told == ["studio"] * 2 + ["full"] * 2 + ["studio"] * 2
    assert ["vgg19" in score.sr for score in scores] == [True, False, True]
    assert all("gmsd" in score.sr for score in scores)


def test_the_summary_of_what_was_not_taken_of_all_says_of_how_many():
    few = replace(score("b", "b"), sr={"psnr": 30.0}, bicubic={"psnr": 28.0})
    summary = summarise([score(), few], seed=0)
    assert (summary["ssim"], summary["ssim_pictures"], summary["ssim_sources"]) == (0.9, 1, 1)
    assert "psnr_pictures" not in summary
    none = summarise([few], seed=0)
    assert (none["ssim"], none["ssim_pictures"]) == (None, 0)
    assert "ssim_gain" not in none


@pytest.mark.parametrize("scale", [2, 4])
def test_the_smallest_side_is_the_smallest_that_all_can_be_taken_of(scale):
    smallest = classical.smallest_side(scale)
    for side, names in ((smallest, CLASSICAL), (smallest - 1, {PSNR, GMSD})):
        inside = classical.shave(flat(5, side), scale)
        found = measured(inside, inside, "full", CLASSICAL)
        assert found.keys() == {measure.name for measure in names}


def test_speed_counts_hr_pixels():
    def enlarge(lr):
        time.sleep(0.01)
        return lr.repeat(4, axis=0).repeat(4, axis=1)

    speed = megapixels_per_second(enlarge, flat(0, 25), repeats=3)
    assert 0.001 < speed < 1  # 100x100 pixels in a little over 10 ms

import pytest

from pipeline.data.picture_files import originals


@pytest.mark.parametrize(
    ("kept", "left_out"),
    [
        (["i_SRF_4_HR.png"], ["i_SRF_4_A+.png", "i_SRF_4_LR.png", "i_SRF_4_bicubic.png"]),
        (["a-hr.png"], ["a-nearest.jpg"]),
        (["a_HR.png"], ["a_LR4.png"]),
        (["a_HR_x4.png", "b_HR.png"], ["a_LR_x4.png", "b_LRx4.png"]),
        (["HR/a.png"], ["LR/a.png", "bicubic/a.png"]),
        (["set_HR/1.png"], ["set_LR_bicubic/X4/1x4.png", "set_LR_unknown/X2/1x2.png"]),
        (["a/HR.png", "a/b.png"], ["a/LR.png"]),
    ],
)
def test_versions_of_a_picture_are_left_out_and_named(kept, left_out, capsys):
    assert originals([*left_out, *kept], "data.path") == kept
    said = capsys.readouterr().out
    assert said.startswith(f"data.path: left out {len(left_out)} of {len(kept + left_out)} pict")
    assert all(repr(name) in said for name in left_out)
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "names",
    [
        ["a_LR.png", "b_bicubic.png", "c_HR.png", "c_x4.png"],  # no HR of theirs
        ["a_HR.png", "a_SRCNN.png", "a_b.png"],  # no LR that says what HR is
        ["a_2.png", "a_HR.png", "b_LR.png"],
        ["AB/1.png", "HR/1.png", "LR/2.png"],  # initials
        ["HR/a_LR.png", "LR/b_HR.png"],
        ["a_CHR.png", "a_CLR.png"],
    ],
)
def test_a_name_alone_leaves_no_picture_out(names, capsys):
    assert originals(names, "data.path") == names
    assert capsys.readouterr().out == ""

import numpy as np
import pytest
from PIL import Image
from skimage import data
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio as psnr
from skimage.metrics import structural_similarity

from srcnn.command.cli import main
from srcnn.data.color import luma


@pytest.fixture
def files(tmp_path):
    hr = Image.fromarray(data.astronaut()[:64, 200:280])
    hr.save(tmp_path / "hr.png")
    hr.resize((20, 16)).resize((80, 64)).save(tmp_path / "sr.png")
    return tmp_path / "sr.png", tmp_path / "hr.png"


def test_each_convention_gives_its_own_figure(files, capsys):
    assert main(["score", *map(str, files), "--scale", "3"]) == 0
    shown = capsys.readouterr().out
    sr, hr = (np.array(Image.open(file)) for file in files)
    cut = slice(3, -3)
    whole, shaved = shown.split("3 border pixels cut off")
    unrounded = [rgb2ycbcr(picture)[..., 0] for picture in (hr, sr)]
    ssim = structural_similarity(
        hr, sr, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    for text, name, expected in (
        (whole, "RGB", psnr(hr, sr)),
        (shaved, "RGB", psnr(hr[cut, cut], sr[cut, cut])),
        (whole, "studio", psnr(luma(hr, "studio"), luma(sr, "studio"))),
        (whole, "full", psnr(luma(hr, "full"), luma(sr, "full"))),
        (whole, "studio, not rounded", psnr(*unrounded, data_range=255)),
    ):
        row = next(line for line in text.splitlines() if line.startswith(f"{name}  "))
        assert float(row.removeprefix(name).split()[0]) == pytest.approx(expected, abs=0.0051)
        if name == "RGB" and text is whole:
            assert float(row.split()[2]) == pytest.approx(ssim, abs=0.01)


def test_equal_gray_pictures(tmp_path, capsys):
    Image.fromarray(data.camera()[:32, :32]).save(tmp_path / "a.png")
    assert main(["score", str(tmp_path / "a.png"), str(tmp_path / "a.png")]) == 0
    assert capsys.readouterr().out.count("inf") == 8


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda file: Image.new("L", (7, 5)).save(file), "hr.png 7x5; both must be of one size"),
        (lambda file: file.write_text("no picture"), "hr.png: not a PNG"),
        (lambda file: file.unlink(), "hr.png"),
    ],
)
def test_what_cannot_be_scored_is_one_error(files, capsys, write, message):
    write(files[1])
    assert main(["score", *map(str, files)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("ERROR: ")
    assert message in error

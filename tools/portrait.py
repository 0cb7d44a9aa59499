"""docs/portrait.png: a held-out face as each of the trained networks enlarges it.

`python -m tools.portrait NAME...` makes it of models of one scale, each the name of an experiment,
a model file or what else `srcnn upscale --model` takes. The face is that of Eileen Collins (NASA,
public domain), which the default parameters hold out.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from pipeline.data import samples
from pipeline.stage import artifacts
from srcnn.data.color import luma
from srcnn.data.imresize import crop_to_multiple, downscale
from srcnn.figures.style import DPI, STYLE, encoded
from srcnn.inference import model_files
from srcnn.inference.resolver import bicubic
from srcnn.scoring import measures
from srcnn.scoring.classical import psnr, shave
from srcnn.scoring.learned import SIFID

PICTURE = Path("docs/portrait.png")

_FACE = (slice(12, 188), slice(144, 304))  # rows and columns of astronaut.png
_EYE = (slice(84, 124), slice(188, 228))
_ZOOM = 2  # screen pixels a side for each of HR
_GAP, _CAPTION = 12, 48


def panels(names: list[str]) -> dict[str, np.ndarray]:
    """The whole picture by captions, uint8 (H, W): LR, bicubic, each model's SR, and HR."""
    models = {name: model_files.load(name).resolver for name in names}
    one = models[names[0]]
    hr = crop_to_multiple(luma(samples.photograph("astronaut.png"), one.luma), one.scale)
    lr = downscale(hr, one.scale)
    sifid = SIFID()
    shown = {f"LR\n1/{one.scale} of each side": lr.repeat(one.scale, 0).repeat(one.scale, 1)}
    reconstructed = {"bicubic": bicubic(lr, one.scale)}
    reconstructed |= {name: model(lr) for name, model in models.items()}
    for name, sr in reconstructed.items():
        ours, its = shave(sr, one.scale), shave(hr, one.scale)
        distortion = measures.PSNR.text(psnr(ours, its))
        perception = measures.SIFID.number(sifid(ours, its, one.luma))
        shown[f"{name}\n{distortion}, SIFID {perception}"] = sr
    return shown | {"original\nSIFID 0": hr}


def draw(shown: dict[str, np.ndarray]) -> Figure:
    """The face of each panel above an eye of it, every pixel a square of whole screen pixels."""
    height, width = ((part.stop - part.start) * _ZOOM for part in _FACE)
    total = (len(shown) * (width + _GAP) - _GAP, height + width + _GAP + _CAPTION)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(total[0] / DPI, total[1] / DPI), dpi=DPI)
        for k, (title, picture) in enumerate(shown.items()):
            left = k * (width + _GAP)
            for part, bottom, side in ((_FACE, width + _GAP, height), (_EYE, 0, width)):
                place = (left, bottom + _CAPTION, width, side)
                x, y, w, h = (at / total[i % 2] for i, at in enumerate(place))
                axes = figure.add_axes((x, y, w, h))
                axes.imshow(picture[part], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
                axes.set_axis_off()
            figure.text((left + width / 2) / total[0], 6 / total[1], title, ha="center")
    return figure


if __name__ == "__main__":
    artifacts.write_bytes(PICTURE, encoded(draw(panels(sys.argv[1:]))))

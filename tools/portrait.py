"""docs/portrait.png: a held-out face, enlarged by bicubic interpolation and by the trained network.

`python -m tools.portrait` makes it of models/srcnn.safetensors. The face is that of Eileen Collins
(NASA, public domain), which the default parameters hold out.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from pipeline.data import samples
from pipeline.stage import artifacts, paths
from srcnn.data.color import luma
from srcnn.data.imresize import crop_to_multiple, downscale
from srcnn.figures import png
from srcnn.figures.style import DPI, STYLE
from srcnn.inference.resolver import SuperResolver, bicubic
from srcnn.scoring.classical import psnr, shave
from srcnn.scoring.measures import PSNR

PICTURE = Path("docs/portrait.png")

_FACE = (slice(12, 188), slice(144, 304))  # rows and columns of astronaut.png
_ZOOM = 2  # screen pixels a side for each of HR


def panels(resolver: SuperResolver) -> dict[str, np.ndarray]:
    """The face by captions, uint8 (176, 160): bicubic, SR and HR. PSNR is of the whole picture."""
    hr = crop_to_multiple(luma(samples.photograph("astronaut.png"), resolver.luma), resolver.scale)
    lr = downscale(hr, resolver.scale)
    enlarged = {"bicubic": bicubic(lr, resolver.scale), "SRCNN": resolver(lr)}
    shown = {}
    for name, picture in enlarged.items():
        border = resolver.scale
        quality = psnr(shave(picture, border), shave(hr, border))
        shown[f"{name} ×{resolver.scale}: {PSNR.text(quality)}"] = picture[_FACE]
    return shown | {"original": hr[_FACE]}


def draw(shown: dict[str, np.ndarray]) -> Figure:
    """The panels side by side, every pixel a square of whole screen pixels."""
    height, width = (side * _ZOOM for side in next(iter(shown.values())).shape)
    gap, caption = 12, 26
    total = (len(shown) * (width + gap) - gap, height + caption)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(total[0] / DPI, total[1] / DPI), dpi=DPI)
        for k, (title, picture) in enumerate(shown.items()):
            left = k * (width + gap) / total[0]
            box = (left, caption / total[1], width / total[0], height / total[1])
            axes = figure.add_axes(box)
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_axis_off()
            figure.text(left + width / total[0] / 2, 8 / total[1], title, ha="center")
    return figure


if __name__ == "__main__":
    artifacts.write_bytes(PICTURE, png(draw(panels(SuperResolver.load(paths.WEIGHTS)))))

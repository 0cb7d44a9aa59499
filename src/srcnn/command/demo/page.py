"""The page: a picture, two models, what they make of it."""

import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.data_classes import ImageData
from PIL import Image
from starlette.middleware import Middleware

from srcnn.command.demo import work
from srcnn.command.demo.guard import Guard
from srcnn.command.demo.models import Models
from srcnn.command.demo.work import BICUBIC, BLEND, HR, A, B, Results
from srcnn.scoring.measures import MEASURES

_NONE = "none"
_ENLARGE, _DEGRADE = "The picture", "The picture shrunk, to compare with the original"

# Bytes of an uploaded file: `work.MAX_RESULT_PIXELS` of RGBA with 16 bits.
_MAX_UPLOAD = 128 * 2**20

# Fonts of the reader's system: Gradio's own would come from Google.
_SANS, _MONO = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")
_CSS = """
footer {display: none !important}
input[role=combobox] {text-overflow: ellipsis; padding-right: 1.5em}
#samples .gallery:not(.container) {display: grid; grid-template-columns: repeat(4, 1fr)}
#samples .gallery-item .container {width: 100%; max-width: none; height: auto}
#slider img {image-rendering: pixelated}
#scores table {width: 100%}
#scores :is(th, td) {padding: var(--size-2); border-color: var(--border-color-primary)}
#scores :is(th, td):not(:first-child) {white-space: nowrap}
@media (max-width: 480px) {#scores :is(th, td) {padding: var(--size-1); font-size: 0.8rem}}
"""
_APPEARANCE: dict[str, Any] = {
    "theme": gr.themes.Default(font=_SANS, font_mono=_MONO),
    "footer_links": [],
    "css": _CSS,
    "quiet": True,
    "ssr_mode": False,
    "state_session_capacity": 20,  # each keeps its pictures
}


def serve(models: Models, port: int) -> gr.Blocks:
    """The page for these models, at http://127.0.0.1:PORT until it is closed.

    Args:
        models: what it offers.
        port: a free one.

    Raises:
        OSError: the port is taken.
    """
    page = _build(models)
    page.launch(
        server_name="127.0.0.1",
        server_port=port,
        share=False,
        prevent_thread_lock=True,
        max_file_size=_MAX_UPLOAD,
        app_kwargs={"middleware": [Middleware(Guard, port=port)]},
        **_APPEARANCE,
    )
    return page


def _build(models: Models) -> gr.Blocks:
    # Gradio's copies of pictures go after an hour, what waits to be computed is bounded.
    with gr.Blocks(title="SRCNN", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        page.queue(max_size=20)
        gr.Markdown(
            "# SRCNN\nA portrait, enlarged by bicubic interpolation and by two trained networks. "
            "Drop one of your own, or take a sample."
        )
        results = gr.State(None)
        labels = list(models.references)
        samples = _samples()
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                source = gr.Image(
                    next(iter(samples), None),
                    label="Picture",
                    type="filepath",
                    image_mode=None,
                    sources=["upload", "clipboard"],
                    height=260,
                    elem_id="picture",
                )
                # Gradio would open the file itself and fail without a word on what is no picture.
                source.preprocess = _path  # type: ignore[method-assign]  # a subclass has no front end
                gr.Examples(samples, source, label="Samples", elem_id="samples")
                mode = gr.Radio([_ENLARGE, _DEGRADE], value=_DEGRADE, label="Enlarge")
                first = gr.Dropdown(labels, value=models.a, label="Model A")
                second = gr.Dropdown([_NONE, *labels], value=models.b or _NONE, label="Model B")
                button = gr.Button("Enlarge it", variant="primary", elem_id="enlarge")
            with gr.Column(scale=2, min_width=320):
                with gr.Row():
                    shown = [BICUBIC, A, B, BLEND, HR]
                    left = gr.Dropdown(shown, value=BICUBIC, label="Left")
                    right = gr.Dropdown(shown, value=A, label="Right")
                slider = gr.ImageSlider(
                    label="Before and after; the mouse wheel looks closer",
                    format="png",
                    elem_id="slider",
                    max_height=600,
                )
                # Gradio's handle takes a mouse or a finger, this takes the arrow keys.
                divide = gr.Slider(
                    0, 100, value=50, step=1, label="The line between them", elem_id="divide"
                )
                share = gr.Slider(
                    0, 1, value=0.5, step=0.05, label="Share of B in the blend", elem_id="share"
                )
                note = gr.Markdown(elem_id="note")
                scores = gr.Markdown(elem_id="scores")
                gr.Markdown(
                    "A network trained with a perceptual loss is meant to look sharper; it gives "
                    "up PSNR and SSIM for that."
                )
                with gr.Row():
                    downloads = [
                        gr.DownloadButton(
                            f"Download {name}", interactive=False, elem_id=f"download-{name}"
                        )
                        for name in (A, B)
                    ]

        def nothing() -> tuple[None, str, str, Any, Any]:
            return None, "", "", _download(None), _download(None)

        def fail() -> tuple[None, str, str, Any, Any]:
            gr.Warning("This failed; the terminal where `srcnn demo` runs says why.", title="Error")
            return nothing()

        def compute(
            path: str | None, chosen: str, a: str, b: str, of_b: float
        ) -> tuple[Results | None, str, str, Any, Any]:
            if path is None:
                return nothing()
            chosen_models = {A: a} if b == _NONE else {A: a, B: b}
            references = {name: models.references[label] for name, label in chosen_models.items()}
            try:
                computed = work.enlarge(path, chosen == _DEGRADE, references)
                computed.blend(of_b)
            except ValueError as error:
                gr.Warning(_sentence(error), title="Error")  # gr.Error would leave old results
                return nothing()
            # The lists cut the names of the models off.
            told = [computed.note, *(f"{name}: {label}" for name, label in chosen_models.items())]
            files = (_download(computed.files.get(name)) for name in (A, B))
            return computed, "\n\n".join(told), _table(computed.scores), *files

        outputs = [results, note, scores, *downloads]
        done = gr.on(
            [button.click, source.change, mode.change, first.change, second.change],
            compute,
            [source, mode, first, second, share],
            outputs,
            trigger_mode="always_last",
            concurrency_limit=1,
            show_progress_on=[slider],
        )
        pair = [results, left, right]
        done.success(_pair, pair, slider)
        done.failure(fail, None, outputs).then(_pair, pair, slider)  # an error nobody foresaw
        gr.on([left.change, right.change], _pair, pair, slider, show_progress="hidden")
        share.change(
            _blend, [results, share], scores, trigger_mode="always_last", concurrency_limit=1
        ).success(_pair, pair, slider)
        divide.change(
            lambda position: gr.update(slider_position=position),
            divide,
            slider,
            show_progress="hidden",
            trigger_mode="always_last",
        )
    return page


def _path(payload: ImageData | None) -> str | None:
    return payload.path if payload else None


def _pair(results: Results | None, left: str, right: str) -> tuple[np.ndarray, np.ndarray] | None:
    if results is None:
        return None
    pictures = results.pictures
    # Without B or an original, what is always there.
    return pictures.get(left, pictures[BICUBIC]), pictures.get(right, pictures[A])


def _blend(results: Results | None, share: float) -> str:
    """The table of measures after another blend."""
    if results is None:
        return ""
    results.blend(share)
    return _table(results.scores)


def _table(scores: dict[str, dict[str, float]]) -> str:
    """The measures as Markdown, one a row: a phone has no room for more columns than pictures."""
    rows = [["measure", *scores], ["---"] * (1 + len(scores))]
    for name in next(iter(scores.values()), {}):
        measure = MEASURES[name]
        numbers = (measure.number(of[name]) for of in scores.values())
        rows.append([f"{measure.heading} {measure.arrow}", *numbers])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) if len(rows) > 2 else ""


def _download(file: str | None) -> Any:
    return gr.update(value=file, interactive=file is not None)


def _sentence(error: ValueError) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def _samples() -> list[str]:
    """The photographs of scikit-image, where it is installed, cut to what one likes to wait for."""
    try:
        from skimage import data
    except ImportError:
        return []
    folder = Path(tempfile.mkdtemp(prefix="srcnn-samples-"))
    pictures = {
        "astronaut": data.astronaut()[:256, 96:352],
        "cat": data.chelsea()[:, 60:360],
        "camera": data.camera()[60:316, 120:376],
        "coffee": data.coffee()[60:360, 150:450],
    }
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{name}.png")
    return [str(folder / f"{name}.png") for name in pictures]

"""`srcnn demo`: a web page on this machine to try trained models, made with Gradio."""

import os
import tempfile
from collections.abc import Sequence


def launch(models: Sequence[str] | None, port: int) -> None:
    """Serve the page at http://127.0.0.1:PORT until interrupted; it needs no network.

    All temporary files of this process are in one folder, which goes when the page ends.

    Args:
        models: references as in `srcnn.load_model`; None for all registered versions and the
            package's networks.
        port: a free one.

    Raises:
        ValueError: Gradio is not installed, the port is taken, a model cannot be found, or the
            registry is there but cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="srcnn-demo-", ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = folder
        try:
            _serve(models, port, folder)
        finally:
            tempfile.tempdir = None  # the system's again


def _serve(models: Sequence[str] | None, port: int, folder: str) -> None:
    # For Gradio, which reads it when it is imported: it must ask nobody anything, keep all its
    # files here, and start no servers beside its own.
    os.environ |= {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
        "GRADIO_TEMP_DIR": folder,
        "GRADIO_NUM_WORKERS": "0",
    }
    try:
        import gradio  # noqa: F401  # what the page is made with
    except ImportError:
        raise ValueError(
            "the demo needs Gradio, which is not installed: pip install 'srcnn[demo]' "
            "(in the project: pip install -r requirements-demo.txt)"
        ) from None
    from srcnn.command.demo import page
    from srcnn.command.demo.models import Models

    offered = Models.named(models) if models else Models.known()
    try:
        served = page.serve(offered, port)
    except OSError:
        raise ValueError(
            f"port {port} of 127.0.0.1 cannot be used; choose another: --port"
        ) from None
    print(f"The page is at http://127.0.0.1:{port}; Ctrl+C ends it", flush=True)
    served.block_thread()

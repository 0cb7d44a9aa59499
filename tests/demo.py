"""The page of `srcnn demo`, served in this process."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import optional


@contextmanager
def served(models: Sequence[str], folder: Path) -> Iterator[str]:
    """The address of the page with these models; its files are in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "gradio"))
        optional.package("gradio", "requirements-demo.txt")
        from srcnn.command.demo import page
        from srcnn.command.demo.models import Models

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        blocks = page.serve(Models.named(models), port, folder)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            blocks.close()

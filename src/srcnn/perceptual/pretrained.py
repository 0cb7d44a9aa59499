"""Pre-trained weights: torchvision's, or a file. Either they come or one clear error does, quickly.

Nothing here ever unpickles code: torch files are read with `weights_only=True`.
"""

import pickle
import queue
import re
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from srcnn.masking import brief

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

PATIENCE = 10.0  # seconds a server may keep silent
TORCH_SUFFIXES = (".pth", ".pt")


class WeightsUnavailable(ValueError):
    """Weights that have to be downloaded cannot be had; the message says why and what to do."""


class UnusableWeights(ValueError):
    """A weights file is not what it should be; the message names the file and what is wrong."""


def torch_cache() -> Path:
    """The folder in which torch.hub keeps the weights that it has fetched."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def torchvision_state_dict(weights: "WeightsEnum", download: bool = True) -> dict[str, Tensor]:
    """State dict of torchvision's pre-trained `weights`, from torch.hub's cache or the network.

    A download is checked against its SHA-256 and kept in the cache (`$TORCH_HOME/hub/checkpoints`,
    by default below `~/.cache/torch`); afterwards no network is needed.

    Raises:
        WeightsUnavailable: not in the cache, and not to be downloaded or `download` is False;
            known within about `PATIENCE` seconds, whatever is wrong with the network.
        UnusableWeights: the copy in the cache cannot be read.
    """
    cached = torch_cache() / Path(weights.url).name
    if cached.exists():
        return read_state_dict(cached)
    if not download:
        raise WeightsUnavailable(f"torchvision's {weights} is not in torch's cache ({cached})")
    try:
        _check_reachable(weights.url)
        with _socket_timeout(PATIENCE):
            return weights.get_state_dict(
                progress=sys.stderr.isatty(), check_hash=True, weights_only=True
            )
    except (OSError, RuntimeError) as error:
        cause = getattr(error, "reason", None) or error
        raise WeightsUnavailable(
            f"torchvision's {weights} is not in torch's cache ({cached}) and cannot be downloaded "
            f"from {weights.url}: {cause}"
        ) from None


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Tensors by name, on the CPU, from a .safetensors, .pth or .pt file.

    Raises:
        UnusableWeights: missing, of another type, damaged, or anything but a plain mapping of
            names to tensors. Pickled code is refused unseen, never run.
    """
    if path.suffix not in (".safetensors", *TORCH_SUFFIXES):
        raise UnusableWeights(f"{path} is not a .safetensors, .pth or .pt file")
    if not path.is_file():
        raise UnusableWeights(f"{path} does not exist or is not a file")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL (\S+)", str(error))
        what = f" ({refused[1].rstrip('.')})" if refused else ""
        raise UnusableWeights(
            f"{path} is damaged or holds more than tensors{what}; pickled code is never run: "
            "save a plain state dict"
        ) from None
    except (SafetensorError, RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise UnusableWeights(f"{path} cannot be read: {brief(error)}") from None
    if not isinstance(state, dict) or not all(_is_plain(*item) for item in state.items()):
        raise UnusableWeights(f"{path} is not a state dict: names and their tensors, nothing else")
    return state


def _is_plain(name: object, tensor: object) -> bool:
    """Whether this is a name and a tensor that holds its numbers one by one."""
    return (
        isinstance(name, str)
        and isinstance(tensor, Tensor)
        and tensor.layout is torch.strided
        and tensor.device.type == "cpu"
        and not tensor.is_quantized
    )


def _check_reachable(url: str) -> None:
    """Ask for the headers of `url`, through the same proxies as torch.hub; OSError if in vain.

    A socket's timeout does not cover the look-up of the name and starts anew for every address of
    the server: only waiting for a thread bounds the whole.
    """
    answer: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            # the https address in torchvision's table
            head = urllib.request.Request(  # noqa: S310
                url, method="HEAD", headers={"User-Agent": "torch.hub"}
            )
            with urllib.request.urlopen(head, timeout=PATIENCE):  # noqa: S310
                answer.put(None)
        except Exception as error:
            answer.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        error = answer.get(timeout=PATIENCE)
    except queue.Empty:
        raise TimeoutError(f"no answer within {PATIENCE:g} seconds") from None
    if isinstance(error, OSError):
        raise error
    if error is not None:
        raise OSError(f"{type(error).__name__}: {error}") from error


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """torch.hub sets no timeout of its own: a server that falls silent would hang it."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)

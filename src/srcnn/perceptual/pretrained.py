"""Pre-trained weights: torchvision's, or a file. Either they come or one clear error does, quickly.

Nothing here ever unpickles code: torch files are read with `weights_only=True`.
"""

import hashlib
import os
import pickle
import re
import shutil
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor
from tqdm import tqdm

from srcnn.masking import brief

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

TIMEOUT = 10.0  # seconds a server may keep silent


class WeightsUnavailable(ValueError):
    """Weights that have to be downloaded cannot be had; the message says why and what to do."""


class UnusableWeights(ValueError):
    """A weights file is not what it should be; the message names the file and what is wrong."""


def torch_cache() -> Path:
    """The folder in which torch.hub keeps the weights that it has fetched."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def is_cached(network: str) -> bool:
    """Whether torchvision's weights of a network, such as "vgg19", need no download."""
    if not any(torch_cache().glob(f"{network}-*.pth")):
        return False  # without torchvision, which takes a second to import
    from torchvision.models import get_model_weights

    # A cache may hold another training, such as torchvision's first AlexNet, under another hash.
    url = get_model_weights(network).IMAGENET1K_V1.url
    return (torch_cache() / Path(url).name).exists()


def torchvision_state_dict(weights: "WeightsEnum") -> dict[str, Tensor]:
    """State dict of torchvision's pre-trained `weights`, from torch.hub's cache or the network.

    A download is checked against its SHA-256 and kept in the cache (`$TORCH_HOME/hub/checkpoints`,
    by default below `~/.cache/torch`); afterwards no network is needed.

    Raises:
        WeightsUnavailable: not in the cache, and a server refuses, keeps silent for `TIMEOUT`
            seconds or sends something else.
        UnusableWeights: the copy in the cache cannot be read.
    """
    cached = torch_cache() / Path(weights.url).name
    if not cached.exists():
        try:
            _download(weights.url, cached)
        except (OSError, ValueError, HTTPException) as error:
            cause = brief(getattr(error, "reason", None) or error)
            raise WeightsUnavailable(
                f"torchvision's {weights} is not in torch's cache ({cached}) and cannot be "
                f"downloaded from {weights.url}: {cause}"
            ) from None
    return read_state_dict(cached)


def _download(url: str, file: Path) -> None:
    """As torch.hub does, which has no limit on how long a server may keep silent.

    Raises:
        OSError, HTTPException: it cannot be had, or not be written.
        ValueError: the SHA-256 does not begin as the file's name says.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    request = urllib.request.Request(url, headers={"User-Agent": "torch.hub"})  # noqa: S310  # https
    try:
        with (
            urllib.request.urlopen(request, timeout=TIMEOUT) as answer,  # noqa: S310
            partial.open("wb") as output,
            tqdm.wrapattr(answer, "read", answer.length, desc=file.name, disable=None) as body,
        ):
            shutil.copyfileobj(body, output, 2**20)
        with partial.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        if not digest.startswith(file.stem.rpartition("-")[2]):
            raise ValueError("what came does not have its checksum")
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Tensors by name, on the CPU, from a .safetensors, .pth or .pt file.

    Raises:
        UnusableWeights: missing, of another type, damaged, or anything but a plain mapping of
            names to tensors. Pickled code is refused unseen, never run.
    """
    if path.suffix not in (".safetensors", ".pth", ".pt"):
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

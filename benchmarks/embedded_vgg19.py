"""How far the VGG19 inside the package is from the weights that it was made of.

    python -m benchmarks.embedded_vgg19 SOURCE.safetensors PICTURES [--count 24]

For SR stands bicubic at x4, beside HR: features at conv5_4 and the gradient of their mean squared
distance, picture by picture. `--embedded` measures another file of `python -m tools.embed_vgg19`.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srcnn.data.imresize import crop_to_multiple, downscale
from srcnn.inference.resolver import bicubic
from srcnn.perceptual import embedded, vgg19
from srcnn.perceptual.loss import VGG19Features
from srcnn.pictures import images
from srcnn.scoring.naturalness import shown


def main() -> None:
    """Print relative errors, the cosine of the gradients and both distances."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="float32 VGG19, .safetensors or .pth")
    parser.add_argument("pictures", type=Path, help="a folder of them")
    parser.add_argument("--count", type=int, default=24, help="evenly spaced over the folder")
    parser.add_argument("--embedded", type=Path, default=embedded.FILE)
    options = parser.parse_args()
    embedded.FILE = options.embedded

    started = time.perf_counter()
    vgg19.load(vgg19.CONVOLUTIONS, "embedded")
    print(f"{options.embedded.stat().st_size / 1e6:.2f} MB", end=", ")
    print(f"loaded in {time.perf_counter() - started:.2f} s")

    files = sorted(options.pictures.iterdir())
    chosen = np.linspace(0, len(files) - 1, options.count).round().astype(int)
    networks = [VGG19Features(["conv5_4"], weights) for weights in (options.source, "embedded")]
    rows = [compare(*networks, files[index]) for index in chosen]
    features, cosine, distance, ours = np.array(rows).T
    print(f"features: {features.mean():.3%} off, at most {features.max():.3%}")
    print(f"cosine of the gradients: {cosine.mean():.5f}, at least {cosine.min():.5f}")
    print(f"distance: {ours.mean():.5f} for {distance.mean():.5f}", end=", ")
    print(f"at most {np.abs(ours / distance - 1).max():.2%} off")


def compare(source: VGG19Features, ours: VGG19Features, file: Path) -> tuple[float, ...]:
    """Relative error of SR's features, cosine of the gradients, distance by source and by ours."""
    hr = crop_to_multiple(images.decode_luma(file.read_bytes(), "full"), 4)
    sr = bicubic(downscale(hr, 4), 4)
    (wanted, slope, distance), (found, our_slope, our_distance) = (
        seen(network, shown(sr, "full"), shown(hr, "full")) for network in (source, ours)
    )
    error = (found - wanted).norm() / wanted.norm()
    cosine = torch.cosine_similarity(slope.flatten(), our_slope.flatten(), dim=0)
    return float(error), float(cosine), float(distance), float(our_distance)


def seen(network: VGG19Features, sr: Tensor, hr: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features of SR, the distance's gradient there, and the distance."""
    sr.requires_grad_()
    features = network(sr)["conv5_4"]
    distance = ((features - network(hr)["conv5_4"]) ** 2).mean()
    (slope,) = torch.autograd.grad(distance, sr)
    return features.detach(), slope, distance.detach()


if __name__ == "__main__":
    main()

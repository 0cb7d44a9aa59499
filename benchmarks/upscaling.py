"""Speed and peak memory of `srcnn upscale`, each picture in a process of its own.

    python -m benchmarks.upscaling --model models/srcnn.safetensors

prints, for each picture, the megapixels made and their rate (files read and written included, the
start of Python and PyTorch not) and the most memory the process held.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from skimage import data

import srcnn

# name: width and height of the picture to enlarge
PICTURES = {
    "512²": (512, 512),
    "1080p": (1920, 1080),
    "4K": (3840, 2160),
    "6 MP (100 MP at x4)": (2500, 2500),
    "100 MP": (10_000, 10_000),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="models:/srcnn@champion")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--formats", nargs="+", default=["png"], help="png, tif, jpg, webp")
    parser.add_argument("--pictures", nargs="+", default=["512²", "4K"], choices=PICTURES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.pictures:
            source = Path(folder, "in.jpg")
            Image.fromarray(data.astronaut()).resize(PICTURES[name]).save(source, quality=92)
            for suffix in options.formats:
                log, target = Path(folder, "log"), Path(folder, f"out.{suffix}")
                command = ["-m", "srcnn", "upscale", str(source), "-o", str(target), "--overwrite"]
                model = ["--model", options.model, "--device", options.device]
                code, peak = run([sys.executable, *command, *model], log)
                text = log.read_text(encoding="utf-8").strip()
                if code:
                    raise SystemExit(text)
                made, rate = re.findall(r"([\d.]+) megapixels", text)
                print(f"{name} to {suffix}: {made} MP made, {rate} MP/s, peak {peak:.0f} MB")


def run(command: list[str], log: Path) -> tuple[int, float]:
    """The exit code of a command, and the most MB it held; its output goes to a file."""
    library = str(Path(srcnn.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": library}
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes here
    return os.waitstatus_to_exitcode(status), used.ru_maxrss / unit


if __name__ == "__main__":
    main()

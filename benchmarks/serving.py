"""Load on the served model: clients with pictures of mixed sizes, for a bounded time.

Run in a project that has a champion (`dvc repro`):

    python -m benchmarks.serving --clients 8 --seconds 60
"""

import argparse
import base64
import hashlib
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field

import psutil
from PIL import Image
from skimage import data
from tqdm import tqdm

SIDES = (16, 48, 96, 160, 256, 384)
FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass
class Load:
    """What the clients saw; each list gets one entry a request."""

    seconds: list[float] = field(default_factory=list)
    megapixels: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    answers: dict[int, str] = field(default_factory=dict)


def main() -> None:
    """Serve, warm up, load, report; exits with 1 if an answer was lost or wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="models:/srcnn@champion")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--port", type=int, default=5055)
    options = parser.parse_args()
    url = f"http://127.0.0.1:{options.port}"
    command = ["mlflow", "models", "serve", "-m", options.model, "--env-manager", "local"]
    place = ["--host", "127.0.0.1", "--port", str(options.port)]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    server = subprocess.Popen(
        [sys.executable, "-m", *command, *place],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(url, server)
        failed = load_and_report(url, server, options)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
    sys.exit(failed)


def load_and_report(url: str, server: subprocess.Popen[bytes], options: argparse.Namespace) -> bool:
    """Whether anything was lost or wrong."""
    requests = pictures()
    load = Load()
    for i, body in enumerate(requests):  # each once, alone: the answers to compare with
        ask(url, i, body, load)
    if load.lost:
        raise SystemExit(f"the server does not answer: {load.lost[0]}")
    alone, load.seconds, load.megapixels = load.seconds, [], []
    memory = [resident(server)]
    started = time.monotonic()
    clients = [
        threading.Thread(target=client, args=(url, requests, k, started + options.seconds, load))
        for k in range(options.clients)
    ]
    for thread in clients:
        thread.start()
    with tqdm(total=round(options.seconds), unit="s", disable=None) as bar:
        while any(thread.is_alive() for thread in clients):
            time.sleep(1)
            memory.append(resident(server))
            bar.update()
    took = time.monotonic() - started
    cuts = statistics.quantiles(load.seconds, n=20)
    print(
        f"{options.clients} clients, {took:.0f} s: {len(load.seconds)} answers "
        f"({len(load.seconds) / took:.1f}/s, {sum(load.megapixels) / took:.2f} SR megapixels/s), "
        f"{len(load.lost)} lost or wrong\n"
        f"seconds: median {statistics.median(load.seconds):.2f}, 95 % {cuts[-1]:.2f}, longest "
        f"{max(load.seconds):.2f}; alone: median {statistics.median(alone):.2f}, longest "
        f"{max(alone):.2f}\n"
        f"server's memory, MB: {memory[0]:.0f} before, {_largest(memory, 0):.0f} at most in the "
        f"first half, {_largest(memory, 1):.0f} in the second, {memory[-1]:.0f} after"
    )
    for reason in load.lost[:5]:
        print(f"lost: {reason}", file=sys.stderr)
    return bool(load.lost)


def client(url: str, requests: list[bytes], first: int, end: float, load: Load) -> None:
    """One client: the next picture as soon as the last came back, each client from another."""
    i = first
    while time.monotonic() < end:
        ask(url, i % len(requests), requests[i % len(requests)], load)
        i += 1


def ask(url: str, number: int, body: bytes, load: Load) -> None:
    """One request; the answer must be a picture, and the same each time."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/invocations", body, headers)
    started = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            (prediction,) = json.load(response)["predictions"]
        answer = base64.b64decode(prediction["picture"])
        with Image.open(io.BytesIO(answer)) as image:
            pixels = image.width * image.height
    except (OSError, ValueError, urllib.error.URLError) as error:
        load.lost.append(repr(error))
        return
    digest = hashlib.sha256(answer).hexdigest()
    if load.answers.setdefault(number, digest) != digest:
        load.lost.append(f"another answer than before to picture {number}")
        return
    load.seconds.append(time.monotonic() - started)
    load.megapixels.append(pixels / 1e6)


def pictures() -> list[bytes]:
    """Requests: the astronaut in every size and format, gray every other time."""
    requests = []
    for i, (side, kind) in enumerate((s, f) for s in SIDES for f in FORMATS):
        image = Image.fromarray(data.astronaut()).resize((side, side * 3 // 4))
        buffer = io.BytesIO()
        (image.convert("L") if i % 2 else image).save(buffer, kind)
        text = base64.b64encode(buffer.getvalue()).decode()
        requests.append(json.dumps({"dataframe_records": [{"picture": text}]}).encode())
    return requests


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Until the server answers /ping."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit("mlflow models serve ended; is there a champion? (dvc repro)")
        try:
            urllib.request.urlopen(f"{url}/ping", timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise SystemExit("mlflow models serve does not answer")


def resident(server: subprocess.Popen[bytes]) -> float:
    """MB of all the server's processes."""
    root = psutil.Process(server.pid)
    return sum(p.memory_info().rss for p in (root, *root.children(recursive=True))) / 1e6


def _largest(memory: list[float], half: int) -> float:
    middle = max(len(memory) // 2, 1)
    return max(memory[middle:] if half else memory[:middle])


if __name__ == "__main__":
    main()

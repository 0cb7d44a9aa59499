"""MLflow's own scoring server, in this process, with the model as it is registered."""

import base64
import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from mlflow.pyfunc import scoring_server
from PIL import Image
from skimage import data

from pipeline.tracking import registry
from srcnn.inference import upscaler as upscaling
from srcnn.inference.resolver import SuperResolver
from srcnn.inference.upscaler import Upscaler
from tests.support.models import model_file, resolver
from tests.support.pictures import encoded

ASTRONAUT = data.astronaut()[:70, 150:250]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    with registry.model_arguments(model_file(folder)) as arguments:
        mlflow.pyfunc.save_model(folder / "saved", **arguments)
    return mlflow.pyfunc.load_model(str(folder / "saved"))


@pytest.fixture
def server(model):
    return TestClient(scoring_server.init(model))


def encode(picture):
    return base64.b64encode(encoded(picture)).decode()


def ask(server, *pictures):
    records = [{"picture": picture} for picture in pictures]
    return server.post("/invocations", json={"dataframe_records": records})


def decode(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_pictures_of_several_kinds_in_one_request(server, tmp_path):
    pictures = [ASTRONAUT, ASTRONAUT[..., 0], np.dstack([ASTRONAUT, ASTRONAUT[..., :1]])]
    answer = ask(server, *map(encode, pictures))
    assert answer.status_code == 200
    upscale = Upscaler(SuperResolver.load(model_file(tmp_path)))
    for picture, got in zip(pictures, answer.json()["predictions"], strict=True):
        np.testing.assert_array_equal(decode(got["picture"]), upscale(picture))


def test_large_pictures_get_400_and_a_sentence(server):
    answer = ask(server, encode(np.zeros((2001, 2000), np.uint8)))
    assert answer.status_code == 400
    assert "more than 4,000,000 pixels" in answer.json()["message"]


def test_clients_at_once_each_get_their_own_picture(server):
    pictures = [np.full((20 + 3 * i, 30), 10 * i, np.uint8) for i in range(12)]
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda p: ask(server, encode(p)), pictures))
    for picture, answer in zip(pictures, answers, strict=True):
        got = decode(answer.json()["predictions"][0]["picture"])
        np.testing.assert_array_equal(got, Upscaler(resolver())(picture))


@pytest.fixture
def slow(monkeypatch):
    """Each tile takes a quarter of a second; the tiles that were begun."""
    begun, network = [], Upscaler._enlarge

    def slowly(*arguments):
        begun.append(arguments[2:])
        time.sleep(0.25)
        return network(*arguments)

    monkeypatch.setattr(Upscaler, "_enlarge", slowly)
    return begun


def test_nothing_is_computed_any_more_for_a_request_that_timed_out(server, slow, monkeypatch):
    monkeypatch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", "1")
    tall = encode(np.zeros((20 * upscaling.TILE // 2, 8), np.uint8))

    with ThreadPoolExecutor(3) as clients:
        answers = list(clients.map(lambda picture: ask(server, picture), [tall] * 3))

    assert [answer.status_code for answer in answers] == [503] * 3
    assert "time is over" in answers[0].json()["message"]
    assert len(slow) <= 6, "tiles of 60 were begun in one second, a quarter for each"
    assert ask(server, encode(ASTRONAUT)).status_code == 200


def test_the_library_goes_with_a_model_without_other_networks(tmp_path):
    with registry.model_arguments(model_file(tmp_path)) as arguments:
        (library,) = map(Path, arguments["code_paths"])
        files = {file.relative_to(library).as_posix() for file in library.rglob("*.*")}
    assert {"inference/resolver.py", "inference/upscaler.py", "pictures/reader.py"} <= files
    assert not any(file.endswith(".safetensors") for file in files)


def test_in_python_nobody_is_hurried(model, slow, monkeypatch):
    monkeypatch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", "0")
    monkeypatch.delenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", raising=False)
    given = pd.DataFrame({"picture": [encode(ASTRONAUT)]})
    assert decode(model.predict(given)["picture"][0]).shape == (140, 200, 3)

"""HTTP bodies for the served model: pictures, or status 4xx and one sentence; bounded memory."""

import base64
import json
import resource

import pytest

from tests.bad_input.pictures import BROKEN, WHOLE
from tests.support.models import model_file


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    import mlflow
    from fastapi.testclient import TestClient
    from mlflow.pyfunc import scoring_server

    from pipeline.tracking import registry

    folder = tmp_path_factory.mktemp("model")
    with registry.model_arguments(model_file(folder)) as arguments:
        mlflow.pyfunc.save_model(folder / "saved", **arguments)
    served = scoring_server.init(mlflow.pyfunc.load_model(str(folder / "saved")))
    return TestClient(served, raise_server_exceptions=False)


def base64_of(content):
    return base64.b64encode(content).decode()


def post(server, body, kind="application/json"):
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    answer = server.post("/invocations", content=content, headers={"Content-Type": kind})
    assert "Traceback" not in answer.text
    return answer


def ask(server, *pictures):
    return post(server, {"dataframe_records": [{"picture": picture} for picture in pictures]})


def is_refused(answer):
    assert 400 <= answer.status_code < 500, answer.text[:300]
    message = answer.json()["message"]
    assert 0 < len(message) < 1500
    return message


def test_broken_pictures_get_a_sentence(server):
    for content in BROKEN.values():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert "Error: the picture: " in is_refused(ask(server, base64_of(content)))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kB"


WHOLE_PICTURE = base64_of(WHOLE["jpeg"])
TEXTS = {
    "no base64": "a portrait!",
    "no ascii": "für" * 10,
    "padding alone": "====",
    "twice base64": base64_of(WHOLE_PICTURE.encode()),
    "lone surrogate": "\ud800",
    "too large": "A" * 60_000_000,
    "number": 5,
    "list": [WHOLE_PICTURE],
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_is_no_base64_of_a_picture_gets_a_sentence(server, text):
    is_refused(ask(server, text))


def test_one_bad_picture_refuses_the_request(server):
    is_refused(ask(server, WHOLE_PICTURE, "a portrait!", WHOLE_PICTURE))


# MLflow itself answers to what is no request at all; these are requests of something else.
BODIES = [
    b'{"dataframe_records": [1, 2]}',
    b'{"dataframe_records": [{"image": "x"}]}',
    b'{"dataframe_split": {"columns": ["picture"], "data": [["a", "b"]]}}',
    b'{"inputs": {"image": ["a"]}}',
]


@pytest.mark.parametrize("body", BODIES)
def test_requests_without_pictures_get_a_sentence(server, body):
    is_refused(post(server, body))


def test_a_frame_without_rows_gives_none_back(server):
    answer = post(server, {"dataframe_split": {"columns": ["picture"], "data": []}})
    assert answer.json() == {"predictions": []}

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


def asking(*pictures):
    return {"dataframe_records": [{"picture": picture} for picture in pictures]}


def post(server, body):
    headers = {"Content-Type": "application/json"}
    return server.post("/invocations", content=json.dumps(body), headers=headers)


def refused(server, body):
    answer = post(server, body)
    assert "Traceback" not in answer.text
    assert 400 <= answer.status_code < 500, answer.text[:300]
    message = answer.json()["message"]
    assert 0 < len(message) < 1500
    return message


def test_broken_pictures_get_a_sentence(server):
    for content in BROKEN.values():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert "Error: the picture: " in refused(server, asking(base64_of(content)))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kB"


WHOLE_PICTURE = base64_of(WHOLE["jpeg"])
# MLflow itself answers to what is no request at all; these are requests of something else.
REQUESTS = {
    "no base64, among others": asking(WHOLE_PICTURE, "a portrait!", WHOLE_PICTURE),
    "no ascii": asking("für" * 10),
    "padding alone": asking("===="),
    "twice base64": asking(base64_of(WHOLE_PICTURE.encode())),
    "lone surrogate": asking("\ud800"),
    "too large": asking("A" * 60_000_000),
    "number": asking(5),
    "list": asking([WHOLE_PICTURE]),
    "no records": {"dataframe_records": [1, 2]},
    "another column": {"dataframe_records": [{"image": "x"}]},
    "too long a row": {"dataframe_split": {"columns": ["picture"], "data": [["a", "b"]]}},
    "another input": {"inputs": {"image": ["a"]}},
}


@pytest.mark.parametrize("body", REQUESTS.values(), ids=REQUESTS)
def test_requests_of_something_else_get_a_sentence(server, body):
    refused(server, body)


def test_a_frame_without_rows_gives_none_back(server):
    answer = post(server, {"dataframe_split": {"columns": ["picture"], "data": []}})
    assert answer.json() == {"predictions": []}

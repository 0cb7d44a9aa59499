"""HTTP bodies for the served model: pictures, or status 4xx and one sentence; bounded memory."""

import base64
import io
import json
import resource

import pytest
from PIL import Image

from tests.bad_input.pictures import BROKEN, DAMAGED, WHOLE
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


def test_damaged_pictures_are_enlarged_or_get_a_sentence(server):
    for content in DAMAGED.values():
        answer = ask(server, base64_of(content))
        if answer.status_code == 200:
            png = base64.b64decode(answer.json()["predictions"][0]["picture"])
            Image.open(io.BytesIO(png)).load()
        else:
            is_refused(answer)


WHOLE_PICTURE = base64_of(WHOLE["jpeg"])
TEXTS = {
    "no base64": "a portrait!",
    "half a character": WHOLE_PICTURE[:-1],
    "url-safe": "-_" * 10,
    "no ascii": "für" * 10,
    "nothing": "",
    "blanks": " \n ",
    "padding alone": "====",
    "data url": "data:image/jpeg;base64," + WHOLE_PICTURE,
    "twice base64": base64_of(WHOLE_PICTURE.encode()),
    "lone surrogate": "\ud800",
    "null character": "\0",
    "too large": "A" * 60_000_000,
    "number": 5,
    "null": None,
    "true": True,
    "list": [WHOLE_PICTURE],
    "mapping": {"b64": WHOLE_PICTURE},
    "long list": list(range(10_000)),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_is_no_base64_of_a_picture_gets_a_sentence(server, text):
    is_refused(ask(server, text))


def test_one_bad_picture_refuses_the_request(server):
    is_refused(ask(server, WHOLE_PICTURE, "a portrait!", WHOLE_PICTURE))


BODIES = {
    "nothing": b"",
    "half": b'{"dataframe_records": [{"picture"',
    "list": b"[]",
    "null": b"null",
    "number": b"5",
    "text": b'"picture"',
    "nan": b"NaN",
    "no utf-8": b"\xff\xfe\x00",
    "no key": b"{}",
    "unknown key": b'{"pictures": []}',
    "two keys": b'{"dataframe_records": [], "dataframe_split": {}}',
    "records of nothing": b'{"dataframe_records": []}',
    "records of a text": b'{"dataframe_records": "picture"}',
    "records of numbers": b'{"dataframe_records": [1, 2]}',
    "records of null": b'{"dataframe_records": null}',
    "another column": b'{"dataframe_records": [{"image": "x"}]}',
    "split without data": b'{"dataframe_split": {"columns": ["picture"]}}',
    "split of too much": b'{"dataframe_split": {"columns": ["picture"], "data": [["a", "b"]]}}',
    "split of nothing": b'{"dataframe_split": {}}',
    "split of a list": b'{"dataframe_split": [["picture"], ["a"]]}',
    "instances of numbers": b'{"instances": [1]}',
    "instances of lists": b'{"instances": [["a"], ["b", "c"]]}',
    "inputs of a number": b'{"inputs": 3}',
    "inputs of nothing": b'{"inputs": {}}',
    "inputs of another name": b'{"inputs": {"image": ["a"]}}',
    "parameters of a number": b'{"dataframe_records": [{"picture": "x"}], "params": 5}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies_that_are_no_request_get_a_sentence(server, body):
    is_refused(post(server, body))


@pytest.mark.parametrize(
    "body", [{"dataframe_split": {"columns": ["picture"], "data": []}}, {"instances": []}]
)
def test_frames_without_rows_give_none_back(server, body):
    answer = post(server, body)
    assert answer.status_code == 200
    assert answer.json() == {"predictions": []}


@pytest.mark.parametrize("kind", ["", "text/plain", "image/png", "application/xml", "nonsense"])
def test_other_kinds_of_content_are_refused(server, kind):
    assert post(server, WHOLE["png rgb"], kind).status_code == 415


@pytest.mark.parametrize("body", [b"[" * 3000, b'{"a":' * 3000])
def test_what_mlflow_itself_cannot_read_does_not_end_the_server(server, body):
    assert post(server, body).status_code == 500
    assert ask(server, WHOLE_PICTURE).status_code == 200


@pytest.mark.parametrize("body", [b"image\nx\n", b"picture\nx\n", b"a,b\n1\n", b"\xff\xfe"])
def test_tables_that_hold_no_pictures_get_a_sentence(server, body):
    is_refused(post(server, body, "text/csv"))

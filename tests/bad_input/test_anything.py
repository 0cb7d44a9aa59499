"""Properties: whatever comes, it is taken or refused by the errors that callers know."""

import json

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.stage import params
from srcnn.inference.resolver import SCALES, SuperResolver, UnusableModel
from srcnn.masking import masked
from srcnn.pictures import images, reader
from srcnn.pictures.samples import UnreadableImage
from tests.bad_input.pictures import WHOLE
from tests.bad_input.test_model_files import ABOUT, crafted

# The same cases each time; no deadline, as machines may be busy.
few = settings(
    max_examples=80,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@few
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(b"\xef\xbb\xbfseed: 0")
def test_any_bytes_are_parameters_or_named(tmp_path, content):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    try:
        params.load(path)
    except params.ParamsError as error:
        assert "params.yaml" in str(error)


@st.composite
def edited(draw, contents):
    """One of these with bytes changed, cut out, doubled or put in."""
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        end = at + draw(st.integers(0, 8))
        new = draw(st.binary(max_size=8))
        content[at:end] = draw(st.sampled_from([new, b"", bytes(content[at:end]) * 2]))
    return bytes(content)


@few
@given(edited(list(WHOLE.values())) | st.binary(max_size=300))
def test_any_bytes_are_a_picture_or_named(content):
    for read in (images.decode, reader.read):
        try:
            read(content)
        except UnreadableImage as error:
            assert str(error)


DESCRIBED = st.dictionaries(st.sampled_from(sorted(ABOUT)), VALUES).map(lambda d: ABOUT | d)


@few
@given(edited([crafted()]) | st.binary(max_size=300) | (VALUES | DESCRIBED).map(crafted))
def test_any_bytes_or_description_are_a_model_or_named(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    try:
        loaded = SuperResolver.load(path)
    except UnusableModel as error:
        assert "model.safetensors" in str(error)
    else:
        assert loaded.scale in SCALES
        assert loaded(np.zeros((3, 4), np.uint8)).shape == (3 * loaded.scale, 4 * loaded.scale)


secrets = st.text(st.characters(exclude_characters="@", exclude_categories=["Z", "C"]), min_size=1)


@few
@given(secrets.map(lambda text: f"s3cr3t{text}"), st.text(max_size=10), st.booleans())
def test_no_password_is_shown(secret, around, user):
    uri = f"http://{'ann:' if user else ''}{secret.replace('/', '%2F')}@host:5000/x"
    uri = uri.replace("#", "%23").replace("?", "%3F")
    for text in (uri, f"{around} {uri} {around}", json.dumps({"uri": uri}), repr([uri, uri])):
        assert "s3cr3t" not in masked(text)

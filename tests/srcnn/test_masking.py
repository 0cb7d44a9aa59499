import pytest

from srcnn.masking import brief, masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://ann:s3cr3t@host:5000/x", "http://***@host:5000/x"),
        ("https://s3cr3t@host/x", "https://***@host/x"),
        ("http://ann:s3@cr3t@host", "http://***@host"),
        ("mysql://ann:s3cr3t/s3cr3t@host/db", "mysql://***@host/db"),
        ("ann:s3cr3t@host:5000 has no scheme", "***@host:5000 has no scheme"),
        ("'ann:s3cr3t@host'", "'***@host'"),
        ("postgresql://host/db?user=ann&password=s3cr3t", None),
        ("https://host/x?access_token=s3cr3t#top", None),
        ("https://host/x?X-Amz-Signature=s3cr3t", None),
        ("https://host/x?a=1;API_KEY=s3cr3t)", None),
        ("http://a:s3cr3t@h\nhttp://s3cr3t@i http://j", "http://***@h\nhttp://***@i http://j"),
    ],
)
def test_secrets_are_not_shown(text, shown):
    assert "cr3t" not in masked(text)
    assert shown in (None, masked(text))


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/ann/mlflow.db",
        "https://host/list?page=2&order=asc",
        "models:/srcnn@champion is not in http://host:5000: no such version",
        "photos/ann@home.png: 12:30 @ home",
        "write to ann@example.org",
    ],
)
def test_other_texts_stay_as_they_are(text):
    assert masked(text) == text


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "MemoryError"),
        (ValueError(" \n"), "ValueError"),
        (OSError("\n  no route to http://ann:s3cr3t@host.\nmore"), "no route to http://***@host"),
        (RuntimeError("(raised as a result of x)\ndisk full\n(Background: ...)"), "disk full"),
    ],
)
def test_an_error_is_told_in_its_first_line_that_says_something(error, told):
    assert brief(error) == told

"""Texts for people and records, without the secrets that the addresses in them may hold."""

import re

_TELLING = "pass|pwd|token|secret|key|credential|signature|sig|auth"

_USER_PARTS = (
    r"(://)[^\s/?#]*@",  # RFC 3986, section 3.2.1; unescaped, a password may hold an @, too
    r"(://)[^\s:/?#@]*:[^\s@]*@",  # SQLAlchemy takes passwords with a slash
    r"(^|[\s'\"=(])[^\s:/'\"=(]+:[^\s/@]+@",  # where the http:// was forgotten
)
_PARAMETERS = rf"(?i)([?&;][^\s=&]*(?:{_TELLING})[^\s=&]*=)[^\s&;#'\")]*"


def masked(text: str) -> str:
    """A text without what the URIs in it tell of users, passwords, tokens and keys."""
    for pattern in _USER_PARTS:
        text = re.sub(pattern, r"\1***@", text)
    return re.sub(_PARAMETERS, r"\1***", text)


def brief(error: BaseException) -> str:
    """The first line of an error that tells something, without passwords; else its class."""
    lines = (line.strip() for line in str(error).splitlines())
    # SQLAlchemy begins with what it was about to do.
    telling = (line for line in lines if line and not line.startswith("(raised as a result of"))
    return masked(next(telling, type(error).__name__)).rstrip(".")

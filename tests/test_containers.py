"""The files with which the project runs elsewhere still fit it: the image, jobs of schedulers."""

import re
import subprocess
from fnmatch import fnmatch

import yaml

from tests.support.paths import ROOT


def ignored() -> list[str]:
    """The patterns of .dockerignore."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def matches(path: str, pattern: str) -> bool:
    """Whether .dockerignore's pattern leaves a file out, itself or by one of its folders."""
    parts = path.split("/")
    above = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
    if pattern.startswith("**/"):
        return any(fnmatch(part, pattern.removeprefix("**/")) for part in parts)
    return any(fnmatch(folder, pattern.removeprefix("/")) for folder in above)


def test_all_of_git_goes_into_the_image_and_nothing_that_git_ignores():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for path in listed.stdout.splitlines():  # one that is missing would make each run "dirty"
        assert not any(matches(path, pattern) for pattern in ignored()), path
    left_out = {pattern.removeprefix("**").strip("/") for pattern in ignored()}
    for folder in (".", ".dvc"):
        lines = (ROOT / folder / ".gitignore").read_text(encoding="utf-8").splitlines()
        inside = "" if folder == "." else f"{folder}/"
        assert {inside + line.strip("/") for line in lines} <= left_out


def test_what_the_dockerfile_copies_is_there():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?:--\S+ )*(.+) \S+$", text, re.MULTILINE)
    assert copied
    for path in " ".join(copied).split():
        assert (ROOT / path).exists()


def test_the_jobs_are_those_of_kubernetes():
    jobs = (ROOT / "docs" / "kubernetes.yaml").read_text(encoding="utf-8")
    assert {job["kind"] for job in yaml.safe_load_all(jobs)} == {"Job"}

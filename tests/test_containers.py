"""The files with which the project runs elsewhere still fit it: the image, jobs of schedulers."""

import re
import subprocess

import yaml

from tests.support.paths import ROOT


def patterns(folder: str, file: str) -> list[str]:
    """What an ignore file names, with its folder."""
    lines = (ROOT / folder / file).read_text(encoding="utf-8").splitlines()
    return [f"{folder}/{line.strip('/')}" for line in lines if not line.startswith("#")]


def test_all_of_git_goes_into_the_image_and_nothing_that_git_ignores():
    left_out = ["git", "ls-files", "--cached", "--ignored", "--exclude-from=.dockerignore"]
    # one that is missing would make each run "dirty"
    assert subprocess.check_output(left_out, cwd=ROOT, text=True) == ""
    for_docker = {pattern.replace("**/", "") for pattern in patterns(".", ".dockerignore")}
    assert {*patterns(".", ".gitignore"), *patterns("./.dvc", ".gitignore")} <= for_docker


def test_what_the_dockerfile_copies_is_there():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?:--\S+ )*(.+) \S+$", text, re.MULTILINE)
    assert copied
    for path in " ".join(copied).split():
        assert (ROOT / path).exists()


def test_the_jobs_are_those_of_kubernetes():
    jobs = (ROOT / "docs" / "kubernetes.yaml").read_text(encoding="utf-8")
    assert {job["kind"] for job in yaml.safe_load_all(jobs)} == {"Job"}

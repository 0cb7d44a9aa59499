"""Damaged results of a stage: found, named, and put back by what docs/data.md says."""

import hashlib
import os
import re
from pathlib import Path

from tests.support.paths import ROOT

SHARD = "data/raw/pictures-00000.parquet"
REPRO = ("dvc", "repro", "grayscale-and-degrade")


def damage(file: Path) -> None:
    """Flip one bit as a disk does: nothing else shows it, no time, no permission."""
    before = file.stat()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    file.chmod(before.st_mode)


def test_damaged_cache_is_cleaned_and_the_shard_made_anew(project):
    whole = project.read(SHARD)
    params = project.folder / "params.yaml"  # asks for pairs that DVC has not seen yet
    params.write_text(re.sub("blur_sigma: .*", "blur_sigma: 0.5", params.read_text()))
    md5 = hashlib.md5(whole, usedforsecurity=False).hexdigest()
    file = project.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    damage(file)
    project.run("rm", "-r", "data/raw")
    output = project.run(*REPRO, fails=True)
    assert output.count("ERROR: data/raw/pictures-00000.parquet is damaged") == 1
    assert "Remove data/raw and run `dvc repro`" in output
    assert "Traceback" not in output

    guide = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    cleaning = re.search(r"^for file in \.dvc.*?^done$", guide, re.DOTALL | re.MULTILINE)
    assert project.run("bash", "-c", cleaning[0]).count("removed") == 1
    assert not file.exists()
    project.run("rm", "-r", "data/raw")
    output = project.run(*REPRO)
    assert "fetch" in project.ran(output)
    assert project.read(SHARD) == whole


def test_linked_results_cannot_be_changed_in_the_cache_by_accident(finished):
    pixels = finished.folder / "data/pairs/hr.npy"
    linked = pixels.is_symlink() or pixels.stat().st_nlink > 1
    assert (pixels.stat().st_mode & 0o222 == 0) == linked

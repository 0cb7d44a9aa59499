"""What made a result, written beside it: params.yaml and code may have been edited since."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.stage import artifacts
from pipeline.stage.inputs import Environment, digest, hash_of

_CHECKSUM = "checksum"


@dataclass(frozen=True)
class _Record:
    def write(self, path: Path) -> None:
        content = asdict(self)
        artifacts.write_json(path, content | {_CHECKSUM: hash_of(content)})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            StageError: it is missing or damaged.
        """
        with artifacts.reading(path):
            content = dict(json.loads(path.read_text(encoding="utf-8")))
            if content.pop(_CHECKSUM, None) != hash_of(content):
                raise ValueError("it does not have the checksum that stands in it")
            return cls(**content)


@dataclass(frozen=True)
class Fetched(_Record):
    """Where the pictures that `fetch` wrote are from.

    Attributes:
        source: as data.source.
        revision: the hub's commit, if they are from there.
        pictures: how many there are.
        params: those of the stage, by dotted names.
    """

    source: str
    revision: str | None
    pictures: int
    params: dict[str, Any]


@dataclass(frozen=True)
class Degraded(_Record):
    """What `grayscale-and-degrade` made the LR/HR pairs from.

    Attributes:
        params: those of `fetch` and of this stage, by dotted names.
        pairs: digest of the pairs.
    """

    params: dict[str, Any]
    pairs: str


@dataclass(frozen=True)
class Trained(_Record):
    """What a training made its model from.

    Attributes:
        params: those of the stage and of the trainings before it, by dotted names.
        key: hash of what decides the bits: parameters, data, code and the environment.
        environment: what it was trained on.
        pairs: digest of the LR/HR pairs.
        weights: sha256 of the model file.
        curve: sha256 of the training curve.
        best: the row of the training curve that the model file's weights are from.
        initial: sha256 of the weights that train.init names, if it does.
    """

    params: dict[str, Any]
    key: str
    environment: Environment
    pairs: str
    weights: str
    curve: str
    best: dict[str, float]
    initial: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.environment, dict):  # as JSON holds it
            object.__setattr__(self, "environment", Environment(**self.environment))

    @classmethod
    def read(cls, path: Path, weights: Path | None = None, curve: Path | None = None) -> Self:
        """Read what `write` wrote.

        Args:
            path: of the record.
            weights: the model file that it has to tell of, bit for bit.
            curve: the training curve that it has to tell of.

        Raises:
            StageError: one of them is missing or damaged.
        """
        record = super().read(path)
        for file, sha256 in ((weights, record.weights), (curve, record.curve)):
            if file:
                with artifacts.reading(file):
                    if digest(file) != sha256:
                        raise ValueError("its record has another sha256")
        return record


@dataclass(frozen=True)
class Evaluated(_Record):
    """What `evaluate` scored.

    Attributes:
        params: those of the stage, by dotted names.
        pairs: digest of the LR/HR pairs.
        weights: sha256 of the model file.
    """

    params: dict[str, Any]
    pairs: str
    weights: str

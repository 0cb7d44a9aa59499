"""What decides a result: the parameters and files that dvc.yaml declares, and the environment."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.stage import params, paths
from pipeline.stage.params import Params
from pipeline.stage.project import StageError, resolve
from pipeline.stage.sections import Loss


@dataclass(frozen=True)
class Inputs:
    """A stage's inputs at one moment.

    Attributes:
        stage: its name in dvc.yaml.
        params: see `params_of`.
        files: a digest of each declared file and folder, and of what dvc.yaml cannot name: a VGG19
            file that the loss uses.
    """

    stage: str
    params: dict[str, Any]
    files: dict[str, str]

    @classmethod
    def of(cls, stage: str, parameters: Params) -> Self:
        """The inputs of a stage now."""
        files = [Path(dep) for dep in _declared(stage)["deps"]]
        if stage == "finetune" and parameters.loss.perceptual_weight and parameters.loss.vgg19_file:
            files.append(resolve(parameters.loss.vgg19_file))
        return cls(stage, params_of(stage, parameters), {str(f): digest(f) for f in files})

    def key(self, environment: "Environment") -> str:
        """A hash of the inputs and of what else decides a result."""
        return hash_of([self.params, self.files, asdict(environment)])

    def check_unchanged(self) -> None:
        """Raise a StageError if an input was changed since, while the stage ran.

        DVC looks at parameters and code when a stage has ended. It would record the result as that
        of the new ones, and from then on take it for their result.
        """
        try:
            now = type(self).of(self.stage, params.load())
        except (params.ParamsError, OSError) as error:
            raise StageError(f"changed while {self.stage} ran: {error}") from None
        changed = [
            f"{name} was {self.params.get(name)!r} and is {now.params.get(name)!r}"
            for name in _differing(self.params, now.params)
        ]
        changed += [f"{name} was edited" for name in _differing(self.files, now.files)]
        if changed:
            raise StageError(
                f"changed while {self.stage} ran: {'; '.join(changed)}. DVC would record this "
                "result as that of the new state. `dvc repro` runs the stage with the new state; "
                "with the old one put back it gives the old result. `dvc exp run --temp` or "
                "--queue works in a copy that edits do not reach"
            )


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]


@dataclass(frozen=True)
class Environment:
    """What a training runs on, as it is in force: parameters and variables only ask for it.

    Attributes:
        device: "cpu", or the name of the GPU.
        instructions: of the CPU, for PyTorch's own kernels, such as "AVX2".
        precision: "float32" or "bfloat16".
        pytorch: its version.
        processes: that share each batch.
        threads: CPU threads of each.
        first_step: digest of the weights after one step. It stands for what has no name here: the
            weights before it, the libraries' choice by processor and by variables such as
            ONEDNN_MAX_CPU_ISA or MKL_CBWR, PyTorch's switches.
    """

    device: str
    instructions: str
    precision: str
    pytorch: str
    processes: int
    threads: int
    first_step: str

    def __str__(self) -> str:
        return (
            f"{self.device}, {self.instructions}, {self.precision}, processes: {self.processes}, "
            f"threads: {self.threads}, PyTorch {self.pytorch}"
        )


def vgg19_file(loss: Loss) -> Path | None:
    """The path in loss.vgg19_weights, if it is one; known early to exist, also if used late.

    Raises:
        StageError: it does not exist or is not a file.
    """
    if loss.vgg19_file is None:
        return None
    path = resolve(loss.vgg19_file)
    if not path.is_file():
        raise StageError(
            f"loss.vgg19_weights is {loss.vgg19_file!r}, but {path} does not exist or is "
            "not a file; it may be embedded, imagenet, random, or a .safetensors or .pth file"
        )
    return path


def params_of(stage: str, parameters: Params) -> dict[str, Any]:
    """The parameters that dvc.yaml declares for a stage, by their dotted names.

    Without those of section finetune where the network is passed on, of which they decide nothing.
    """
    return {
        name: value
        for wanted in _declared(stage)["params"]
        for name, value in parameters.flat().items()
        if name == wanted or name.startswith(f"{wanted}.")
        if parameters.finetunes or not name.startswith("finetune.")
    }


def _declared(stage: str) -> dict[str, Any]:
    """What dvc.yaml says of a stage."""
    tree = params.parse(paths.DVC_YAML.read_text(encoding="utf-8"), paths.DVC_YAML)
    return dict(tree["stages"][stage])


def digest(path: Path) -> str:
    """Hash of a file's content, or of all files in a folder; "missing" without one.

    Of a folder of pictures only what its index and meta.json say is hashed: they hold checksums of
    the rest.
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if not path.is_dir():
        return "missing"
    if (path / "meta.json").is_file():
        files = [path / "index.csv", path / "meta.json"]
    else:
        files = [
            f for f in sorted(path.rglob("*")) if f.is_file() and f.parent.name != "__pycache__"
        ]
    return hash_of({str(file.relative_to(path)): digest(file) for file in files})


def hash_of(content: Any) -> str:
    """Hash of what JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]

"""Stage check: what later stages would stop at is found while the last results are still there.

DVC removes a stage's results before it starts the stage. So what a stage needs before its work is
in one function `before_...`: `check` calls all of them, and each stage its own when it starts.
"""

import json
from collections import ChainMap
from collections.abc import Sequence
from pathlib import Path

from pipeline import stage
from pipeline.checks.data import before_fetch, before_grayscale_and_degrade
from pipeline.checks.scoring import before_evaluate
from pipeline.checks.training import before_finetune, before_train
from pipeline.data import raw
from pipeline.stage import paths
from pipeline.stage.inputs import params_of
from pipeline.stage.params import Params
from pipeline.tracking import identity, reach


def main(params: Params) -> None:
    """Raise a StageError for what later stages would stop at; parameters have been checked.

    What is needed only to compute results that are there already is not looked for.
    """
    _check_clone()
    reach.check_store(params.tracking.experiment)
    trainings = ["train", "finetune"]
    fetched = _is_result_of(["fetch"], paths.FETCHED, params)
    degraded = fetched and _is_result_of(["fetch", "grayscale-and-degrade"], paths.DEGRADED, params)
    trained = degraded and _is_result_of(["train"], paths.PIXEL.record, params)
    tuned = trained and _is_result_of(trainings, paths.TUNED.record, params)
    mixed = tuned and _is_result_of([*trainings, "mix"], paths.TRAINED, params)
    evaluated = mixed and _is_result_of(["evaluate"], paths.EVALUATED, params)
    if not fetched:
        before_fetch(params)
    elif not tuned and (entries := _whole_index()):
        before_grayscale_and_degrade(entries, params)
    for is_there, before in (
        (trained, before_train),
        (tuned, before_finetune),
        (evaluated, before_evaluate),
    ):
        if not is_there:
            before(params)


def _is_result_of(names: Sequence[str], record: Path, params: Params) -> bool:
    """Whether the record of a result tells of these parameters of these stages."""
    try:
        made_with = json.loads(record.read_text(encoding="utf-8"))["params"]
    except (OSError, ValueError, TypeError, KeyError):
        return False
    wanted = [params_of(name, params) for name in names]
    return bool(made_with == dict(ChainMap(*wanted)))


def _whole_index() -> list[raw.Entry]:
    """The raw pictures; none if they are damaged, which DVC sees, too, and fetches them again."""
    try:
        return raw.index(paths.RAW)
    except stage.StageError:
        return []


def _check_clone() -> None:
    """Raise a StageError for an experiment whose result DVC would lose without a word."""
    root = stage.project_root()
    if root != Path.cwd() and identity.is_shallow(root):
        raise stage.StageError(
            f"{root} is a shallow clone, where DVC would lose this experiment without a word. "
            "`git fetch --unshallow` completes it"
        )


if __name__ == "__main__":
    stage.run(main)

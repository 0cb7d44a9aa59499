"""What every stage does around its work: validate all parameters, turn bad input into one line."""

import sys
from collections.abc import Callable

from pipeline import params
from pipeline.inputs import Inputs
from pipeline.project import StageError, project_root, resolve

__all__ = ["StageError", "project_root", "resolve", "run"]


def run(main: Callable[[params.Params], None], stage: str | None = None) -> None:
    """Run a stage on the validated parameters; on bad input exit with 1 and one message.

    Args:
        main: its work.
        stage: its name in dvc.yaml, if it is one whose results DVC keeps: what it was given must
            not change while it runs.
    """
    try:
        given = params.load()
        before = Inputs.of(stage, given) if stage else None
        main(given)
        if before:
            before.check_unchanged()
    except (StageError, params.ParamsError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)

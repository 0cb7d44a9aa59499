"""What every stage does around its work: validate all parameters, turn bad input into one line."""

import os
import signal
import sys
from collections.abc import Callable

from pipeline.stage import params
from pipeline.stage.inputs import Inputs
from pipeline.stage.project import StageError
from srcnn.masking import brief
from srcnn.terminal import print_any_name


def run(main: Callable[[params.Params], None], stage: str | None = None) -> None:
    """Run a stage on the validated parameters; on bad input exit with 1 and one message.

    Args:
        main: its work.
        stage: its name in dvc.yaml, if it is one whose results DVC keeps: what it was given must
            not change while it runs.
    """
    print_any_name()
    try:
        parameters = params.load()
        before = Inputs.of(stage, parameters) if stage else None
        main(parameters)
        if before:
            before.check_unchanged()
        sys.stdout.flush()
    except BrokenPipeError:  # who reads the output has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end
        sys.exit(128 + signal.SIGPIPE)
    except (StageError, params.ParamsError, OSError) as error:  # OSError: a full disk, no rights
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        # PyTorch "tried to allocate" so much of a GPU, and "can't allocate memory" of the CPU's.
        if not isinstance(error, MemoryError) and "allocate" not in str(error):
            raise
        print(
            f"ERROR: there is not enough memory: {brief(error)}. Smaller "
            "train.batch_size, train.patch_size, model.srcnn.channels or pictures need less",
            file=sys.stderr,
        )
        sys.exit(1)
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)

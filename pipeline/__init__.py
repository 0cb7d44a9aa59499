"""The DVC stages: they read params.yaml, call the library in src/srcnn, write and report."""

import os
import sys
from pathlib import Path
from types import TracebackType

# A queued or --temp experiment runs in a copy of the project. An installed srcnn would be the
# original's code, so each checkout puts its own library first.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from srcnn.openmp import prepare_threads  # found there

prepare_threads()

# Telemetry is a network look-up that a machine without network waits for.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")

# `register` and the reports of `train` try again by themselves, without doing anything twice.
# With MLflow's own retries a server that is down would be waited for four minutes at each request.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")


def _report(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Ctrl+C while modules are still imported, which takes seconds, is one line as well."""
    if issubclass(kind, KeyboardInterrupt):
        print("Interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = _report

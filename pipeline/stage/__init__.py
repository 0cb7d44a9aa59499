"""What every stage stands on: parameters, paths, whole files, what a stage was given."""

from pipeline.stage.project import StageError, project_root, resolve
from pipeline.stage.runner import run

__all__ = ["StageError", "project_root", "resolve", "run"]

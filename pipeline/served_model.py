"""The model as MLflow loads it: models-from-code, so that nothing is pickled."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.pyfunc import PythonModel, PythonModelContext

from srcnn.inference import SuperResolver


class Upscaler(PythonModel):
    """LR luma pictures (B, 1, h, w) in [0, 1] to SR (B, 1, h · scale, w · scale), float32."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the weights that were logged beside this file."""
        self._resolver = SuperResolver.load(Path(context.artifacts["weights"]))

    def predict(
        self, context: PythonModelContext, model_input: np.ndarray, params: Any = None
    ) -> np.ndarray:
        """Super-resolve a batch; SR is rounded to 8 bits."""
        sr = [self._resolver(picture * 255) for picture in model_input[:, 0]]
        return np.stack(sr)[:, None].astype(np.float32) / 255


mlflow.models.set_model(Upscaler())

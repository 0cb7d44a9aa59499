"""The model as MLflow loads and serves it: models-from-code, so that nothing is pickled."""

import base64
import binascii
import logging
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.environment_variables import (
    _MLFLOW_IS_IN_SERVING_ENVIRONMENT,
    MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    TEMPORARILY_UNAVAILABLE,
)
from mlflow.pyfunc import PythonModel, PythonModelContext

from srcnn.pictures import reader, writers

COLUMN = "picture"

# A request is answered within MLflow's 60 seconds on two cores.
MAX_PIXELS = 4_000_000
# A file of 16-bit RGBA that does not compress, and what else it holds.
MAX_BYTES = 40_000_000

_logger = logging.getLogger(__name__)


class PictureUpscaler(PythonModel):
    """Encoded pictures (PNG, JPEG, BMP, TIFF, WebP) to PNG, enlarged; both as base64."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the weights that were logged beside this file."""
        # Here, as MLflow also runs this file to register a model, which does not take PyTorch.
        from srcnn.inference.resolver import SuperResolver
        from srcnn.inference.upscaler import Upscaler

        self._upscaler = Upscaler(SuperResolver.load(Path(context.artifacts["weights"])))
        # One picture at a time, first come first served, has the processor and tiles in memory.
        # A lock would let each of the server's threads start PyTorch's threads for itself.
        self._worker = ThreadPoolExecutor(max_workers=1)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: Any = None
    ) -> pd.DataFrame:
        """Enlarge the pictures of column `picture`; colours, alpha and 16 bits are kept.

        Raises:
            MlflowException: status 400 and a sentence if a picture cannot be enlarged, 503 if not
                in the time that MLflow's server gives a request.
        """
        deadline = _deadline()
        pictures = [self._enlarge(text, deadline) for text in model_input[COLUMN]]
        return pd.DataFrame({COLUMN: pictures})

    def _enlarge(self, text: Any, deadline: float) -> str:
        try:
            if not isinstance(text, str):  # MLflow lets numbers and null through
                raise ValueError(f"{text!r:.60} is not a base64 string")
            if len(text) > MAX_BYTES * 4 / 3:
                raise ValueError(f"its file is of more than {MAX_BYTES:,} bytes")
            data = base64.b64decode("".join(text.split()), validate=True)
            picture = reader.read(data, MAX_PIXELS)
            work = self._worker.submit(writers.encode_png, picture, self._upscaler, deadline)
            encoded = work.result()
        except binascii.Error:
            raise MlflowException("the picture is not base64", INVALID_PARAMETER_VALUE) from None
        except ValueError as error:
            raise MlflowException(f"the picture: {error}", INVALID_PARAMETER_VALUE) from None
        except TimeoutError:
            raise MlflowException("the request's time is over", TEMPORARILY_UNAVAILABLE) from None
        except Exception:  # else MLflow would send the traceback
            _logger.exception("A picture could not be enlarged")
            raise MlflowException("internal error, see the log", INTERNAL_ERROR) from None
        return base64.b64encode(encoded).decode("ascii")


def _deadline() -> float:
    """When MLflow's server gives up a request that begins now, of `time.monotonic`.

    It answers the client then but cannot stop the work. Who calls `predict` in Python waits.
    """
    serving = _MLFLOW_IS_IN_SERVING_ENVIRONMENT.get()
    patience = MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT.get() if serving else math.inf
    return time.monotonic() + patience


mlflow.models.set_model(PictureUpscaler())

"""Every artifact's path, once. Relative to the checkout a stage runs in, as in dvc.yaml."""

from dataclasses import dataclass
from pathlib import Path

PARAMS = Path("params.yaml")
DVC_YAML = Path(__file__).resolve().parents[2] / "dvc.yaml"

RAW = Path("data/raw")  # encoded pictures as they came: a few Parquet shards and an index
RAW_INDEX = RAW / "index.csv"  # names, sizes and sha256 of all of them
FETCHED = RAW / "meta.json"  # where they are from
PAIRS = Path("data/pairs")  # uint8 LR/HR pairs, memory-mapped, with their split
DEGRADED = Path("data/pairs.json")  # the parameters that they were made with

DATA_METRICS = Path("metrics/data.json")
TRAINING_CURVE = Path("metrics/training.csv")


@dataclass(frozen=True)
class TrainingFiles:
    """What a training leaves.

    Attributes:
        weights: of the network.
        snapshots: crops of pictures at steps along the training.
        curve: the training curve.
        record: what all of it was made from.
    """

    weights: Path
    snapshots: Path
    curve: Path
    record: Path

    @property
    def results(self) -> tuple[Path, ...]:
        """All but the record."""
        return self.weights, self.snapshots, self.curve


PIXEL = TrainingFiles(  # of train
    Path("models/pixel.safetensors"),
    Path("models/pixel-snapshots.safetensors"),
    Path("models/pixel-curve.csv"),
    Path("models/pixel.json"),
)
TUNED = TrainingFiles(  # of finetune, which goes on from there
    Path("models/tuned.safetensors"),
    Path("models/snapshots.safetensors"),
    TRAINING_CURVE,
    Path("models/tuned.json"),
)
SNAPSHOTS = TUNED.snapshots
WEIGHTS = Path("models/srcnn.safetensors")  # of mix: the model
TRAINED = Path("models/training.json")  # what it was made from

EVALUATION = Path("metrics/evaluation.json")
SUMMARY = Path("metrics/summary.json")  # of it what `dvc metrics` and `dvc exp show` show
PER_IMAGE = Path("metrics/per_image.csv")
HELD_OUT = "test"  # the set that the test split of the project's own data is in there
EVALUATED = Path("metrics/provenance.json")  # what was evaluated
SPEED = Path("metrics/speed.json")

FIGURES = Path("figures")
RECONSTRUCTIONS = Path("reconstructions")  # chosen test pictures, for comparing experiments

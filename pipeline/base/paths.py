"""Every artifact's path, once. Relative to the checkout a stage runs in, as in dvc.yaml."""

from pathlib import Path

PARAMS = Path("params.yaml")
DVC_YAML = Path(__file__).resolve().parents[2] / "dvc.yaml"

RAW = Path("data/raw")  # encoded pictures as they came: a few Parquet shards and an index
RAW_INDEX = RAW / "index.csv"  # names, sizes and sha256 of all of them
PAIRS = Path("data/pairs")  # uint8 LR/HR pairs, memory-mapped, with their split
DEGRADED = Path("data/pairs.json")  # the parameters that they were made with

WEIGHTS = Path("models/srcnn.safetensors")
TRAINED = Path("models/training.json")  # what the weights were trained from
SNAPSHOTS = Path("models/snapshots.safetensors")  # validation crops at steps along the training

DATA_METRICS = Path("metrics/data.json")
TRAINING_CURVE = Path("metrics/training.csv")
EVALUATION = Path("metrics/evaluation.json")
SUMMARY = Path("metrics/summary.json")  # of it what `dvc metrics` and `dvc exp show` show
PER_IMAGE = Path("metrics/per_image.csv")
HELD_OUT = "test"  # the set that the test split of the project's own data is in there
EVALUATED = Path("metrics/provenance.json")  # what was evaluated
SPEED = Path("metrics/speed.json")

FIGURES = Path("figures")
RECONSTRUCTIONS = Path("reconstructions")  # chosen test pictures, for comparing experiments

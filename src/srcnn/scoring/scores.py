"""What was measured of each picture, and the file that keeps it."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from srcnn.scoring.measures import MEASURES, Measure

DECIMALS = 6
"""As many as a diff between two experiments should show."""

_BICUBIC = "_bicubic"


@dataclass(frozen=True)
class Score:
    """One picture's measures; one that was not taken of it is missing.

    Attributes:
        id: name of the picture.
        source: the source picture it was cut from; one source's pictures are not independent.
        luma: the range of the luma that was scored, "full" or "studio".
        pixels: digest of the HR luma: equal only if size and pixels are.
        sr: the measures of SR, by name.
        bicubic: those of bicubic.
    """

    id: str
    source: str
    luma: str
    pixels: str
    sr: Mapping[str, float]
    bicubic: Mapping[str, float]

    def gain(self, measure: Measure) -> float:
        """How much better SR is than bicubic; positive is better, for every measure."""
        return measure.gain(self.sr[measure.name], self.bicubic[measure.name])


def write_scores(sets: Mapping[str, Sequence[Score]]) -> str:
    """A CSV table with a row for each picture of each set, and two columns for each measure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    twins = [name + part for name in MEASURES for part in ("", _BICUBIC)]
    writer.writerow(["set", "id", "source", "luma", "pixels", *twins])
    for of, scores in sets.items():
        for score in scores:
            cells = [
                round(values[name], DECIMALS) if name in values else ""
                for name in MEASURES
                for values in (score.sr, score.bicubic)
            ]
            writer.writerow([of, score.id, score.source, score.luma, score.pixels, *cells])
    return text.getvalue()


def read_scores(file: Path) -> dict[str, list[Score]]:
    """The scores of each set, from what `write_scores` wrote.

    Raises:
        OSError, ValueError, LookupError, csv.Error: it is not there, or is not such a table.
    """
    sets: dict[str, list[Score]] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if None in row.values():
                raise ValueError(f"the row of {row['id']!r} is cut short")
            sr, bicubic = (
                {name: float(value) for name in MEASURES if (value := row.get(name + part))}
                for part in ("", _BICUBIC)
            )
            about = row["id"], row["source"], row["luma"], row["pixels"]
            sets.setdefault(row["set"], []).append(Score(*about, sr, bicubic))
    return sets

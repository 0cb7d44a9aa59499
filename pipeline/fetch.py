"""Stage fetch: the pictures that data.source names, as they came, to data/raw."""

from pipeline import stage
from pipeline.check import before_fetch, check_splits, undivided
from pipeline.data import celeba_hq, folder, raw, samples
from pipeline.stage import artifacts, paths
from pipeline.stage.inputs import params_of
from pipeline.stage.params import Params
from pipeline.stage.record import Fetched
from srcnn.progress import progress

# A new source is one function and one line here.
SOURCES = {
    "samples": samples.open_source,
    "celeba-hq": celeba_hq.open_source,
    "folder": folder.open_source,
}


def main(params: Params) -> None:
    """Fetch, check and store the pictures; on any failure nothing is left that looks whole.

    Raises:
        StageError: the source or a picture cannot be read, or a split would be empty.
    """
    before_fetch(params)
    data = params.data
    with artifacts.whole_folder(paths.RAW) as out:
        source = SOURCES[data.source](data)
        pictures = progress(source.pictures, "fetch", source.total, "picture")
        grouped = data.grouping is not None
        count = raw.write(pictures, out, data.skip_unreadable, grouped, params.machine.workers)
        skipped = len(raw.skipped(out))
        if count == 0:
            raise stage.StageError(
                f"data.source {data.source!r} gave no picture that can be read ({skipped} skipped)"
            )
        check_splits(undivided(raw.index(out)), data)
        fetched = Fetched(data.source, source.revision, count, params_of("fetch", params))
        fetched.write(out / paths.FETCHED.name)
    print(f"fetch: {count} pictures, {skipped} unreadable skipped")


if __name__ == "__main__":
    stage.run(main, "fetch")

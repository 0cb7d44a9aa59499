"""Stage fetch: the pictures that data.source names, as they came, to data/raw."""

from dataclasses import asdict

from pipeline import check, stage
from pipeline.data import celeba_hq, folder, raw, samples
from pipeline.stage import artifacts, paths
from pipeline.stage.inputs import Inputs
from pipeline.stage.params import Params
from srcnn.progress import progress

# A new source is one function and one line here.
SOURCES = {
    "samples": samples.open_source,
    "celeba-hq": celeba_hq.open_source,
    "folder": folder.open_source,
}


def main(params: Params) -> None:
    """Fetch, check and store the pictures; on any failure nothing is left that looks whole."""
    check.before_fetch(params)
    data = params.data
    unreadable = raw.Unreadable(skip=data.skip_unreadable)
    with artifacts.whole_folder(paths.RAW) as out:
        source = SOURCES[data.source](data, unreadable)
        pictures = progress(source.pictures, "fetch", source.total, "picture")
        grouped = data.source == "folder" and data.group_by is not None
        count = raw.write(pictures, out, unreadable, grouped, params.machine.workers)
        if count == 0:
            raise stage.StageError(
                f"data.source {data.source!r} gave no picture that can be read "
                f"({len(unreadable.skipped)} skipped)"
            )
        check.check_splits(raw.index(out), data)
        given = Inputs.of("fetch", params).params
        meta = raw.Meta(data.source, source.revision, count, given)
        artifacts.write_json(out / raw.META, asdict(meta))
    print(f"fetch: {count} pictures, {len(unreadable.skipped)} unreadable skipped")


if __name__ == "__main__":
    stage.run(main, "fetch")

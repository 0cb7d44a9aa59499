"""What `fetch` and `grayscale-and-degrade` would stop at, known before their work."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pipeline.data import celeba_hq, folder, raw
from pipeline.stage import StageError, paths
from pipeline.stage.params import Params
from pipeline.stage.sections import Data
from srcnn.data.splits import SPLITS, split_of

# Below this the mirrored borders make up most of the picture; and at every scale what is left
# after shaving, 6 * scale pixels, still holds SSIM's 11x11 window.
_MINIMUM_LR_SIDE = 8

_SALTS = 100  # that are tried for one that leaves no split empty


def before_fetch(params: Params) -> None:
    """Raise a StageError for a folder, a hub or splits that `fetch` would stop at.

    Of a folder without data.group_by only the pictures themselves tell their sources.
    """
    data = params.data
    sources: Sequence[str] = ()
    if data.source == "folder":
        sources = [source for source in folder.choose(data)[1].values() if source]
    elif data.source == "celeba-hq":
        celeba_hq.find(data.revision)
        sources = celeba_hq.sources(data)
    elif data.limit is not None and data.limit < len(SPLITS):
        raise StageError(f"data.limit is {data.limit}; the samples need {len(SPLITS)}")
    check_splits(sources, data)


def check_splits(sources: Iterable[str], data: Data) -> None:
    """Raise a StageError if data.split would leave a split of these sources empty."""
    names, shares = sorted(set(sources)), data.split.model_dump()
    if not names:  # none that data.split divides
        return
    if len(names) < len(SPLITS):
        raise StageError(
            f"data.split takes whole source pictures, at least one each for {', '.join(SPLITS)}; "
            f"there {'is' if len(names) == 1 else 'are'} {len(names)}"
        )
    counts = _per_split(names, shares, data.split_salt)
    if all(counts.values()):
        return
    empty = " and ".join(split for split, count in counts.items() if not count)
    given = ", ".join(f"{split} {counts[split]} (share {shares[split]:g})" for split in SPLITS)
    raise StageError(
        f"data.split leaves no picture for {empty}: {len(names)} source pictures with "
        f"data.split_salt {data.split_salt} give {given}. {_way_to_fill(names, shares)}"
    )


def _way_to_fill(names: Sequence[str], shares: Mapping[str, float]) -> str:
    """A salt that gives each split a source."""
    for salt in range(_SALTS):
        counts = _per_split(names, shares, salt)
        if all(counts.values()):
            filled = ", ".join(f"{split} {count}" for split, count in counts.items())
            return f"data.split_salt {salt} gives {filled}"
    return "More even shares in data.split leave none empty"


def _per_split(names: Sequence[str], shares: Mapping[str, float], salt: int) -> dict[str, int]:
    counts = Counter(split_of(name, shares, salt) for name in names)
    return {split: counts[split] for split in SPLITS}


def before_grayscale_and_degrade(entries: Sequence[raw.Entry], params: Params) -> None:
    """Raise a StageError for raw pictures that cannot be degraded, split or trained with."""
    _check_scale(entries, params.degrade.scale)
    check_splits(undivided(entries), params.data)
    _check_patch_size(entries, params)


def undivided(entries: Iterable[raw.Entry]) -> list[str]:
    """The sources of pictures that data.split divides: those whose split is not known."""
    return [entry.source for entry in entries if not entry.split]


def _check_scale(entries: Sequence[raw.Entry], scale: int) -> None:
    needed = _MINIMUM_LR_SIDE * scale
    small = [entry for entry in entries if min(entry.height, entry.width) < needed]
    if small:
        first = small[0]
        raise StageError(
            f"degrade.scale is {scale}: it needs pictures of at least {needed}x{needed} pixels, "
            f"but {len(small)} of {len(entries)} are smaller, such as {first.id} "
            f"({first.width}x{first.height}); use a smaller scale or leave these pictures out"
        )


def _check_patch_size(entries: Sequence[raw.Entry], params: Params) -> None:
    scale, data = params.degrade.scale, params.data
    sizes = {"train": params.train.patch_size}
    if params.finetunes:
        sizes["finetune"] = params.finetune.patch_size
    name = max(sizes, key=sizes.__getitem__)
    used = (entry for entry in entries if raw.split(entry, data) != paths.HELD_OUT)
    smallest = min(used, key=lambda entry: min(entry.height, entry.width))
    side = min(smallest.height, smallest.width) // scale * scale
    if sizes[name] > side:
        raise StageError(
            f"{name}.patch_size is {sizes[name]}; at most {side} fits the smallest training or "
            f"validation picture, {smallest.id} ({smallest.width}x{smallest.height}, cropped to a "
            f"multiple of {scale})"
        )

"""Stage check: what later stages would stop at is found while the last results are still there.

DVC removes a stage's results before it starts the stage. So what a stage needs before its work is
in one function `before_...`: `check` calls all of them, and each stage its own when it starts. They
import PyTorch, which takes seconds, only where something that needs it may be missing.
"""

import json
import os
from collections import ChainMap, Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline import stage
from pipeline.data import celeba_hq, folder, raw
from pipeline.scoring import sets
from pipeline.stage import StageError, paths
from pipeline.stage.inputs import params_of, vgg19_file
from pipeline.stage.params import Params
from pipeline.stage.sections import Data, Finetune, Machine, Train
from pipeline.tracking import identity, reach
from srcnn import openmp
from srcnn.data.splits import SPLITS, split_of

# Below this the mirrored borders make up most of the picture; and at every scale what is left
# after shaving, 6 * scale pixels, still holds SSIM's 11x11 window.
_MINIMUM_LR_SIDE = 8

_SALTS = 100  # that are tried for one that leaves no split empty


def main(params: Params) -> None:
    """Raise a StageError for what later stages would stop at; parameters have been checked.

    What is needed only to compute results that are there already is not looked for.
    """
    _check_clone()
    reach.check_store(params.tracking.experiment)
    trainings = ["train", "finetune"]
    fetched = _is_result_of(["fetch"], paths.FETCHED, params)
    degraded = fetched and _is_result_of(["fetch", "grayscale-and-degrade"], paths.DEGRADED, params)
    trained = degraded and _is_result_of(["train"], paths.PIXEL.record, params)
    tuned = trained and _is_result_of(trainings, paths.TUNED.record, params)
    mixed = tuned and _is_result_of([*trainings, "mix"], paths.TRAINED, params)
    evaluated = mixed and _is_result_of(["evaluate"], paths.EVALUATED, params)
    if not fetched:
        before_fetch(params)
    elif not tuned and (entries := _whole_index()):
        before_grayscale_and_degrade(entries, params)
    if not trained:
        before_train(params)
    if not tuned:
        before_finetune(params)
    if not evaluated:
        before_evaluate(params)


def _is_result_of(names: Sequence[str], record: Path, params: Params) -> bool:
    """Whether the record of a result tells of these parameters of these stages."""
    try:
        made_with = json.loads(record.read_text(encoding="utf-8"))["params"]
    except (OSError, ValueError, TypeError, KeyError):
        return False
    wanted = [params_of(name, params) for name in names]
    return bool(made_with == dict(ChainMap(*wanted)))


def _whole_index() -> list[raw.Entry]:
    """The raw pictures; none if they are damaged, which DVC sees, too, and fetches them again."""
    try:
        return raw.index(paths.RAW)
    except StageError:
        return []


def _check_clone() -> None:
    """Raise a StageError for an experiment whose result DVC would lose without a word."""
    root = stage.project_root()
    if root != Path.cwd() and identity.is_shallow(root):
        raise StageError(
            f"{root} is a shallow clone, where DVC would lose this experiment without a word. "
            "`git fetch --unshallow` completes it"
        )


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
    shown = ", ".join(f"{split} {counts[split]} (share {shares[split]:g})" for split in SPLITS)
    raise StageError(
        f"data.split leaves no picture for {empty}: {len(names)} source pictures with "
        f"data.split_salt {data.split_salt} give {shown}. {_way_to_fill(names, shares)}"
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


def undivided(entries: Iterable[raw.Entry]) -> list[str]:
    """The sources of pictures that data.split divides: those whose split is not known."""
    return [entry.source for entry in entries if not entry.split]


def before_grayscale_and_degrade(entries: Sequence[raw.Entry], params: Params) -> None:
    """Raise a StageError for raw pictures that cannot be degraded, split or trained with."""
    scale = params.degrade.scale
    needed = _MINIMUM_LR_SIDE * scale
    small = [entry for entry in entries if _side(entry) < needed]
    if small:
        first = small[0]
        raise StageError(
            f"degrade.scale is {scale}: it needs pictures of at least {needed}x{needed} pixels, "
            f"but {len(small)} of {len(entries)} are smaller, such as {first.id} "
            f"({first.width}x{first.height}); use a smaller scale or leave these pictures out"
        )
    check_splits(undivided(entries), params.data)
    used = [entry for entry in entries if raw.split(entry, params.data) != paths.HELD_OUT]
    _check_patch_size(min(used, key=_side), params)


def _side(entry: raw.Entry) -> int:
    return min(entry.height, entry.width)


def _check_patch_size(smallest: raw.Entry, params: Params) -> None:
    scale = params.degrade.scale
    sizes = {"train": params.train.patch_size}
    if params.finetunes:
        sizes["finetune"] = params.finetune.patch_size
    name = max(sizes, key=sizes.__getitem__)
    side = _side(smallest) // scale * scale
    if sizes[name] > side:
        raise StageError(
            f"{name}.patch_size is {sizes[name]}; at most {side} fits the smallest training or "
            f"validation picture, {smallest.id} ({smallest.width}x{smallest.height}, cropped to a "
            f"multiple of {scale})"
        )


def before_train(params: Params) -> None:
    """Raise a StageError for what this machine lacks to train with these parameters."""
    _check_processes(params.machine, "train", params.train)
    if params.train.init is not None:
        from pipeline.training import initial

        initial.network(params)


def before_finetune(params: Params) -> None:
    """Raise a StageError for what this machine lacks to fine-tune with these parameters."""
    vgg19_file(params.loss)
    if not params.finetunes:
        return
    finetune, processes = params.finetune, params.machine.processes
    _check_processes(params.machine, "finetune", finetune)
    if not params.loss.perceptual_weight:
        return
    if finetune.batch_size % processes or finetune.perceptual_patches % processes:
        raise StageError(
            f"finetune.batch_size is {finetune.batch_size} and finetune.perceptual_patches "
            f"{finetune.perceptual_patches}: both must be multiples of machine.processes "
            f"({processes}), so that each has its share of both"
        )
    if params.loss.vgg19_weights not in ("embedded", "random"):
        from pipeline.training.terms import perceptual_loss

        perceptual_loss(params.loss, "float32")


def _check_processes(machine: Machine, section: str, of: Train | Finetune) -> None:
    check_machine(machine)
    if machine.processes > of.batch_size:
        raise StageError(
            f"{section}.batch_size is {of.batch_size}; {machine.processes} processes "
            "(machine.processes) need at least one patch each"
        )
    # A launcher, which sets RANK, may have several machines.
    if machine.processes == 1 or machine.device not in ("auto", "cuda") or "RANK" in os.environ:
        return
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if 0 < gpus < machine.processes:
        raise StageError(
            f"machine.processes is {machine.processes}, but this machine has {gpus} GPUs"
        )


def before_evaluate(params: Params) -> None:
    """Raise a StageError for test sets, a device or weights that `evaluate` would stop at."""
    sets.find(params)
    check_machine(params.machine)
    if params.loss.vgg19_file or params.evaluate.lpips not in ("auto", False):
        import torch

        from pipeline.scoring.available import find_measures

        find_measures(params.loss, params.evaluate, torch.device("cpu"))


def check_machine(machine: Machine) -> None:
    """Raise a StageError for a device or threads that this machine does not have."""
    check_threads(machine.threads)
    if machine.device in ("auto", "cpu"):  # there is always one
        return
    from srcnn.hardware import choose_device

    try:
        choose_device(machine.device)
    except ValueError as error:
        raise StageError(f"machine.{error}") from None


def check_threads(threads: int) -> None:
    """Raise a StageError if there are fewer threads."""
    if not any(name in os.environ for name in openmp.LIMITS):
        return
    try:
        openmp.check_threads(threads)
    except ValueError as error:
        raise StageError(f"machine.{error}") from None


if __name__ == "__main__":
    stage.run(main)

"""Stage check: what later stages would stop at is found while the last results are still there.

DVC removes a stage's results before it starts the stage. So what a stage needs before its work is
in one function here: `check` calls all of them, and each stage its own when it starts.
"""

import json
import math
import os
from collections import ChainMap, Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline import stage
from pipeline.data import celeba_hq, folder, raw, testsets
from pipeline.perceptual.weights import existing_file
from pipeline.stage import paths
from pipeline.stage.inputs import params_of
from pipeline.stage.params import Params
from pipeline.stage.sections import Data, Machine
from pipeline.tracking import identity, reach
from srcnn import openmp
from srcnn.splits import SPLITS, split_of

# Below this the mirrored borders make up most of the picture; and at every scale what is left
# after shaving, 6 * scale pixels, still holds SSIM's 11x11 window.
_MINIMUM_LR_SIDE = 8

_SALTS = 100  # that are tried for one that leaves no split empty
_EVEN_SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}  # where none does


def main(params: Params) -> None:
    """Raise a StageError for what later stages would stop at; parameters have been checked.

    What is needed only to compute results that are there already is not looked for.
    """
    _check_clone()
    reach.check_store(params.tracking.experiment)
    fetched = _is_result_of(["fetch"], paths.RAW / raw.META, params)
    degraded = fetched and _is_result_of(["fetch", "grayscale-and-degrade"], paths.DEGRADED, params)
    trained = degraded and _is_result_of(["train"], paths.PIXEL.record, params)
    trainings = ["train", "finetune"]
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
    except stage.StageError:
        return []


def _check_clone() -> None:
    """Raise a StageError for an experiment whose result DVC would lose without a word."""
    root = stage.project_root()
    if root != Path.cwd() and identity.is_shallow(root):
        raise stage.StageError(
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
        sources = [source for source in folder.choose(data).values() if source]
    elif data.source == "celeba-hq":
        celeba_hq.find(data.revision)
        sources = celeba_hq.sources(data.limit)
    elif data.limit is not None and data.limit < len(SPLITS):
        raise stage.StageError(f"data.limit is {data.limit}; the samples need {len(SPLITS)}")
    if sources:
        _check_shares(sources, data)


def check_splits(entries: Iterable[raw.Entry], data: Data) -> None:
    """Raise a StageError if a split of these pictures would be empty."""
    if sources := [entry.source for entry in entries if not entry.split]:
        _check_shares(sources, data)


def _check_shares(sources: Iterable[str], data: Data) -> None:
    names, shares = sorted(set(sources)), data.split.model_dump()
    if len(names) < len(SPLITS):
        raise stage.StageError(
            f"data.split takes whole source pictures, at least one each for {', '.join(SPLITS)}; "
            f"there {'is' if len(names) == 1 else 'are'} {len(names)}"
        )
    counts = _per_split(names, shares, data.split_salt)
    if all(counts.values()):
        return
    empty = " and ".join(split for split, count in counts.items() if not count)
    given = ", ".join(f"{split} {counts[split]} (share {shares[split]:g})" for split in SPLITS)
    raise stage.StageError(
        f"data.split leaves no picture for {empty}: {len(names)} source pictures with "
        f"data.split_salt {data.split_salt} give {given}. {_way_to_fill(names, shares)}"
    )


def _way_to_fill(names: Sequence[str], shares: Mapping[str, float]) -> str:
    """Shares and a salt that give each split a source, and with how many sources most salts do."""
    for tried in (shares, _EVEN_SHARES):
        by_salt = {salt: _per_split(names, tried, salt) for salt in range(_SALTS)}
        filling = [salt for salt, counts in by_salt.items() if all(counts.values())]
        if filling:
            break
    wanted = {split: share * len(names) for split, share in tried.items()}
    salt = min(filling, key=lambda salt: _distance(by_salt[salt], wanted))
    counts = ", ".join(f"{split} {count}" for split, count in by_salt[salt].items())
    shared = "" if tried == shares else f"data.split {json.dumps(tried)} with "
    return (
        f"{shared}data.split_salt {salt} gives {counts}; from {_sources_for(shares)} sources on, "
        "nearly every salt fills the shares asked for"
    )


def _sources_for(shares: Mapping[str, float]) -> int:
    """With how many sources 19 of 20 salts leave none of two splits of the least share empty."""
    return math.ceil(math.log(0.05 / 2) / math.log1p(-min(shares.values())))


def _distance(counts: Mapping[str, int], wanted: Mapping[str, float]) -> float:
    return sum(abs(counts[split] - wanted[split]) for split in SPLITS)


def _per_split(names: Sequence[str], shares: Mapping[str, float], salt: int) -> dict[str, int]:
    counts = Counter(split_of(name, shares, salt) for name in names)
    return {split: counts[split] for split in SPLITS}


def before_grayscale_and_degrade(entries: Sequence[raw.Entry], params: Params) -> None:
    """Raise a StageError for raw pictures that cannot be degraded, split or trained with."""
    _check_scale(entries, params.degrade.scale)
    check_splits(entries, params.data)
    _check_patch_size(entries, params)


def _check_scale(entries: Sequence[raw.Entry], scale: int) -> None:
    needed = _MINIMUM_LR_SIDE * scale
    small = [entry for entry in entries if min(entry.height, entry.width) < needed]
    if small:
        first = small[0]
        raise stage.StageError(
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
        raise stage.StageError(
            f"{name}.patch_size is {sizes[name]}; at most {side} fits the smallest training or "
            f"validation picture, {smallest.id} ({smallest.width}x{smallest.height}, cropped to a "
            f"multiple of {scale})"
        )


def before_train(params: Params) -> None:
    """Raise a StageError for what this machine lacks to train with these parameters."""
    _check_machine(params.machine)
    _check_batch("train.batch_size", params.train.batch_size, params.machine)
    if params.train.init is not None:
        from pipeline.training import initial

        initial.network(params)


def before_finetune(params: Params) -> None:
    """Raise a StageError for what this machine lacks to fine-tune with these parameters."""
    existing_file(params.loss)
    if not params.finetunes:
        return
    _check_machine(params.machine)
    finetune, processes = params.finetune, params.machine.processes
    _check_batch("finetune.batch_size", finetune.batch_size, params.machine)
    if not params.loss.perceptual_weight:
        return
    if finetune.batch_size % processes or finetune.perceptual_patches % processes:
        raise stage.StageError(
            f"finetune.batch_size is {finetune.batch_size} and finetune.perceptual_patches "
            f"{finetune.perceptual_patches}: both must be multiples of machine.processes "
            f"({processes}), so that each has its share of both"
        )
    if params.loss.vgg19_weights not in ("embedded", "random"):
        # PyTorch takes seconds to import, and most experiments need nothing that may be missing.
        import torch

        from pipeline.training.loss import build_loss

        build_loss(params, params.degrade.luma, torch.device("cpu"), "float32", processes)


def _check_machine(machine: Machine) -> None:
    _check_device(machine.device)
    _check_threads(machine.threads)
    gpus = _gpus() if machine.processes > 1 and machine.device in ("auto", "cuda") else 0
    # A launcher, which sets RANK, may have several machines.
    if gpus and machine.processes > gpus and "RANK" not in os.environ:
        raise stage.StageError(
            f"machine.processes is {machine.processes}, but this machine has {gpus} GPUs"
        )


def _check_batch(name: str, size: int, machine: Machine) -> None:
    if machine.processes > size:
        raise stage.StageError(
            f"{name} is {size}; {machine.processes} processes (machine.processes) need at least "
            "one patch each"
        )


def _check_device(name: str) -> None:
    if name in ("auto", "cpu"):  # there is always one
        return
    from srcnn.hardware import choose_device

    try:
        choose_device(name)
    except ValueError as error:
        raise stage.StageError(f"machine.{error}") from None


def before_plot(params: Params) -> None:
    """Raise a StageError for fewer threads than `plot` asks for."""
    _check_threads(params.machine.threads)


def _check_threads(threads: int) -> None:
    if not any(name in os.environ for name in openmp.LIMITS):  # else PyTorch is not needed here
        return
    try:
        openmp.check_threads(threads)
    except ValueError as error:
        raise stage.StageError(f"machine.{error}") from None


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def before_evaluate(params: Params) -> None:
    """Raise a StageError for test sets, a device or weights that `evaluate` would stop at."""
    testsets.find(params)
    _check_device(params.machine.device)
    _check_threads(params.machine.threads)
    if params.loss.vgg19_file or params.evaluate.lpips is True:
        import torch

        from pipeline.perceptual.measures import find_measures

        find_measures(params.loss, params.evaluate, torch.device("cpu"))


if __name__ == "__main__":
    stage.run(main)

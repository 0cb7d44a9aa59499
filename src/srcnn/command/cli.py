"""The command `srcnn`: enlarge pictures, export the model, look at it in a browser."""

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from srcnn.openmp import prepare_threads
from srcnn.terminal import print_any_name

if TYPE_CHECKING:  # wrong file names are told before PyTorch's seconds of import
    from srcnn.inference.model_files import TrainedModel
    from srcnn.inference.resolver import SuperResolver

_MODELS = (
    "packaged:x4 (or x2, x3, x4-vgg19), a .safetensors file, the name of an experiment, "
    "models:/NAME@ALIAS, models:/NAME/VERSION or runs:/RUN_ID"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0 done, 1 something failed, 2 wrong usage."""
    print_any_name()
    options = _parser().parse_args(arguments)
    prepare_threads()
    try:
        code = int(options.command(options))
        sys.stdout.flush()
    except BrokenPipeError:  # who read the output has left: `srcnn upscale *.png | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush
        return 141  # as the shell says of what SIGPIPE ended
    except (ValueError, OSError) as error:  # with a message for the user; others are our faults
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; what was not finished was not written", file=sys.stderr)
        return 130
    return code


def _upscale(options: argparse.Namespace) -> int:
    from srcnn.command import batch, plans

    @cache
    def model() -> "TrainedModel":
        from srcnn.inference import model_files

        return model_files.load(options.model, options.device, options.scale)

    plan = plans.plan(
        options.sources,
        options.output,
        lambda: f"_x{model().resolver.scale}{'_compare' if options.compare else ''}",
        options.overwrite,
    )
    if plan.others:
        print(f"Left alone: {plans.listed(plan.others)}", flush=True)
    if plan.kept:
        todo = f"{batch.counted(len(plan.jobs))} to make" if plan.jobs else "nothing to do"
        kept = batch.counted(plan.kept)
        print(f"{kept} already there, which --overwrite would make anew; {todo}", flush=True)
    if not plan.jobs:
        return 0
    resolver = model().resolver

    from srcnn.hardware import choose_precision
    from srcnn.inference.upscaler import Upscaler

    precision = choose_precision(options.precision, resolver.device)
    blend = _blend(options) if options.blend else None
    upscaler = Upscaler(
        resolver, options.self_ensemble, bfloat16=precision == "bfloat16", blend=blend
    )
    folders = any(map(os.path.isdir, options.sources))  # of which the end tells, in one line
    blended = f", blended with {options.blend}" if options.blend else ""
    how = f"x{resolver.scale} by {model().title}{blended}"
    done = batch.run(plan.jobs, upscaler, options.compare, not folders, how)
    return 0 if done else 1


def _blend(options: argparse.Namespace) -> "tuple[SuperResolver, float]":
    from srcnn.inference import model_files

    reference, _, share = options.blend.rpartition(":")
    try:
        weight = float(share)
    except ValueError:
        raise ValueError(
            f"--blend is {options.blend!r}; it must be a model and its share, as packaged:x4:0.7"
        ) from None
    return model_files.load(reference, options.device).resolver, weight


def _export(options: argparse.Namespace) -> int:
    from srcnn.command import onnx_export
    from srcnn.inference import model_files

    model = model_files.load(options.model, scale=options.scale)
    onnx_export.export(model, options.onnx, options.overwrite)
    print(f"{options.onnx}: {model.title}, x{model.resolver.scale}, checked with ONNX Runtime")
    return 0


def _score(options: argparse.Namespace) -> int:
    from srcnn.command import score

    print(score.table(options.sr, options.hr, options.scale))
    return 0


def _demo(options: argparse.Namespace) -> int:
    from srcnn.command import demo

    demo.launch(options.model, options.port)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="srcnn", description=__doc__.rstrip("."))
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    upscale = commands.add_parser("upscale", help="enlarge pictures or folders of them")
    upscale.add_argument(
        "sources",
        nargs="+",
        metavar="PICTURE",
        help="a PNG, JPEG, WebP, TIFF, BMP or HEIC picture, or a folder with those in it and below",
    )
    upscale.add_argument(
        "-o",
        "--output",
        help="for one picture the file to write, whose suffix names the format; otherwise a "
        "folder, where names and subfolders stay the same (default: NAME_x4.png beside the "
        "picture, NAME_x4/ beside the folder)",
    )
    _add_model(upscale)
    upscale.add_argument(
        "--blend",
        metavar="MODEL:SHARE",
        help="the mean with another model of this share, 0 to 1: PSNR of one, naturalness of the "
        "other, and what lies between",
    )
    upscale.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    upscale.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "auto"),
        default="float32",
        help="bfloat16: faster on hardware made for it, a gray level off here and there; auto: "
        "only there (default: float32)",
    )
    upscale.add_argument(
        "--self-ensemble",
        action="store_true",
        help="average over the 8 flips and rotations: a little better, 8 times slower",
    )
    upscale.add_argument(
        "--compare",
        action="store_true",
        help="bicubic on the left of each output, the network on the right",
    )
    upscale.add_argument(
        "--overwrite",
        action="store_true",
        help="replace outputs that exist, which are kept otherwise",
    )
    upscale.set_defaults(command=_upscale)

    export = commands.add_parser("export", help="write the model as an ONNX file")
    export.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="the file")
    _add_model(export)
    export.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    export.set_defaults(command=_export)

    score = commands.add_parser("score", help="PSNR and SSIM under each convention in use")
    score.add_argument("sr", type=Path, metavar="SR", help="the reconstruction")
    score.add_argument("hr", type=Path, metavar="HR", help="its original, of the same size")
    score.add_argument(
        "--scale", type=int, default=4, help="so many border pixels are cut off, too (default: 4)"
    )
    score.set_defaults(command=_score)

    demo = commands.add_parser("demo", help="a web page on this machine to try the models")
    demo.add_argument(
        "--model",
        action="append",
        help="one to offer, may be given several times (default: all registered versions, and the "
        "package's networks)",
    )
    demo.add_argument("--port", type=int, default=7860, help="default: 7860")
    demo.set_defaults(command=_demo)
    return parser


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        help=f"{_MODELS} (default: the registry's champion, where it is better than the "
        "package's network of its scale, else that)",
    )
    command.add_argument(
        "--scale",
        type=int,
        help="the enlargement, 2, 3, 4 or 8 (default: the model's); without --model: the champion "
        "if this is its scale, else the package's network (none for 8)",
    )


def _version() -> str:
    try:
        return f"srcnn {importlib.metadata.version('srcnn')}"
    except importlib.metadata.PackageNotFoundError:
        return f"srcnn, not installed but run from {Path(__file__).parents[2]}"

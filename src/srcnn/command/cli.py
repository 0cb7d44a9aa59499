"""The command `srcnn`: enlarge pictures, export the model, look at it in a browser."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from srcnn.openmp import spin_briefly
from srcnn.registry import DEFAULT_MODEL


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0 done, 1 something failed, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    spin_briefly()
    try:
        return int(options.command(options))
    except (ValueError, OSError) as error:  # with a message for the user; others are our faults
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; what was not finished was not written", file=sys.stderr)
        return 130


def _upscale(options: argparse.Namespace) -> int:
    from srcnn.command import batch

    jobs = batch.plan(options.source, options.output, options.compare, options.overwrite)

    from srcnn import model_files
    from srcnn.upscaling import Upscaler

    model = model_files.load(options.model, options.device)
    report = batch.run(jobs, Upscaler(model.resolver, options.self_ensemble))
    for source, reason in report.failures:
        print(f"ERROR: {source}: {reason}", file=sys.stderr)
    megapixels = report.pixels / 1e6
    pictures = "1 picture" if report.done == 1 else f"{report.done} pictures"
    print(
        f"{pictures} enlarged x{model.resolver.scale} by {model.name}: {megapixels:.1f} megapixels "
        f"in {report.seconds:.1f} s, {megapixels / max(report.seconds, 1e-9):.2f} megapixels/s"
    )
    if report.failures:
        print(f"{len(report.failures)} of {len(jobs)} failed, listed above", file=sys.stderr)
    return 1 if report.failures else 0


def _export(options: argparse.Namespace) -> int:
    from srcnn import model_files
    from srcnn.command import onnx_export

    model = model_files.load(options.model)
    onnx_export.export(model, options.onnx, options.overwrite)
    print(f"{options.onnx}: {model.name}, x{model.resolver.scale}, checked with ONNX Runtime")
    return 0


def _demo(options: argparse.Namespace) -> int:
    from srcnn.command import demo

    demo.launch(options.model, options.port)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="srcnn", description=__doc__.rstrip("."))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    upscale = commands.add_parser("upscale", help="enlarge a picture or a folder of them")
    upscale.add_argument("source", type=Path, help="a PNG, JPEG, WebP or TIFF picture, or a folder")
    upscale.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="for a picture the file to write (its suffix names the format) or an existing folder; "
        "for a folder another folder, where names and subfolders stay the same",
    )
    _add_model(upscale)
    upscale.add_argument(
        "--device", default="auto", help="auto (default), cpu, cuda or mps", metavar="DEVICE"
    )
    upscale.add_argument(
        "--self-ensemble",
        action="store_true",
        help="average over the 8 flips and rotations: a little better, 8 times slower",
    )
    upscale.add_argument(
        "--compare",
        action="store_true",
        help="also write NAME_compare.png: bicubic on the left, the network on the right",
    )
    upscale.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    upscale.set_defaults(command=_upscale)

    export = commands.add_parser("export", help="write the model as an ONNX file")
    export.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="the file")
    _add_model(export)
    export.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    export.set_defaults(command=_export)

    demo = commands.add_parser("demo", help="a web page on this machine to try the models")
    demo.add_argument(
        "--model",
        action="append",
        help="one to offer, may be given several times (default: all registered versions)",
    )
    demo.add_argument("--port", type=int, default=7860, help="default: 7860")
    demo.set_defaults(command=_demo)
    return parser


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        help="models:/NAME@ALIAS, models:/NAME/VERSION, runs:/RUN_ID or a .safetensors file "
        f"(default: {DEFAULT_MODEL})",
    )

"""Arguments of `python -m graphtorch` and which command they mean.

run FILE.py ARGS...            run an unmodified PyTorch script with `torch` resolved to graphtorch
dump FILE.py[:FUNC]            print what the compiler made of the script's compiled functions
explain FILE.py                variants, guards, fallbacks, fusions, memory, time per kernel
report FILE.py --out DIR       the same as HTML pages with pictures
bench                          eager and compiled speed of a few models on this machine
"""

from __future__ import annotations

import argparse
import sys

from ..errors import GraphtorchError

STAGES = "trace | joint | forward | backward | after:PASS | kernels | llvm | asm | cuda | memory | launches | guards"


def parser() -> argparse.ArgumentParser:
    """The argument parser."""
    top = argparse.ArgumentParser(
        prog="python -m graphtorch",
        description="Run PyTorch programs under graphtorch and look at what the compiler does with them.",
        epilog="GRAPHTORCH_DEBUG=1..5 prints while compiling; GRAPHTORCH_COMPILE=0 turns compilation off.",
    )
    commands = top.add_subparsers(dest="command", required=True)

    run = commands.add_parser(
        "run", help="run a PyTorch script with `torch` resolved to graphtorch"
    )
    run.add_argument("file")
    run.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments of the script")

    dump = commands.add_parser("dump", help="print a stage of the compiled functions of a script")
    dump.add_argument("target", metavar="FILE.py[:FUNC]")
    dump.add_argument("arguments", nargs="*", help="arguments of the script, after --")
    dump.add_argument("--stage", default="trace", help=f"{STAGES} (default: trace)")
    dump.add_argument("--format", default="text", choices=["text", "dot", "svg", "json"])
    dump.add_argument("--diff", nargs=2, metavar=("A", "B"), help="difference between two stages")
    dump.add_argument("--list", action="store_true", help="list the stages there are")
    dump.add_argument("--out", help="write to this file instead of standard output")

    explain = commands.add_parser("explain", help="why it compiled as it did, and where time goes")
    explain.add_argument("file", metavar="FILE.py")
    explain.add_argument("arguments", nargs="*", help="arguments of the script, after --")

    report = commands.add_parser(
        "report", help="write HTML pages about a script's compiled functions"
    )
    report.add_argument("file", metavar="FILE.py")
    report.add_argument("arguments", nargs="*", help="arguments of the script, after --")
    report.add_argument("--out", default="ir-report", help="folder to write (default: ir-report)")

    bench = commands.add_parser("bench", help="eager and compiled speed on this machine")
    bench.add_argument("--seconds", type=float, default=1.0, help="time per model (default: 1)")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    listed = list(sys.argv[1:] if arguments is None else arguments)
    rest: list[str] = []
    if listed and listed[0] != "run" and "--" in listed:
        cut = listed.index("--")
        listed, rest = listed[:cut], listed[cut + 1 :]
    options, unknown = parser().parse_known_args(listed)
    if unknown and options.command not in ("report", "dump", "explain"):
        parser().error(f"unrecognized arguments: {' '.join(unknown)}")
    if hasattr(options, "arguments"):
        options.arguments = [*options.arguments, *unknown, *rest]
    from . import commands

    try:
        return getattr(commands, options.command)(options)
    except BrokenPipeError:
        return 0
    except (GraphtorchError, FileNotFoundError, ValueError) as error:
        print(f"graphtorch: {error}", file=sys.stderr)
        return 2

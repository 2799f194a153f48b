"""What each command does; `main.py` reads the arguments."""

from __future__ import annotations

import argparse
import difflib
import sys

from .script import compiled_functions, run_script


def run(options: argparse.Namespace) -> int:
    """Run a script with `torch` resolved to graphtorch."""
    from ..frontend.alias import install_as_torch

    install_as_torch()
    return run_script(options.file, options.arguments)


def dump(options: argparse.Namespace) -> int:
    """Print one stage, or the difference of two, of every variant."""
    from ..frontend import inspection

    file, _, function = options.target.partition(".py:")
    file = file if file.endswith(".py") else file + ".py"
    functions = compiled_functions(file, options.arguments, function or None)
    parts = []
    for compiled in functions:
        if compiled.left is not None and not compiled.variants:
            parts.append(f"# {compiled.__name__} was left to eager: {compiled.left}")
        for variant in compiled.variants:
            if options.list:
                text = "\n".join(inspection.stage_names(variant))
            elif options.diff:
                before, after = (inspection.stage_text(variant, s) for s in options.diff)
                text = "".join(
                    difflib.unified_diff(
                        before.splitlines(True), after.splitlines(True), *options.diff, n=2
                    )
                )
            else:
                text = inspection.stage_text(variant, options.stage, options.format)
            if options.format == "text":
                parts.append(
                    f"# {compiled.__name__}, variant {variant.generation}: {variant.reason}"
                )
            parts.append(text)
    _write("\n".join(parts), options.out)
    return 0


def explain(options: argparse.Namespace) -> int:
    """Print `explain()` of every compiled function of a script."""
    for compiled in compiled_functions(options.file, options.arguments, None):
        print(compiled.explain())
    return 0


def report(options: argparse.Namespace) -> int:
    """Write HTML pages about a script's compiled functions."""
    from .report import write_report

    functions = compiled_functions(options.file, options.arguments, None)
    index = write_report(options.file, functions, options.out)
    print(f"wrote {index}")
    return 0


def bench(options: argparse.Namespace) -> int:
    """Time eager and compiled train steps of small models."""
    from .bench import measure

    measure(options.seconds)
    return 0


def _write(text: str, out: str | None) -> None:
    if out is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        return
    with open(out, "w") as file:
        file.write(text)

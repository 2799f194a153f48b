"""The passes in the order they run, and the one place between them to look.

A pass is a plain function from graph to graph, valid in, valid out.  A hook is called after every
pass with its name, the graph and the seconds it took: printing, timing, verifying and keeping every
stage are hooks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from ..graph import Graph
from .align_shapes import align_shapes
from .cse import cse
from .dce import dce
from .decompose import Keep, decompose
from .rematerialise import rematerialise
from .simplify import simplify

Pass = Callable[[Graph], Graph]
Hook = Callable[[str, Graph, float], None]


def pipeline(keep: Keep = ()) -> list[tuple[str, Pass]]:
    """The named passes of the compiler.

    keep: the composites the code generator claims whole, by name or by a question about a node.
    """
    from .fuse import fuse

    return [
        ("dce", dce),
        ("decompose", partial(decompose, keep=keep)),
        ("simplify", simplify),
        ("cse", cse),
        ("align_shapes", align_shapes),
        ("simplify_again", simplify),
        ("cse_again", cse),
        ("rematerialise", rematerialise),
        ("fuse", fuse),
    ]


def run_passes(
    graph: Graph, passes: Sequence[tuple[str, Pass]], hooks: Sequence[Hook] = ()
) -> Graph:
    """Run the passes in order, the hooks after each."""
    for name, function in passes:
        start = time.perf_counter()
        graph = function(graph)
        seconds = time.perf_counter() - start
        for hook in hooks:
            hook(name, graph, seconds)
    return graph


def verifying(name: str, graph: Graph, seconds: float) -> None:
    """A hook that verifies every graph; the error says after which pass."""
    from ...errors import VerificationError
    from ..verify import verify

    try:
        verify(graph)
    except VerificationError as error:
        raise VerificationError(f"after pass {name}: {error}") from None


def keeping(stages: list[tuple[str, Graph]]) -> Hook:
    """A hook that appends (name, graph) to `stages`."""
    return lambda name, graph, seconds: stages.append((name, graph))


def timing(seconds_of: dict[str, float]) -> Hook:
    """A hook that notes the seconds of every pass."""

    def hook(name: str, graph: Graph, seconds: float) -> None:
        seconds_of[name] = seconds

    return hook


def printing(write: Callable[[str], object] = print) -> Hook:
    """A hook that prints every graph under its pass's name."""

    def hook(name: str, graph: Graph, seconds: float) -> None:
        write(f"# after {name} ({len(graph)} nodes, {seconds * 1e3:.1f} ms)\n{graph}\n")

    return hook

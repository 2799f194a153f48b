"""`torch._dynamo`: what programs say to PyTorch's tracer.  Here `torch.compile` traces by running."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import absent
from ..compiler import disable as disable
from ..compiler import is_compiling as is_compiling
from ..compiler import reset as reset
from . import config as config
from . import eval_frame as eval_frame
from . import exc as exc
from . import utils as utils
from .eval_frame import OptimizedModule as OptimizedModule


def _unchanged(fn: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Return `fn`: there is nothing to mark."""
    return fn


allow_in_graph = disallow_in_graph = forbid_in_graph = assume_constant_result = run = _unchanged
substitute_in_graph: Callable[..., Any] = lambda *args, **kwargs: _unchanged


def graph_break(msg: str = "") -> None:
    """Accepted: a function is one graph, or it is left to eager."""


def mark_dynamic(t: Any, index: Any, **_: Any) -> None:
    """Accepted: a new shape makes a new variant."""


def mark_static(t: Any, index: Any = None) -> None:
    """Accepted: shapes are always exact."""


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Accepted: where a tensor lies is looked up at every call."""


maybe_mark_dynamic = mark_unbacked = decorators = mark_dynamic


def list_backends(*_: Any) -> list[str]:
    """Names for `torch.compile(backend=...)`."""
    return ["graphtorch"]


__getattr__ = absent.names_of(__name__)

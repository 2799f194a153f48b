"""Writing through a view: what becomes of the parent when a view of it is overwritten.

The same rule serves eager autograd (the base's history after `x[0].mul_(2)`) and the tracer
(functionalisation): `updated(op, attrs, parent, value)` is the parent after the write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import message
from ..ir import ops
from ..ir.op import Op


def updated(op: Op, attrs: Mapping[str, Any], parent: Any, value: Any) -> Any:
    """Return `parent` with the part that the view `op(parent, **attrs)` shows replaced by `value`."""
    name = op.name
    if name == "slice":
        return ops.slice_update(parent, value, **attrs)
    if name == "reshape":
        return ops.reshape(value, shape=tuple(parent.shape))
    if name == "permute":
        dims = attrs["dims"]
        return ops.permute(value, dims=tuple(sorted(range(len(dims)), key=dims.__getitem__)))
    if name == "flip":
        return ops.flip(value, **attrs)
    if name == "stop_gradient":
        return value
    if name == "diagonal":
        return ops.diagonal_update(parent, value, **attrs)
    if name == "view_as_real":
        return ops.view_as_complex(value)
    if name == "view_as_complex":
        return ops.view_as_real(value)
    if name == "real":
        return ops.complex(value, ops.imag(parent))
    if name == "imag":
        return ops.complex(ops.real(parent), value)
    raise RuntimeError(
        message(
            "unsupported operation: more than one element of the written-to tensor refers to a single"
            " memory location",
            operands={"view": op.name},
            hint="clone() the tensor before writing to it",
        )
    )

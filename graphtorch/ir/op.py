"""What an op is: one row that says everything about it.

    name, kind, type rule, NumPy kernel, scalar body, derivative rules, sample inputs

From the row follow eager execution, the type checker, gradients, fusion and both code generators.
Rows live in `ir/ops/`, one file per family.  This module declares their shape and the registry.

How a derivative rule is written
    A rule is a function whose *parameter names say what it needs*:
        g            the cotangent of the output         (tuple of them for ops with several outputs)
        y            the output's value
        a, b, x...   the value of the input of that name (see `Op.inputs`)
        y_type, a_type, x_type...   only its TensorType (`.shape`, `.dtype`); holds no memory
        dims, ...    the attribute of that name
    What a rule names as a value is what the eager tape keeps alive and version-checks.
    `vjp` holds one rule per input, in order; None marks an input without derivative, SAME passes g on.
    A `Joint` rule computes the cotangents of all inputs at once.
    Rules are written with ops, on values that already have equal shapes and dtypes: no rule broadcasts.

How a scalar body is written
    `body(s, x, ...)` describes one element over a scalar target `s`:
        s.call("exp", x)   s.add(a, b)   s.const(0.5)   s.select(c, a, b)   s.less(a, b)   s.cast(x, dtype)
    `codegen.scalar` documents the whole target; LLVM, CUDA C and the NumPy oracle implement it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import dispatch
from .types import DType, TensorType, bool_

KINDS = (
    "input", "constant",
    "pointwise", "reduction", "view", "index", "contraction", "creation", "random", "host",
    "composite",
)  # fmt: skip

SAME = "same"  # derivative rule: the cotangent passes unchanged


class Joint:
    """A derivative rule that returns the cotangents of all inputs as one tuple (None allowed)."""

    def __init__(self, rule: Callable[..., tuple[Any, ...]]):
        self.rule = rule


def parameter_names(rule: Callable[..., Any]) -> tuple[str, ...]:
    """Names of a rule's parameters, in order."""
    return tuple(inspect.signature(rule).parameters)


@dataclass(frozen=True, eq=False, slots=True)
class Op:
    """One row of the op table.

    inputs: names of the tensor operands; a last name that starts with "*" takes any number.
        Pointwise ops also accept Python scalars as operands (weakly typed, kept as literals).
    infer(*types, **attrs): TensorType (a tuple of them for several outputs).  For an operand that
        is a Python scalar it gets the scalar itself.  Raises TypeError/RuntimeError as PyTorch does.
    numpy(*arrays, **attrs): the NumPy kernel: eager mode, the interpreter and `host` launches.
    body: the scalar body (pointwise), see the module docstring.
    strided(shape, strides, offset, **attrs): views only; shape, strides and offset (in elements)
        of the result, or None where the view needs a copy.
    vjp: derivative rules, see the module docstring; None: not differentiable.
    decompose(*values, **attrs): composites only; the same value made from other ops.
    effect: never merged, dropped or reordered among its like (random draws).
    samples(): list of (inputs, attrs), small arrays, for the test that covers every row.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    infer: Callable[..., Any]
    numpy: Callable[..., Any] | None = None
    body: Callable[..., Any] | None = None
    strided: Callable[..., Any] | None = None
    vjp: tuple[Callable[..., Any] | str | None, ...] | Joint | None = None
    decompose: Callable[..., Any] | None = None
    effect: bool = False
    samples: Callable[[], list[tuple[tuple[Any, ...], dict[str, Any]]]] | None = None
    meta: dict[str, Any] = field(default_factory=dict)  # kind-specific facts (init, combine, ...)

    def __call__(self, *inputs: Any, **attrs: Any) -> Any:
        return dispatch.bind(self, inputs, attrs)

    def __repr__(self) -> str:
        return f"<op {self.name}>"


OPS: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Add a row to the table; a name stands once."""
    if op.kind not in KINDS:
        raise ValueError(f"op {op.name}: kind {op.kind!r} is not one of {KINDS}")
    if op.name in OPS:
        raise ValueError(f"op {op.name} is declared twice")
    OPS[op.name] = op
    return op


def _same_type(name: str, types: tuple[Any, ...]) -> TensorType:
    """The common type of a pointwise op's tensor operands; scalars are weakly typed."""
    tensors = [t for t in types if isinstance(t, TensorType)]
    first = tensors[0]
    if any(t is not first and t != first for t in tensors):
        raise TypeError(f"{name} wants equal types, got {', '.join(map(str, types))}")
    return first


def pointwise(
    name: str,
    inputs: str,
    numpy: Callable[..., Any],
    body: Callable[..., Any],
    *partials: Callable[..., Any] | str | None,
    out: DType | None = None,
    infer: Callable[..., TensorType] | None = None,
    samples: Callable[[], list[tuple[tuple[Any, ...], dict[str, Any]]]] | None = None,
) -> Op:
    """Declare an op that works element by element on operands of one shape and dtype.

    partials: one rule per input giving its cotangent; none at all: not differentiable.  out: result dtype if not the operands'.
    """
    names = tuple(inputs.split())

    def same(*types: Any, **attrs: Any) -> TensorType:
        common = _same_type(name, types)
        return common if out is None else TensorType(out, common.shape)

    if partials and len(partials) != len(names):
        raise ValueError(f"op {name}: {len(names)} inputs, {len(partials)} partial derivatives")
    return register(
        Op(
            name,
            "pointwise",
            names,
            infer or same,
            numpy,
            body=body,
            vjp=tuple(partials) or None,
            samples=samples,
        )
    )


def comparison(name: str, numpy: Callable[..., Any], body: Callable[..., Any]) -> Op:
    """Declare a pointwise op of two operands whose result is bool and has no derivative."""
    return pointwise(name, "a b", numpy, body, out=bool_)


def declare(
    name: str,
    kind: str,
    inputs: str,
    infer: Callable[..., Any],
    numpy: Callable[..., Any] | None = None,
    **row: Any,
) -> Op:
    """Declare an op of any other kind; keyword arguments are the fields of `Op`."""
    return register(Op(name, kind, tuple(inputs.split()), infer, numpy, **row))

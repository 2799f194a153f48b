"""How a row's derivative rules are called, by the eager tape and by `transforms.vjp` alike.

A rule's parameter names say what it needs (see `ir.op`).  They are read once per (op, needs) and
kept as a `Plan`:

    plan = plan_for(op, needs)          needs[i]: is the cotangent of input i wanted?
    plan.values, plan.output            inputs, and whether the output, read as *values*
    plan.types                          inputs of which only the type is read
    plan(inputs, y, g, attrs)           the cotangents, one per input, None where there is none

A tape therefore keeps `inputs[i]` for i in `plan.values`, a `TensorType` for i in `plan.types`, and
anything (None) in the other places; in the same way `y` may be a TensorType unless `plan.output`.

This module does not walk graphs or tapes, and does not add cotangents up.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from .op import OPS, SAME, Joint, Op
from .types import BY_NUMPY, DType, TensorType


def type_of(value: Any) -> Any:
    """The TensorType of a node, tensor or array; a type, tuple of values or scalar as it stands.

    >>> import numpy
    >>> type_of(numpy.zeros((2, 3), "float32"))
    f32[2, 3]
    """
    if isinstance(value, TensorType) or value is None:
        return value
    if isinstance(value, (tuple, list)):
        return tuple(map(type_of, value))
    shape = getattr(value, "shape", None)
    if shape is None:
        return value
    dtype = value.dtype
    return TensorType(dtype if isinstance(dtype, DType) else BY_NUMPY[dtype], tuple(shape))


def differentiable(op: Op) -> bool:
    """Whether gradients flow through `op`, by its own rules or through its decomposition."""
    return op.vjp is not None or op.decompose is not None


def through_decomposition(op: Op) -> bool:
    """Whether `op` must be taken apart to be differentiated."""
    return op.vjp is None and op.decompose is not None


class Plan:
    """One op's derivative rules for one set of wanted cotangents; see the module docstring."""

    __slots__ = ("_calls", "_count", "_environment", "_joint", "op", "output", "types", "values")

    op: Op
    values: tuple[int, ...]
    types: tuple[int, ...]
    output: bool

    def __init__(self, op: Op, needs: tuple[bool, ...]):
        if op.vjp is None:
            raise TypeError(f"op {op.name} has no derivative rules")
        self.op = op
        self._count = len(needs)
        wishes = _Wishes(op, len(needs))
        self._joint: tuple[Callable[..., Any], Any] | None = None
        self._calls: list[tuple[int, Callable[..., Any] | None, Any]] = []
        if isinstance(op.vjp, Joint):
            self._joint = (op.vjp.rule, wishes.getter(op.vjp.rule))
        else:
            for index in (i for i, needed in enumerate(needs) if needed):
                rule = op.vjp[index] if index < wishes.fixed else op.vjp[-1]
                if rule is None:
                    continue
                if rule is SAME:
                    self._calls.append((index, None, None))
                elif index >= wishes.fixed:
                    raise TypeError(f"op {op.name}: a rule for {op.inputs[-1]} must be a Joint")
                else:
                    assert callable(rule)
                    self._calls.append((index, rule, wishes.getter(rule)))
        self.values = tuple(sorted(wishes.values))
        self.types = tuple(sorted(wishes.types - wishes.values))
        self.output = wishes.output
        self._environment = tuple(wishes.extra)

    def __call__(self, inputs: Sequence[Any], y: Any, g: Any, attrs: dict[str, Any]) -> list[Any]:
        """Run the rules; `g` is the cotangent of `y` (a tuple for an op with several outputs)."""
        environment = [g, y, *inputs]
        for extra in self._environment:
            environment.append(extra(environment, attrs))
        if self._joint is not None:
            rule, get = self._joint
            found = list(rule(*get(environment)))
            if len(found) < self._count:
                found += [None] * (self._count - len(found))
            return found[: self._count]
        cotangents: list[Any] = [None] * self._count
        for index, rule_or_same, get in self._calls:
            cotangents[index] = g if rule_or_same is None else rule_or_same(*get(environment))
        return cotangents


class _Wishes:
    """Collects what the rules of one op read, and hands out a getter per rule.

    The environment a getter reads from: g, y, the inputs, then one place per extra (a type, an
    attribute, the tuple of a variadic input), filled by small functions of (environment, attrs).
    """

    def __init__(self, op: Op, count: int):
        self.op = op
        self.count = count
        self.variadic = bool(op.inputs) and op.inputs[-1].startswith("*")
        self.fixed = len(op.inputs) - 1 if self.variadic else len(op.inputs)
        self.values: set[int] = set()
        self.types: set[int] = set()
        self.output = False
        self.extra: list[Callable[[list[Any], dict[str, Any]], Any]] = []
        self._places: dict[str, int] = {}

    def getter(self, rule: Callable[..., Any]) -> Callable[[list[Any]], tuple[Any, ...]]:
        parameters = inspect.signature(rule).parameters
        places = tuple(self._place(name, parameter) for name, parameter in parameters.items())
        if len(places) == 1:
            only = places[0]
            return lambda environment: (environment[only],)
        if not places:
            return lambda environment: ()
        return itemgetter(*places)

    def _place(self, name: str, parameter: inspect.Parameter) -> int:
        if name == "g":
            return 0
        if name == "y":
            self.output = True
            return 1
        names = [n.lstrip("*") for n in self.op.inputs]
        if name in names:
            index = names.index(name)
            if self.variadic and index == self.fixed:
                self.values.update(range(index, self.count))
                return self._add(name, lambda e, _: tuple(e[2 + index : 2 + self.count]))
            if index >= self.count:  # an optional operand that was left out
                return self._add(name, lambda e, _: None)
            self.values.add(index)
            return 2 + index
        base = name.removesuffix("_type")
        if base != name:
            if base == "y":
                return self._add(name, lambda e, _: type_of(e[1]))
            if base in names:
                index = names.index(base)
                if self.variadic and index == self.fixed:
                    self.types.update(range(index, self.count))
                    return self._add(
                        name, lambda e, _: tuple(map(type_of, e[2 + index : 2 + self.count]))
                    )
                if index >= self.count:
                    return self._add(name, lambda e, _: None)
                self.types.add(index)
                return self._add(name, lambda e, _: type_of(e[2 + index]))
        return self._add(name, self._attribute(name, parameter))

    def _attribute(
        self, name: str, parameter: inspect.Parameter
    ) -> Callable[[list[Any], dict[str, Any]], Any]:
        declared = inspect.signature(self.op.infer).parameters.get(name)
        for known in (declared, parameter):
            if known is not None and known.default is not inspect.Parameter.empty:
                default = known.default
                return lambda _, attrs: attrs.get(name, default)
        return lambda _, attrs: attrs[name]

    def _add(self, name: str, fill: Callable[[list[Any], dict[str, Any]], Any]) -> int:
        if name not in self._places:
            self._places[name] = 2 + self.count + len(self.extra)
            self.extra.append(fill)
        return self._places[name]


class Conjugated:
    """The rules of a holomorphic op for complex values: the adjoint is conj . transpose . conj.

    Rules compute with the transposed Jacobian; PyTorch's gradients of complex values want the
    conjugate transposed one.  Rows that are not holomorphic say `meta["conjugates"]` and are not wrapped.
    """

    __slots__ = ("plan",)

    def __init__(self, plan: Plan):
        self.plan = plan

    def __call__(self, inputs: Sequence[Any], y: Any, g: Any, attrs: dict[str, Any]) -> list[Any]:
        """Run the rules on conjugated cotangents."""
        turned = tuple(map(_conjugate, g)) if isinstance(g, tuple) else _conjugate(g)
        return [_conjugate(found) for found in self.plan(inputs, y, turned, attrs)]


def _conjugate(x: Any) -> Any:
    return x if x is None or type_of(x).dtype.kind != "c" else OPS["conj"](x)


_plans: dict[tuple[Op, tuple[bool, ...]], Plan] = {}


def plan_for(op: Op, needs: tuple[bool, ...]) -> Plan:
    """The (cached) plan of `op` for the cotangents wanted; raises TypeError without rules."""
    plan = _plans.get((op, needs))
    if plan is None:
        plan = _plans[op, needs] = Plan(op, needs)
    return plan


def saved(op: Op, needs: tuple[bool, ...]) -> tuple[tuple[int, ...], bool]:
    """Which inputs, and whether the output, the rules read as values."""
    plan = plan_for(op, needs)
    return plan.values, plan.output


def apply_rules(
    op: Op,
    inputs: Sequence[Any],
    y: Any,
    g: Any,
    attrs: dict[str, Any],
    needs: tuple[bool, ...],
) -> list[Any]:
    """Cotangents of the inputs given that of the output; None where not wanted or not there."""
    return plan_for(op, needs)(inputs, y, g, attrs)


def fill_cotangents(g: Sequence[Any], types: Sequence[TensorType]) -> tuple[Any, ...]:
    """Complete the cotangents of an op with several outputs, as its rules expect them.

    A floating output nobody used gets zeros; an integer or bool output has no cotangent: None.
    """
    return tuple(
        OPS["full"](shape=t.shape, value=0.0, dtype=t.dtype)
        if cotangent is None and t.dtype.kind in "fc"
        else cotangent
        for cotangent, t in zip(g, types, strict=True)
    )

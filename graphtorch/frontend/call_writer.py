"""Writes the function that carries out a call of a compiled variant, as Python text.

    def run(args, kwargs):
        o0 = empty((), d0)
        execute(args[0]._array, last[0], o0)
        bump(w0)                              # a tensor written in place has a new version
        t0 = new(Tensor); t0._array = o0
        p0._grad = t1                         # what `backward()` inside the function left
        return t0

A compiled forward also puts one node on the eager tape (`compiled_backward`).
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnsupportedError
from ..ir.graph import Graph
from . import pytree
from .checker import Checker
from .compiled_backward import FREED, Attacher, contiguous
from .returned import Outputs, replay
from .tensor import Tensor
from .trace import Tracer
from .traced import Captured

if TYPE_CHECKING:
    from .variant import Variant

_LINE = 64  # bytes of a cache line
_LARGE = 1 << 16  # bytes from which an output is worth aligning


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """`np.empty` on a cache line's boundary, so that kernels may store past the caches."""
    nbytes = math.prod(shape) * dtype.itemsize
    block = np.empty(nbytes + _LINE, np.uint8)
    start = -block.ctypes.data % _LINE
    return block[start : start + nbytes].view(dtype).reshape(shape)


def bump(tensor: Tensor) -> None:
    tensor._storage.version += 1


class CallWriter:
    """Writes the generated `run` function, and the guards on captured tensors."""

    def __init__(
        self, variant: Variant, tracer: Tracer, args: tuple, kwargs: dict, checker: Checker
    ):
        self.variant = variant
        self.checker = checker
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "Tensor": Tensor,
            "new": Tensor.__new__,
            "empty": np.empty,
            "aligned": aligned_empty,
        }
        self.arguments: dict[int, str] = {}
        for tree, prefix in ((args, "args"), (kwargs, "kwargs")):
            for path, leaf in pytree.paths(tree, prefix):
                if isinstance(leaf, Tensor):
                    if id(leaf) in self.arguments:
                        checker.require(
                            f"{path} is {self.arguments[id(leaf)]}", "the same tensor twice"
                        )
                    else:
                        self.arguments[id(leaf)] = path
        written = [c for c in tracer.captured.values() if c.written]
        for c in written:
            if c.tensor._node is not None:
                raise UnsupportedError(f"{c.name} is written in place and has a gradient history")
        if written:
            self._aliases(list(tracer.captured.values()), written)

    def _aliases(self, captured: list, written: list) -> None:
        ranges = []
        for c in captured:
            low, high = (
                np.lib.array_utils.byte_bounds(c.tensor._array) if c.tensor._array.size else (0, 0)
            )
            ranges.append((low, high, c))
        ranges.sort(key=lambda r: r[0])
        end, holder = 0, None
        for low, high, c in ranges:
            if low < end and holder is not None and (c.written or holder.written) and high > low:
                raise UnsupportedError(
                    f"inputs {holder.name} and {c.name} share memory and one of them is written in place"
                )
            if high > end:
                end, holder = high, c

    def write(self, plan: Outputs, spec: Any, graph: Graph) -> None:
        """Generate `variant.run` and `variant.bind`."""
        variant, names = self.variant, self.names
        inputs, copies = self._inputs()
        binding = f"({', '.join(inputs)}{',' if len(inputs) == 1 else ''})"
        bind = "\n".join(["def bind(args, kwargs):", *self.lines, f"    return {binding}"])
        for i, (tensor, _) in enumerate(plan.grads):
            names[f"p{i}"] = tensor
            if not self._reads_grad(tensor):
                self.lines.append(f"    p{i}._grad = None")
        outputs = self._make_outputs(graph)
        names["execute"] = variant.program.call
        self.lines.append(f"    execute({', '.join([*inputs, *outputs])})")
        self._written(copies)
        self._wrap_outputs(plan)
        if plan.differentiable:
            self._attach_backward(plan, outputs)
        for i, (_, place) in enumerate(plan.grads):
            value = self._place(place) if place is not None else None
            self.lines.append(f"    p{i}._grad = {value}")
        for i, effect in enumerate(variant.trace.deferred):
            names[f"effect{i}"] = effect
            self.lines.append(f"    effect{i}()")
        self.lines.append(f"    return {self._result(plan, spec)}")
        variant.run_source = "\n".join(["def run(args, kwargs):", *self.lines])
        namespace = dict(names)
        exec(compile(bind + "\n" + variant.run_source, "<run>", "exec"), namespace)  # our own text
        variant.run, variant.bind = namespace["run"], namespace["bind"]

    def _inputs(self) -> tuple[list[str], list[tuple[str, str, Captured]]]:
        """An expression for the array of every graph input, and the copies made: name, origin, tensor."""
        trace, names = self.variant.trace, self.names
        outside = [c for c in trace.captured if id(c.tensor) not in self.arguments]
        names["last"] = last = [c.tensor._array for c in outside]
        self._guard_outside(outside, last)
        position = {id(c): i for i, c in enumerate(outside)}
        by_node = {c.node: c for c in trace.captured}
        scalar_of = {s.node: i for i, s in enumerate(trace.scalars)}
        for i, scalar in enumerate(trace.scalars):
            names[f"s{i}"] = np.zeros((), np.float64)
            names[f"h{i}"] = scalar.holder
            self.lines.append(f"    s{i}[()] = h{i}[{scalar.key!r}]")
        inputs: list[str] = []
        copies: list[tuple[str, str, Captured]] = []
        for node in trace.graph.inputs:
            if node in scalar_of:
                inputs.append(f"s{scalar_of[node]}")
                continue
            c = by_node[node]
            path = self.arguments.get(id(c.tensor))
            expression = f"{path}._array" if path else f"last[{position[id(c)]}]"
            if not c.tensor._array.flags.c_contiguous:
                names["contiguous"] = contiguous
                name = f"c{len(copies)}"
                copies.append((name, expression, c))
                self.lines.append(f"    {name} = contiguous({expression})")
                expression = name
            inputs.append(expression)
        return inputs, copies

    def _make_outputs(self, graph: Graph) -> list[str]:
        """Lines that make the output arrays; returns their names."""
        for i, node in enumerate(graph.outputs):
            self.names[f"d{i}"] = node.dtype.numpy
            make = "empty" if node.type.nbytes < _LARGE else "aligned"  # type: ignore[union-attr]
            self.lines.append(f"    o{i} = {make}({node.shape}, d{i})")
        return [f"o{i}" for i in range(len(graph.outputs))]

    def _written(self, copies: list[tuple[str, str, Captured]]) -> None:
        """Lines for the tensors that the program wrote in place: data out of copies, new versions."""
        for name, expression, c in copies:
            if c.written:
                self.lines.append(f"    {expression}[...] = {name}")
        for i, c in enumerate(self.variant.trace.captured):
            if c.written:
                self.names.setdefault("bump", bump)
                path = self.arguments.get(id(c.tensor))
                if not path:
                    self.names[f"w{i}"] = c.tensor
                self.lines.append(f"    bump({path or f'w{i}'})")

    def _reads_grad(self, tensor: Tensor) -> bool:
        return any(t is tensor for t, _ in self.variant.trace.grad_inputs)

    def _guard_outside(self, outside: list, last: list[np.ndarray]) -> None:
        if not outside:
            return
        tensors = [c.tensor for c in outside]
        types_then = [(a.shape, a.dtype, a.flags.c_contiguous or a.strides) for a in last]
        flags = [t._requires_grad for t in tensors]

        def same() -> bool:
            now = [t._array for t in tensors]
            if [(a.shape, a.dtype, a.flags.c_contiguous or a.strides) for a in now] != types_then:
                return False
            last[:] = now
            return True

        names = self.checker.names
        names.update(C=tensors, last=last, same=same, flags=flags, is_=operator.is_)
        self.checker.require(
            "all(map(is_, [c._array for c in C], last)) or same()", "captured tensors"
        )
        self.checker.require(
            "[c._requires_grad for c in C] == flags", "requires_grad of captured tensors"
        )

    def _wrap_outputs(self, plan: Outputs) -> None:
        for i, tensor in enumerate(plan.produced):
            kind = type(tensor)
            cls = "Tensor"
            if kind is not Tensor:
                cls = f"K{i}"
                self.names[cls] = kind
            self.lines.append(f"    t{i} = new({cls}); t{i}._array = o{i}")
            if tensor._node is not None and tensor._node.freed:
                self.names["freed"] = FREED
                self.lines.append(f"    t{i}._node = freed")
            elif tensor._requires_grad:
                self.lines.append(f"    t{i}._requires_grad = True")

    def _attach_backward(self, plan: Outputs, outputs: list[str]) -> None:
        attacher = Attacher(self.variant, plan)
        self.names["attach"] = attacher
        edges = [self._tensor(c) for c in self.variant.edges]
        inputs = [self._tensor(c) for c in attacher.inputs]
        tensors = [f"t{i}" for i in plan.differentiable]
        groups = ", ".join(
            f"({''.join(x + ', ' for x in group)})" for group in (tensors, edges, inputs, outputs)
        )
        self.lines.append(f"    attach({groups})")

    def _tensor(self, captured: Any) -> str:
        return self.arguments.get(id(captured.tensor)) or self._constant(captured.tensor)

    def _place(self, place: tuple) -> str:
        kind = place[0]
        if kind == "output":
            return f"t{place[1]}"
        if kind == "input":
            path = self.arguments.get(id(place[1].tensor))
            if path:
                return path
            return self._constant(place[1].tensor)
        if kind == "view":
            self.names["replay"] = replay
            return f"replay({self._place(place[1])}, {self._constant(place[2])})"
        return self._constant(place[1])

    def _constant(self, value: Any) -> str:
        if value is None or isinstance(value, (bool, int, str)) and type(value) in (bool, int, str):
            return repr(value)
        name = f"k{len(self.names)}"
        self.names[name] = value
        return name

    def _result(self, plan: Outputs, spec: Any) -> str:
        leaves = iter(plan.leaves)

        def build(s: Any) -> str:
            if s.kind is None:
                return self._place(next(leaves))
            inner = [build(c) for c in s.children]
            if s.kind is tuple:
                return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
            if s.kind is list:
                return f"[{', '.join(inner)}]"
            if s.kind is dict:
                return (
                    "{"
                    + ", ".join(
                        f"{self._constant(k)}: {v}" for k, v in zip(s.keys, inner, strict=True)
                    )
                    + "}"
                )
            self.names["unflatten"] = pytree.unflatten
            return f"unflatten([{', '.join(inner)}], {self._constant(_shallow(s))})"

        return build(spec)


def _shallow(spec: pytree.Spec) -> pytree.Spec:
    return pytree.Spec(spec.kind, spec.keys, tuple(pytree.LEAF for _ in spec.children))

"""Writes the function that carries out a call of a compiled variant, as Python text.

    def run(args, kwargs):
        o0 = empty((), d0)
        execute(args[0]._array, last[0], o0)
        bump(w0)                              # a tensor written in place has a new version
        t0 = new(Tensor); t0._array = o0
        p0._grad = t1                         # what `backward()` inside the function left
        return t0

A compiled forward also puts one `CompiledBackward` on the eager tape.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnsupportedError, message
from ..ir import ops
from ..ir.graph import Graph
from . import pytree
from .autograd import TapeNode, zero_of
from .checker import Checker
from .returned import Outputs, replay
from .tensor import Tensor
from .trace import Tracer

if TYPE_CHECKING:
    from .variant import Variant

_LINE = 64  # bytes of a cache line
_LARGE = 1 << 16  # bytes from which an output is worth aligning

FREED = TapeNode(ops.mul, (), {})
FREED.position = None
FREED.outputs = None
FREED.release()


def contiguous(array: np.ndarray) -> np.ndarray:
    return (
        array if array.flags.c_contiguous else array.copy()
    )  # np.ascontiguousarray lifts 0-d to 1-d


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """`np.empty` on a cache line's boundary, so that kernels may store past the caches."""
    nbytes = math.prod(shape) * dtype.itemsize
    block = np.empty(nbytes + _LINE, np.uint8)
    start = -block.ctypes.data % _LINE
    return block[start : start + nbytes].view(dtype).reshape(shape)


def bump(tensor: Tensor) -> None:
    tensor._storage.version += 1


class CompiledBackward(TapeNode):
    """The tape node of one call of a compiled forward."""

    __slots__ = ("arrays", "kept", "variant")

    def name(self) -> str:
        return "CompiledFunctionBackward"

    def cotangents(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        from .grad_mode import state

        if state.enabled:
            raise UnsupportedError(
                message(
                    "double backward through a compiled forward is not supported",
                    hint="compile the whole step, or set GRAPHTORCH_COMPILE=0",
                )
            )
        for tensor, version in self.kept:
            if tensor._version != version:
                self._raise_version(tensor._storage, version, tensor._array)
        filled = [
            (zero_of(t.shape, t.dtype) if g is None else g)._array
            for g, t in zip(grads, self.output, strict=True)
        ]
        return self.variant.run_backward(self.arrays, filled)

    def release(self) -> None:
        self.freed = True
        self.arrays = self.kept = ()


class CallWriter:
    """Writes the generated `run` function, and the guards on captured tensors."""

    def __init__(
        self, variant: Variant, tracer: Tracer, args: tuple, kwargs: dict, checker: Checker
    ):
        self.variant = variant
        self.checker = checker
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
        trace = variant.trace
        outside = [c for c in trace.captured if id(c.tensor) not in self.arguments]
        last = [c.tensor._array for c in outside]
        self._guard_outside(outside, last)
        inputs, copies = [], []
        position = {id(c): i for i, c in enumerate(outside)}
        by_node = {c.node: c for c in trace.captured}
        scalar_of = {s.node: i for i, s in enumerate(trace.scalars)}
        lines: list[str] = []
        for i, scalar in enumerate(trace.scalars):
            names[f"s{i}"] = np.zeros((), np.float64)
            names[f"h{i}"] = scalar.holder
            lines.append(f"    s{i}[()] = h{i}[{scalar.key!r}]")
        names["last"] = last
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
                lines.append(f"    {name} = contiguous({expression})")
                expression = name
            inputs.append(expression)
        binding = f"({', '.join(inputs)}{',' if len(inputs) == 1 else ''})"
        bind = "\n".join(["def bind(args, kwargs):", *lines, f"    return {binding}"])
        for i, (tensor, _) in enumerate(plan.grads):
            names[f"p{i}"] = tensor
            if not self._reads_grad(tensor):
                lines.append(f"    p{i}._grad = None")
        outputs = []
        for i, node in enumerate(graph.outputs):
            names[f"d{i}"] = node.dtype.numpy
            make = "empty" if node.type.nbytes < _LARGE else "aligned"  # type: ignore[union-attr]
            lines.append(f"    o{i} = {make}({node.shape}, d{i})")
            outputs.append(f"o{i}")
        names["execute"] = variant.program.call
        lines.append(f"    execute({', '.join([*inputs, *outputs])})")
        for name, expression, c in copies:
            if c.written:
                lines.append(f"    {expression}[...] = {name}")
        for i, c in enumerate(trace.captured):
            if c.written:
                names.setdefault("bump", bump)
                path = self.arguments.get(id(c.tensor))
                if not path:
                    names[f"w{i}"] = c.tensor
                lines.append(f"    bump({path or f'w{i}'})")
        self._wrap_outputs(plan, lines)
        if plan.differentiable:
            self._attach_backward(plan, graph, lines)
        for i, (_, place) in enumerate(plan.grads):
            lines.append(f"    p{i}._grad = {self._place(place) if place is not None else None}")
        for i, effect in enumerate(trace.deferred):
            names[f"effect{i}"] = effect
            lines.append(f"    effect{i}()")
        lines.append(f"    return {self._result(plan, spec)}")
        variant.run_source = "\n".join(["def run(args, kwargs):", *lines])
        namespace = dict(names)
        exec(compile(bind + "\n" + variant.run_source, "<run>", "exec"), namespace)  # our own text
        variant.run = namespace["run"]
        variant.bind = namespace["bind"]  # type: ignore[attr-defined]

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

    def _wrap_outputs(self, plan: Outputs, lines: list[str]) -> None:
        for i, tensor in enumerate(plan.produced):
            kind = type(tensor)
            cls = "Tensor"
            if kind is not Tensor:
                cls = f"K{i}"
                self.names[cls] = kind
            lines.append(f"    t{i} = new({cls}); t{i}._array = o{i}")
            if tensor._node is not None and tensor._node.freed:
                self.names["freed"] = FREED
                lines.append(f"    t{i}._node = freed")
            elif tensor._requires_grad:
                lines.append(f"    t{i}._requires_grad = True")

    def _attach_backward(self, plan: Outputs, graph: Graph, lines: list[str]) -> None:
        variant = self.variant
        attacher = Attacher(variant, plan)
        self.names["attach"] = attacher
        edges = [self._tensor(c) for c in variant.edges]  # type: ignore[attr-defined]
        kept = [self._tensor(attacher.captured[i]) for i in attacher.kept_inputs]
        tensors = [f"t{i}" for i in plan.differentiable]
        outputs = [f"o{i}" for i in range(len(graph.outputs))]
        groups = ", ".join(
            f"({''.join(x + ', ' for x in group)})" for group in (tensors, edges, kept, outputs)
        )
        lines.append(f"    attach({groups})")

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


class Attacher:
    """Puts a CompiledBackward on the tape after each call of a compiled forward."""

    def __init__(self, variant: Variant, plan: Outputs):
        trace = variant.trace
        self.variant = variant
        by_node = {c.node: c for c in trace.captured}
        self.captured = [by_node.get(n) for n in trace.graph.inputs]  # None: a runtime scalar
        self.kept_inputs: list[int] = []
        self.sources: list[tuple[bool, int]] = []  # (from outputs, position)
        for kind, position in variant.partition.sources:  # type: ignore[attr-defined]
            if kind == "output":
                self.sources.append((True, position))
            elif kind == "input":
                if self.captured[position] is None:
                    raise UnsupportedError(
                        "a learning rate is needed by the backward of a compiled forward"
                    )
                self.sources.append((False, len(self.kept_inputs)))
                self.kept_inputs.append(position)
        self.types = tuple(plan.produced[i].type_ for i in plan.differentiable)

    def __call__(self, tensors: tuple, edges: tuple, kept: tuple, outputs: tuple) -> None:
        node = CompiledBackward(
            ops.mul,
            tuple(
                [
                    (e._node, e._index)
                    if e._history() is not None
                    else (e if e._requires_grad else None)
                    for e in edges
                ]
            ),
            {},
        )
        node.variant = self.variant
        node.arrays = [
            outputs[i] if from_outputs else kept[i]._array for from_outputs, i in self.sources
        ]
        node.kept = [(t, t._version) for t in kept]
        node.position = None
        node.output = node.outputs = self.types
        for index, tensor in enumerate(tensors):
            tensor._node, tensor._index = node, index

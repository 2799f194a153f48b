"""LLVM text of scalar operations on lanes: the scalar target that the CPU printer uses.

A `Vec` is an SSA name or literal, its dtype, and how many lanes it has: 1 for a uniform value, or
the width of the open vector loop.  Uniform operands are splat where they meet vectors.

Everything pure is emitted at the outermost loop level at which its operands exist, so invariant
code leaves loops as it is printed and LLVM needs no pass for it:

    level 0: entry    level 1: one work item    level 2: inside its loops    ...

The functions exp, log, ... are programs in `math*`; nothing here knows of kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...errors import UnsupportedError
from ...ir.types import DType, bfloat16, bool_, float16, float32, float64, int32, int64
from ..scalar import CALLS, PREDICATES
from .vector_text import Level, Lines, Text, Vec, lane_loop, literal, llvm_type, suffix

__all__ = [
    "Lanes",
    "Level",
    "Lines",
    "Text",
    "Vec",
    "literal",
    "llvm_type",
    "scalar_function",
    "suffix",
]


class Lanes:
    """Prints instructions; implements the scalar target of `codegen.scalar` on `Vec`s."""

    def __init__(self, text: Text):
        self.text = text
        self.target = text.target
        self.lines: Lines = []
        self.levels: list[Level] = [Level()]
        self.level = 0
        self.counter = 0

    # emission ------------------------------------------------------------------------------------

    def name(self) -> str:
        self.counter += 1
        return f"%v{self.counter}"

    def label(self, wish: str) -> str:
        self.counter += 1
        return f"{wish}{self.counter}"

    def line(self, text: str) -> None:
        self.lines.append(text)

    @contextmanager
    def at(self, level: int) -> Iterator[None]:
        """Emit at an outer level: before the loops that are open below it."""
        if level >= self.level:
            yield
            return
        lines, own = self.lines, self.level
        before = self.levels[level].before
        assert before is not None
        self.lines, self.level = before, level
        yield
        self.lines, self.level = lines, own

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Code in a conditional block: what it computes at this level is forgotten afterwards."""
        level = self.levels[self.level]
        known = level.known
        level.known = dict(known)
        yield
        level.known = known

    def pure(self, dtype: DType, lanes: int, operands: Sequence[Vec], text: str) -> Vec:
        """Emit `name = text` at the level of its operands, or reuse it."""
        level = 0
        for x in operands:
            level = max(level, x.level)
        known = self.levels[level].known
        found = known.get((text, dtype))
        if found is None:
            name = self.name()
            found = known[text, dtype] = Vec(name, dtype, lanes, level)
            if level == self.level:
                self.lines.append(f"  {name} = {text}")
            else:
                with self.at(level):
                    self.line(f"  {name} = {text}")
        return found

    def intrinsic(self, name: str, dtype: DType, *xs: Vec) -> Vec:
        """Call an overloaded intrinsic whose operands all have the result's type."""
        lanes = xs[0].lanes
        kind = llvm_type(dtype, lanes)
        full = f"llvm.{name}.{suffix(dtype, lanes)}"
        self.text.declare(kind, full, [kind] * len(xs))
        arguments = ", ".join(f"{kind} {x.text}" for x in xs)
        return self.pure(dtype, lanes, xs, f"call {kind} @{full}({arguments})")

    def splat(self, x: Vec, lanes: int) -> Vec:
        """The uniform value in every lane."""
        if x.lanes == lanes:
            return x
        kind = llvm_type(x.dtype, lanes)
        if x.literal:
            return Vec(f"splat ({llvm_type(x.dtype)} {x.text})", x.dtype, lanes, 0)
        one = self.pure(
            x.dtype,
            lanes,
            (x,),
            f"insertelement {kind} poison, {llvm_type(x.dtype)} {x.text}, i32 0",
        )
        return self.pure(
            x.dtype, lanes, (one,),
            f"shufflevector {kind} {one.text}, {kind} poison, <{lanes} x i32> zeroinitializer",
        )  # fmt: skip

    def match(self, *xs: Any) -> list[Vec]:
        """Operands brought to one dtype (weak numbers) and one number of lanes."""
        strong = [x for x in xs if isinstance(x, Vec)]
        lanes = max(x.lanes for x in strong)
        dtype = strong[0].dtype
        return [
            self.splat(x if isinstance(x, Vec) else self.const(x, dtype), lanes)  #
            for x in xs
        ]

    def bits(self, x: Vec, opcode: str, *others: Vec) -> Vec:
        kind = llvm_type(x.dtype, x.lanes)
        operands = ", ".join(y.text for y in (x, *others))
        return self.pure(x.dtype, x.lanes, (x, *others), f"{opcode} {kind} {operands}")

    def convert(self, opcode: str, x: Vec, dtype: DType) -> Vec:
        text = f"{opcode} {llvm_type(x.dtype, x.lanes)} {x.text} to {llvm_type(dtype, x.lanes)}"
        return self.pure(dtype, x.lanes, (x,), text)

    # the scalar target ---------------------------------------------------------------------------

    def const(self, value: bool | float, dtype: DType | None = None) -> Any:
        return value if dtype is None else Vec(literal(value, dtype), dtype)

    def dtype(self, x: Any) -> DType:
        return x.dtype if isinstance(x, Vec) else float32

    def _arithmetic(self, name: str, a: Any, b: Any) -> Vec:
        a, b = self.match(a, b)
        return self.bits(a, ("f" if a.dtype.kind == "f" else "") + name, b)

    def add(self, a: Any, b: Any) -> Vec:
        return self._arithmetic("add", a, b)

    def sub(self, a: Any, b: Any) -> Vec:
        return self._arithmetic("sub", a, b)

    def mul(self, a: Any, b: Any) -> Vec:
        return self._arithmetic("mul", a, b)

    def div(self, a: Any, b: Any) -> Vec:
        return self._arithmetic("div", a, b)

    def neg(self, a: Vec) -> Vec:
        if a.dtype.kind == "f":
            return self.bits(a, "fneg")
        return self.bits(self.splat(self.const(0, a.dtype), a.lanes), "sub", a)

    def abs(self, a: Vec) -> Vec:
        if a.dtype.kind == "f":
            return self.intrinsic("fabs", a.dtype, a)
        return self.select(self.less(a, 0), self.neg(a), a) if a.dtype.kind == "i" else a

    def fma(self, a: Any, b: Any, c: Any) -> Vec:
        a, b, c = self.match(a, b, c)
        if self.target.fma:
            return self.intrinsic("fma", a.dtype, a, b, c)
        return self.add(self.mul(a, b), c)

    def min(self, a: Any, b: Any) -> Vec:
        return self._extreme("min", self.less, a, b)

    def max(self, a: Any, b: Any) -> Vec:
        return self._extreme("max", lambda a, b: self.less(b, a), a, b)

    def _extreme(self, name: str, better: Callable[[Any, Any], Vec], a: Any, b: Any) -> Vec:
        if isinstance(a, Vec) and isinstance(b, Vec) and a.literal and not b.literal:
            a, b = b, a
        a, b = self.match(a, b)
        if a.dtype is bool_:
            return self.bits(a, "and" if name == "min" else "or", b)
        if a.dtype.kind != "f":
            return self.intrinsic(("u" if a.dtype.kind == "u" else "s") + name, a.dtype, a, b)
        if b.literal:  # a number: one instruction that hands on a NaN in a
            return self.select(better(b, a), b, a)
        return self.select(self.isnan(a), a, self.select(better(a, b), a, b))

    def isnan(self, a: Vec) -> Vec:
        return self._compare("fcmp uno", a, a)

    def _compare(self, opcode: str, a: Any, b: Any) -> Vec:
        a, b = self.match(a, b)
        text = f"{opcode} {llvm_type(a.dtype, a.lanes)} {a.text}, {b.text}"
        return self.pure(bool_, a.lanes, (a, b), text)

    def _ordered(self, name: str, a: Any, b: Any) -> Vec:
        a, b = self.match(a, b)
        if a.dtype.kind == "f":
            return self._compare(f"fcmp {'une' if name == 'ne' else 'o' + name}", a, b)
        sign = "" if name in ("eq", "ne") else "s" if a.dtype.kind == "i" else "u"
        return self._compare(f"icmp {sign}{name}", a, b)

    def less(self, a: Any, b: Any) -> Vec:
        return self._ordered("lt", a, b)

    def less_equal(self, a: Any, b: Any) -> Vec:
        return self._ordered("le", a, b)

    def equal(self, a: Any, b: Any) -> Vec:
        return self._ordered("eq", a, b)

    def not_equal(self, a: Any, b: Any) -> Vec:
        return self._ordered("ne", a, b)

    def select(self, c: Vec, a: Any, b: Any) -> Vec:
        a, b = self.match(a, b)
        lanes = max(c.lanes, a.lanes)
        a, b = self.splat(a, lanes), self.splat(b, lanes)  # a uniform condition stays scalar
        kind = llvm_type(a.dtype, lanes)
        text = f"select {llvm_type(bool_, c.lanes)} {c.text}, {kind} {a.text}, {kind} {b.text}"
        return self.pure(a.dtype, lanes, (c, a, b), text)

    def logical_and(self, a: Any, b: Any) -> Vec:
        a, b = self.match(a, b)
        return self.bits(a, "and", b)

    def logical_or(self, a: Any, b: Any) -> Vec:
        a, b = self.match(a, b)
        return self.bits(a, "or", b)

    def logical_xor(self, a: Any, b: Any) -> Vec:
        a, b = self.match(a, b)
        return self.bits(a, "xor", b)

    def logical_not(self, a: Vec) -> Vec:
        ones = self.const(True if a.dtype is bool_ else -1, a.dtype)
        return self.bits(a, "xor", self.splat(ones, a.lanes))

    def shift_left(self, a: Any, b: Any) -> Vec:
        return self._shift("shl", a, b)

    def shift_right(self, a: Any, b: Any) -> Vec:
        return self._shift("ashr" if a.dtype.kind == "i" else "lshr", a, b)

    def _shift(self, opcode: str, a: Any, b: Any) -> Vec:
        known = isinstance(b, int)
        a, b = self.match(a, b)
        if known:
            return self.bits(a, opcode, b)
        width = 8 * a.dtype.itemsize
        inside = self.logical_and(self.less_equal(0, b), self.less(b, width))
        if opcode == "ashr":
            return self.bits(a, opcode, self.select(inside, b, width - 1))
        return self.select(inside, self.bits(a, opcode, self.select(inside, b, 0)), 0)

    def bitcast(self, x: Vec, dtype: DType) -> Vec:
        if llvm_type(x.dtype) == llvm_type(dtype):
            return Vec(x.text, dtype, x.lanes, x.level)
        return self.convert("bitcast", x, dtype)

    def cast(self, x: Any, dtype: DType) -> Vec:
        if not isinstance(x, Vec):
            return Vec(literal(x, dtype), dtype)
        if x.dtype is dtype:
            return x
        if dtype is bfloat16 or dtype is float16:
            return self.call(f"round_{dtype.name}", self.cast(x, float32))
        source = x.dtype
        if dtype is bool_:
            return self.not_equal(x, 0)
        if source.kind == "f" and dtype.kind == "f":
            return self.convert("fpext" if dtype is float64 else "fptrunc", x, dtype)
        if dtype.kind == "f":
            return self.convert("sitofp" if source.kind == "i" else "uitofp", x, dtype)
        if source.kind == "f":  # through a wider integer, so that u8(-1.0) wraps; never poison
            through = int64 if dtype is int64 else int32
            whole = self.convert("fptosi", x, through)
            frozen = f"freeze {llvm_type(through, x.lanes)} {whole.text}"
            return self.cast(self.pure(through, x.lanes, (whole,), frozen), dtype)
        if source is not bool_ and source.itemsize == dtype.itemsize:
            return Vec(x.text, dtype, x.lanes, x.level)
        if source is not bool_ and source.itemsize > dtype.itemsize:
            return self.convert("trunc", x, dtype)
        return self.convert("sext" if source.kind == "i" else "zext", x, dtype)

    def call(self, name: str, *xs: Any) -> Vec:
        from .math import program

        xs = tuple(self.match(*xs))
        body = program(name, xs[0].dtype)
        if body is None:
            raise UnsupportedError(
                f"no CPU code for {name} of {CALLS.get(name, '?')} operands on {xs[0].dtype}"
            )
        result = body(self, *xs)
        assert isinstance(result, Vec) and (name not in PREDICATES or result.dtype is bool_)
        return result

    # beyond the scalar target: what the math programs need of a machine ---------------------------

    @property
    def fused(self) -> bool:
        """Whether `fma` has one rounding."""
        return self.target.fma

    def integer(self, name: str, x: Vec) -> Vec:
        """floor, ceil, trunc, roundeven, sqrt: one instruction each."""
        return self.intrinsic(name, x.dtype, x)

    def any(self, c: Vec) -> Vec:
        """Whether a condition holds in some lane, as a uniform bool."""
        if c.lanes == 1:
            return c
        mask = f"i{c.lanes}"
        name = self.pure(bool_, 1, (c,), f"bitcast <{c.lanes} x i1> {c.text} to {mask}")
        return self.pure(bool_, 1, (name,), f"icmp ne {mask} {name.text}, 0")

    def rarely(self, condition: Vec, usual: Vec, helper: str, *xs: Vec) -> Vec:
        """`usual`, but helper(*xs) in the lanes where the condition holds.

        helper: a scalar function of the module with operands and result of `usual`'s dtype.  It is
        called from a function of its own, out of the way of the vector code.
        """
        lanes, kind = usual.lanes, llvm_type(usual.dtype, usual.lanes)
        mask = f"i{lanes}"
        name = f"{helper}_lanes{lanes}"
        if lanes > 1:
            self.text.define(name, lambda _: lane_loop(name, helper, usual.dtype, lanes, len(xs)))
        arguments = ", ".join(f"{kind} {x.text}" for x in xs)
        level = max(x.level for x in (condition, usual, *xs))
        with self.at(level):
            chosen = condition.text
            if lanes > 1:
                chosen, some = self.name(), self.name()
                self.line(f"  {chosen} = bitcast <{lanes} x i1> {condition.text} to {mask}")
                self.line(f"  {some} = icmp ne {mask} {chosen}, 0")
            else:
                some = chosen
            start, slow, done = self.label("usual"), self.label("slow"), self.label("done")
            found, result = self.name(), self.name()
            self.line(f"  br label %{start}\n{start}:")
            self.line(f"  br i1 {some}, label %{slow}, label %{done}, !prof !0\n{slow}:")
            if lanes > 1:
                call = f"@{name}({mask} {chosen}, {kind} {usual.text}, {arguments})"
            else:
                call = f"@{helper}({arguments})"
            self.line(f"  {found} = call {kind} {call}")
            self.line(f"  br label %{done}\n{done}:")
            self.line(f"  {result} = phi {kind} [{usual.text}, %{start}], [{found}, %{slow}]")
        return Vec(result, usual.dtype, lanes, level)


def scalar_function(
    text: Text, name: str, dtype: DType, arity: int, body: Callable[..., Vec]
) -> str:
    """An internal function of scalars, its body written over the scalar target."""
    printer = Lanes(text)
    kind = llvm_type(dtype)
    operands = [Vec(f"%x{i}", dtype) for i in range(arity)]
    result = body(printer, *operands)
    head = f"define internal {kind} @{name}({', '.join(f'{kind} %x{i}' for i in range(arity))})"
    lines = [
        f"{head} cold noinline nounwind {{",
        *printer.lines,
        f"  ret {kind} {result.text}",
        "}",
    ]
    return "\n".join(lines)

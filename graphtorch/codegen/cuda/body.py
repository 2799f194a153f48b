"""Statements of the kernel IR as lines of CUDA C.

Inside a vector loop a thread runs its own iterations; outside of one every thread of the block
computes the same values and thread 0 stores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..kernel import (
    AxisValue,
    Compute,
    Const,
    Extent,
    Guard,
    Index,
    Indirect,
    Load,
    Loop,
    Operand,
    Reduction,
    Size,
    Statement,
    Store,
    Tile,
    Tiles,
    Value,
    statements,
)
from .reduce import better_text, combine_text, picks, start_text, tree_name, tree_text
from .scalars import Atom, c_type, expression, literal, load_text, store_text

RESERVED = frozenset(
    """alignas and asm auto bool break case catch char class const constexpr continue default delete
    do double else enum explicit extern false float for friend goto if inline int long namespace new
    not operator or private protected public register return short signed sizeof static struct switch
    template this throw true try typedef union unsigned using virtual void volatile while xor
    sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh
    acosh atanh erf erfc erfinv floor ceil trunc rint lgamma pow atan2 fmod copysign hypot fabs fma
    min max abs items item scratch status threadIdx blockIdx blockDim gridDim j0 j1 y0 y1 jn yn""".split()
)


class Body:
    """Prints statements; a subclass says where buffers and parameters come from."""

    def __init__(self, threads: int, waits: set[int] | None = None, split: bool = False):
        self.threads = threads
        self.waits = waits or set()  # statements before which the block waits
        self.split = split  # vector loops are spread over gridDim.y blocks
        self.lines: list[str] = []
        self.depth = 1
        self.names: dict[tuple[str, str], str] = {}
        self.taken: set[str] = set(RESERVED)
        self.trees: dict[str, str] = {}  # functions that combine a block's accumulators
        self.inside = False  # a vector loop is open
        self.products: dict[str, Compute] = {}
        self.absorbed: set[str] = set()  # products that are printed as part of an fma

    # text ----------------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        self.lines.append("  " * self.depth + text)

    @contextmanager
    def braces(self, head: str) -> Iterator[None]:
        self.line(head + " {")
        self.depth += 1
        yield
        self.depth -= 1
        self.line("}")

    def function(self, symbol: str, arguments: Sequence[str]) -> str:
        """The kernel around the lines so far; `items` is its last argument."""
        given = ",\n    ".join([*arguments, "long long items"])
        head = f'extern "C" __global__ void __launch_bounds__({self.threads}) {symbol}(\n    {given}) {{'
        return "\n".join([head, *self.lines, "}\n"])

    def name(self, kind: str, name: str) -> str:
        """The C name of an axis, value, buffer or parameter."""
        found = self.names.get((kind, name))
        if found is None:
            found = name
            while found in self.taken or found.startswith("gt_"):
                found += "_"
            self.taken.add(found)
            self.names[kind, name] = found
        return found

    def symbol(self, name: str) -> str:
        """An axis or a runtime parameter."""
        return self.name("symbol", name)

    def value(self, value: Value) -> str:
        return self.name("value", value.name)

    def operand(self, x: Operand) -> str:
        return literal(x.value, x.dtype) if isinstance(x, Const) else self.value(x)

    def atom(self, x: Operand) -> Atom:
        return Atom(self.operand(x), x.dtype)

    # indices -------------------------------------------------------------------------------------

    def index(self, index: Index) -> str:
        text = ""
        terms = sorted(index.terms, key=lambda t: (not t[0], -abs(t[1]), t[0]))
        for symbols, coefficient in terms:
            size = abs(coefficient)
            factors = (
                [f"{size}LL" if size >= 2**31 else str(size)] if size != 1 or not symbols else []
            )
            factors += [self.symbol(s) for s in symbols]
            sign = " - " if coefficient < 0 else " + "
            text += sign + "*".join(factors)
        if not text:
            return "0"
        return "-" + text[3:] if text.startswith(" - ") else text[3:]

    def size(self, size: Size) -> str:
        return self.symbol(size) if isinstance(size, str) else _number(size)

    def extent(self, extent: Extent) -> str:
        if isinstance(extent, Tiles):
            if isinstance(extent.total, int):
                return _number(-(-extent.total // extent.size))
            return f"({self.size(extent.total)} + {extent.size - 1}) / {extent.size}"
        if isinstance(extent, Tile):
            rest = f"{self.size(extent.total)} - {extent.size}*{self.symbol(extent.axis)}"
            return f"{rest} < {extent.size} ? {rest} : {extent.size}"
        return self.size(extent)

    def condition(self, guards: tuple[Guard, ...], when: Value | None) -> str:
        parts = []
        for guard in guards:
            at = self.index(guard.index)
            if guard.lower is not None:
                parts.append(f"{self.index(guard.lower)} <= {at}")
            if guard.upper is not None:
                parts.append(f"{at} < {self.index(guard.upper)}")
        if when is not None:
            parts.append(self.value(when))
        return " && ".join(parts)

    def place(self, s: Load | Store, condition: str) -> tuple[str, str]:
        """The element an access means, and the condition with the checks of its indices."""
        terms = [] if not s.index.terms and s.indirect else [self.index(s.index)]
        for part in s.indirect:
            at, condition = self.checked(part, condition)
            stride = self.index(part.stride)
            terms.append(
                at if stride == "1" else f"{at}*({stride})" if " " in stride else f"{at}*{stride}"
            )
        return f"{self.buffer(s.buffer.name)}[{' + '.join(terms)}]", condition

    def checked(self, part: Indirect, condition: str) -> tuple[str, str]:
        """A name for an index that is in range, and what must hold to use it."""
        given = self.value(part.value)
        at, size = self.fresh("at"), self.size(part.size)
        if part.wrap:
            self.line(f"long long {at} = {given} < 0 ? {given} + {size} : (long long){given};")
        else:
            self.line(f"long long {at} = {given};")
        if part.code:
            wrong = f"({at} < 0 || {at} >= {size})"
            wanted = f"{wrong} && {condition}" if condition else wrong
            fine = self.fresh("fine")
            self.line(f"const bool {fine} = !{wrong};")
            self.line(f"if ({wanted}) gt_fail(status, {part.code}, {given});")
            self.line(f"if (!{fine}) {at} = 0;")
            condition = f"{condition} && {fine}" if condition else fine
        return at, condition

    def fresh(self, wish: str) -> str:
        number = 0
        while f"{wish}{number}" in self.taken:
            number += 1
        self.taken.add(f"{wish}{number}")
        return f"{wish}{number}"

    def buffer(self, name: str) -> str:
        return self.name("buffer", name)

    # statements ----------------------------------------------------------------------------------

    def block(self, body: tuple[Statement, ...]) -> None:
        for s in body:
            if id(s) in self.waits:
                self.line("__syncthreads();")
            match s:
                case Compute():
                    self.compute(s)
                case AxisValue(out, index):
                    self.line(f"const long long {self.value(out)} = {self.index(index)};")
                case Load():
                    self.load(s)
                case Store():
                    self.store(s)
                case Loop():
                    self.loop(s)

    def find_products(self, body: tuple[Statement, ...], uses: dict[str, int]) -> None:
        """Note which products feed one sum only: those become an fma, as on the CPU."""
        computes = [s for s in statements(body) if isinstance(s, Compute)]
        self.products = {
            s.out.name: s
            for s in computes
            if s.op == "mul" and s.out.dtype.kind == "f" and uses.get(s.out.name) == 1
        }
        for s in computes:
            fused = self.fused(s)
            if fused is not None:
                self.absorbed.add(fused[0])

    def fused(self, s: Compute) -> tuple[str, str] | None:
        """The product that `s` adds, and the text of the fma; a difference of two is not fused."""
        if s.op not in ("add", "sub") or s.out.dtype.kind != "f":
            return None
        left, right = (self.products.get(x.name) if isinstance(x, Value) else None for x in s.args)
        if s.op == "sub" and left is not None and right is not None:
            return None
        if (product := right or left) is None:
            return None
        a, b = (self.operand(x) for x in product.args)
        other = self.operand(s.args[0] if product is right else s.args[1])
        if s.op == "sub":
            if product is right:
                a = f"-({a})" if a.startswith("-") else f"-{a}"
            else:
                other = f"-({other})" if other.startswith("-") else f"-{other}"
        function = "fma" if s.out.dtype.short == "f64" else "fmaf"
        return product.out.name, f"{function}({a}, {b}, {other})"

    def compute(self, s: Compute) -> None:
        if s.out.name in self.absorbed:
            return
        fused = self.fused(s)
        text = (
            expression(s.op, s.out.dtype, [self.atom(x) for x in s.args])
            if fused is None
            else fused[1]
        )
        self.line(f"const {c_type(s.out.dtype)} {self.value(s.out)} = {text};")

    def load(self, s: Load) -> None:
        place, condition = self.place(s, self.condition(s.guards, s.when))
        text = load_text(place, s.buffer.dtype)
        if condition:
            fill = "0" if s.fill is None else self.operand(s.fill)
            text = f"{condition} ? {text} : {fill}"
        self.line(f"const {c_type(s.out.dtype)} {self.value(s.out)} = {text};")

    def store(self, s: Store) -> None:
        place, condition = self.place(s, self.condition(s.guards, s.when))
        if not self.inside:
            condition = f"threadIdx.x == 0 && {condition}" if condition else "threadIdx.x == 0"
        value = self.operand(s.value)
        if s.accumulate:
            old = Atom(load_text(place, s.buffer.dtype), s.value.dtype)
            value = expression("add", s.value.dtype, [old, Atom(value, s.value.dtype)])
        text = f"{place} = {store_text(value, s.buffer.dtype)};"
        self.line(f"if ({condition}) {text}" if condition else text)

    # loops ---------------------------------------------------------------------------------------

    def loop(self, loop: Loop) -> None:
        for c in loop.carries:
            self.line(f"{c_type(c.init.dtype)} {self.value(c.value)} = {self.operand(c.init)};")
        sums = [self.accumulator(r) for r in loop.reductions]
        axis = self.symbol(loop.axis)
        spread = loop.kind == "vector"
        start, step = ("threadIdx.x", str(self.threads)) if spread else ("0", "1")
        if spread and self.split:
            start = f"threadIdx.x + {self.threads}LL*blockIdx.y"
            step = f"{self.threads}LL*gridDim.y"
        end = self.extent(loop.extent)
        if " " in end:
            name = self.fresh("end")
            self.line(f"const long long {name} = {end};")
            end = name
        advance = f"++{axis}" if step == "1" else f"{axis} += {step}"
        with self.braces(f"for (long long {axis} = {start}; {axis} < {end}; {advance})"):
            outer, self.inside = self.inside, self.inside or spread
            self.block(loop.body)
            self.inside = outer
            for r, parts in zip(loop.reductions, sums, strict=True):
                self.contribute(r, parts, axis)
            handed = [self.fresh("next") for _ in loop.carries]
            for c, name in zip(loop.carries, handed, strict=True):
                self.line(f"const {c_type(c.next.dtype)} {name} = {self.operand(c.next)};")
            for c, name in zip(loop.carries, handed, strict=True):
                self.line(f"{self.value(c.value)} = {name};")
        for c in loop.carries:
            self.line(f"const {c_type(c.out.dtype)} {self.value(c.out)} = {self.value(c.value)};")
        for r, parts in zip(loop.reductions, sums, strict=True):
            self.finish(r, parts, spread)

    def accumulator(self, r: Reduction) -> list[str]:
        dtype = r.value.dtype
        parts = [self.fresh(r.combine)]
        self.line(f"{c_type(dtype)} {parts[0]} = {start_text(r.combine, dtype)};")
        if picks(r):
            parts.append(self.fresh("where"))
            self.line(f"long long {parts[1]} = -1;")
        return parts

    def contribute(self, r: Reduction, parts: list[str], axis: str) -> None:
        given, dtype = self.operand(r.value), r.value.dtype
        if not picks(r):
            self.line(f"{parts[0]} = {combine_text(r.combine, dtype, parts[0], given)};")
            return
        best, where = parts
        better = better_text(r.combine, dtype, given, best)
        with self.braces(f"if ({where} < 0 || {better})"):
            self.line(f"{best} = {given};")
            self.line(f"{where} = {axis};")

    def finish(self, r: Reduction, parts: list[str], spread: bool) -> None:
        text = parts[-1]
        if spread:
            dtype = r.value.dtype
            name = tree_name(r.combine, dtype, self.threads)
            self.trees[name] = tree_text(r.combine, dtype, self.threads)
            text = f"{name}({', '.join(parts)})"
        elif picks(r):
            text = f"{parts[1]} < 0 ? 0 : {parts[1]}"
        self.line(f"const {c_type(r.out.dtype)} {self.value(r.out)} = {text};")


def _number(size: int) -> str:
    return f"{size}LL" if abs(size) >= 2**31 else str(size)

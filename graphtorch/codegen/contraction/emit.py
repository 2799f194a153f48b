"""A small writer of LLVM text: straight-line values, structured loops, nothing about contractions.

    module = Module(target)
    with module.function("sum", [("ptr", "x"), ("i64", "n")]) as f:
        total = f.variable("float", "0.0")
        with f.loop(0, f["n"]) as i:
            f.set(total, f.op("fadd float", f.get(total), f.load("float", f.at(f["x"], i, 4))))

Values are strings (`%12`) or Python ints, which are i64 constants and fold.  Control flow is nested
`with` blocks; a value made inside a block must not be used after it (use `variable`, which becomes
a register again when LLVM promotes it, or `repeat`, which carries values through phis).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..llvm.target import Target
from ..llvm.vector import Lanes, Text

Value = str | int


def vector(element: str, lanes: int) -> str:
    """The LLVM type of a vector.

    >>> vector("float", 8)
    '<8 x float>'
    """
    return f"<{lanes} x {element}>"


class Module:
    """Functions and the declarations they need."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.library = Text(target)  # declarations, and the functions that scalar programs call
        self.functions: list[str] = []
        self.emitted: set[str] = set()

    def declare(self, result: str, name: str, *arguments: str) -> None:
        self.library.declare(result, name, arguments)

    @contextmanager
    def function(
        self,
        name: str,
        parameters: Sequence[tuple[str, str]],
        attributes: str = "",
        internal: bool = True,
    ) -> Iterator[Function]:
        """Write a function that returns nothing; the block's end is its return."""
        f = Function(self, parameters)
        yield f
        f.line("ret void")
        signature = ", ".join(
            f"{type} noundef %{name}" if type != "ptr" else f"ptr noundef %{name}"
            for type, name in parameters
        )
        linkage = "internal " if internal else ""
        lines = [
            f"define {linkage}void @{name}({signature}) nounwind {attributes} {{".replace("  ", " ")
        ]
        lines += ["entry:", *f.allocations, "  br label %start", "start:", *f.lines, "}"]
        self.functions.append("\n".join(lines))
        self.emitted.add(name)

    def text(self) -> str:
        weights = '!0 = !{!"branch_weights", i32 1, i32 2000}\n'
        return "\n\n".join([str(self.library), *self.functions, weights])


def _flat(lines: Sequence[Any]) -> Iterator[str]:
    for line in lines:
        if isinstance(line, str):
            yield line
        else:
            yield from _flat(line)


class Repeat:
    """The inside of `Function.repeat`: `values` as an iteration finds them; `next` hands on."""

    def __init__(self, index: str, values: list[str]):
        self.index = index
        self.values = values
        self.following: list[str] = []

    def next(self, values: Sequence[str]) -> None:
        self.following = list(values)


class Function:
    """See the module docstring."""

    def __init__(self, module: Module, parameters: Sequence[tuple[str, str]]):
        self.module = module
        self.parameters = {name: f"%{name}" for _, name in parameters}
        self.lines: list[str] = []
        self.allocations: list[str] = []
        self.block = "start"
        self._count = 0

    def __getitem__(self, parameter: str) -> str:
        return self.parameters[parameter]

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    def fresh(self, prefix: str = "t") -> str:
        self._count += 1
        return f"%{prefix}{self._count}"

    def op(self, operation: str, *operands: Value, tail: str = "") -> str:
        """`%t = operation a, b` (the operation carries the type: "fadd float")."""
        name = self.fresh()
        self.line(f"{name} = {operation} {', '.join(map(str, operands))}{tail}")
        return name

    # Integers (i64), folded where both are known.

    def add(self, a: Value, b: Value) -> Value:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if a == 0 or b == 0:
            return a if b == 0 else b
        return self.op("add i64", a, b)

    def sub(self, a: Value, b: Value) -> Value:
        if isinstance(a, int) and isinstance(b, int):
            return a - b
        return a if b == 0 else self.op("sub i64", a, b)

    def mul(self, a: Value, b: Value) -> Value:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if isinstance(a, int):
            a, b = b, a
        if isinstance(b, int):
            if b == 0 or b == 1:
                return b and a
            if b > 0 and b & (b - 1) == 0:
                return self.op("shl i64", a, b.bit_length() - 1)
        return self.op("mul i64", a, b)

    def div(self, a: Value, b: Value) -> Value:
        """Floor of a / b for a >= 0, b > 0."""
        if isinstance(b, int):
            if isinstance(a, int):
                return a // b
            if b & (b - 1) == 0:
                return a if b == 1 else self.op("lshr i64", a, b.bit_length() - 1)
        return self.op("udiv i64", a, b)

    def rem(self, a: Value, b: Value) -> Value:
        return self.sub(a, self.mul(self.div(a, b), b))

    def ceil_div(self, a: Value, b: Value) -> Value:
        return self.div(self.add(a, self.sub(b, 1)), b)

    def min(self, a: Value, b: Value) -> Value:
        return self._extreme("smin", min, a, b)

    def max(self, a: Value, b: Value) -> Value:
        return self._extreme("smax", max, a, b)

    def _extreme(self, name: str, fold: Any, a: Value, b: Value) -> Value:
        if isinstance(a, int) and isinstance(b, int):
            return int(fold(a, b))
        self.module.declare("i64", f"llvm.{name}.i64", "i64", "i64")
        result = self.fresh()
        self.line(f"{result} = call i64 @llvm.{name}.i64(i64 {a}, i64 {b})")
        return result

    def compare(self, predicate: str, a: Value, b: Value) -> str:
        """i1; predicates as LLVM's: eq ne slt sle sgt sge."""
        return self.op(f"icmp {predicate} i64", a, b)

    def both(self, *conditions: str) -> str:
        result = conditions[0]
        for c in conditions[1:]:
            result = self.op("and i1", result, c)
        return result

    def either(self, a: str, b: str) -> str:
        return self.op("or i1", a, b)

    def negate(self, condition: str) -> str:
        return self.op("xor i1", condition, "true")

    def select(self, condition: str, type: str, a: Value, b: Value) -> str:
        result = self.fresh()
        self.line(f"{result} = select i1 {condition}, {type} {a}, {type} {b}")
        return result

    def select_vector(self, condition: str, type: str, a: str, b: str, lanes: int) -> str:
        """A choice lane by lane."""
        result = self.fresh()
        self.line(f"{result} = select {vector('i1', lanes)} {condition}, {type} {a}, {type} {b}")
        return result

    # Memory.

    def at(self, pointer: str, index: Value, size: int) -> str:
        """pointer + index * size bytes."""
        if index == 0:
            return pointer
        offset = self.mul(index, size)
        return self.op("getelementptr i8, ptr", pointer, f"i64 {offset}")

    def load(self, type: str, pointer: str, align: int = 1) -> str:
        return self.op(f"load {type}, ptr", pointer, tail=f", align {align}")

    def store(self, type: str, value: Value, pointer: str, align: int = 1) -> None:
        self.line(f"store {type} {value}, ptr {pointer}, align {align}")

    def prefetch(self, pointer: str) -> None:
        """Ask for the cache line around a pointer, which may be invalid."""
        self.module.declare("void", "llvm.prefetch.p0", "ptr", "i32", "i32", "i32")
        self.line(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 3, i32 1)")

    def array(self, type: str, count: int, align: int = 64) -> str:
        """Stack memory of `count` elements; the same memory whenever the function is inside it."""
        name = self.fresh("m")
        self.allocations.append(f"  {name} = alloca [{count} x {type}], align {align}")
        return name

    def variable(self, type: str, initial: Value | None = None) -> tuple[str, str]:
        """A local variable for `get` and `set`."""
        name = self.fresh("v")
        self.allocations.append(f"  {name} = alloca {type}")
        if initial is not None:
            self.store(type, initial, name, 8 if type in ("i64", "ptr") else 1)
        return type, name

    def get(self, variable: tuple[str, str]) -> str:
        type, name = variable
        return self.op(f"load {type}, ptr", name)

    def set(self, variable: tuple[str, str], value: Value) -> None:
        type, name = variable
        self.line(f"store {type} {value}, ptr {name}")

    @contextmanager
    def scalars(self, make: Callable[[Text], Lanes]) -> Iterator[Lanes]:
        """A scalar target whose instructions land here at the end of the block.

        `make(text)` makes it; it must not outlive the block, since it remembers what it computed.
        """
        target = make(self.module.library)
        target.counter = self._count
        yield target
        self._count = target.counter
        for line in _flat(target.lines):
            self.lines.append(line)
            labels = [part for part in line.split("\n") if part.endswith(":")]
            if labels:
                self.block = labels[-1][:-1]

    # Control flow.

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")
        self.block = name

    def _label_names(self, *stems: str) -> list[str]:
        self._count += 1
        return [f"{stem}{self._count}" for stem in stems]

    @contextmanager
    def when(self, condition: str, likely: bool | None = None) -> Iterator[None]:
        """Run the block if the i1 holds."""
        then, end = self._label_names("then", "end")
        self.line(f"br i1 {condition}, label %{then}, label %{end}")
        self.label(then)
        yield
        self.line(f"br label %{end}")
        self.label(end)

    @contextmanager
    def otherwise(self, condition: str) -> Iterator[Any]:
        """A two-way branch: the block runs if the i1 holds up to the yielded `else_()` call."""
        then, other, end = self._label_names("then", "else", "end")
        self.line(f"br i1 {condition}, label %{then}, label %{other}")
        self.label(then)

        def else_() -> None:
            self.line(f"br label %{end}")
            self.label(other)

        yield else_
        self.line(f"br label %{end}")
        self.label(end)

    @contextmanager
    def loop(self, start: Value, stop: Value, step: Value = 1) -> Iterator[str]:
        """for index in range(start, stop, step), step > 0."""
        head, body, end = self._label_names("head", "body", "exit")
        index, before = self.fresh("i"), self.block
        self.line(f"br label %{head}")
        self.label(head)
        position = len(self.lines)
        self.lines.append("")
        condition = self.compare("slt", index, stop)
        self.line(f"br i1 {condition}, label %{body}, label %{end}")
        self.label(body)
        yield index
        following = self.add(index, step)
        self.lines[position] = (
            f"  {index} = phi i64 [ {start}, %{before} ], [ {following}, %{self.block} ]"
        )
        self.line(f"br label %{head}")
        self.label(end)

    @contextmanager
    def until(self, variable: tuple[str, str], stop: Value) -> Iterator[str]:
        """while variable < stop; the block moves the variable on."""
        head, body, end = self._label_names("head", "body", "exit")
        self.line(f"br label %{head}")
        self.label(head)
        value = self.get(variable)
        condition = self.compare("slt", value, stop)
        self.line(f"br i1 {condition}, label %{body}, label %{end}")
        self.label(body)
        yield value
        self.line(f"br label %{head}")
        self.label(end)

    @contextmanager
    def repeat(
        self, start: Value, stop: Value, step: Value, carried: Sequence[tuple[str, Value]]
    ) -> Iterator[Repeat]:
        """`loop` that carries (type, initial) values in registers.

        The yielded object's `values` are the ones an iteration starts with and, after the block,
        the final ones; the block must call `next`.
        """
        head, body, end = self._label_names("head", "body", "exit")
        inside = Repeat(self.fresh("i"), [self.fresh("c") for _ in carried])
        before = self.block
        self.line(f"br label %{head}")
        self.label(head)
        position = len(self.lines)
        condition = self.compare("slt", inside.index, stop)
        self.line(f"br i1 {condition}, label %{body}, label %{end}")
        self.label(body)
        yield inside
        following = self.add(inside.index, step)
        types = ["i64", *(type for type, _ in carried)]
        initials = [start, *(initial for _, initial in carried)]
        names = [inside.index, *inside.values]
        self.lines[position:position] = [
            f"  {name} = phi {type} [ {initial}, %{before} ], [ {value}, %{self.block} ]"
            for name, type, initial, value in zip(
                names, types, initials, [following, *inside.following], strict=True
            )
        ]
        self.line(f"br label %{head}")
        self.label(end)

    # Vectors.

    def splat(self, element: str, value: str, lanes: int) -> str:
        """A vector with `value` in every lane."""
        type = vector(element, lanes)
        first = self.op(f"insertelement {type} poison, {element}", value, "i32 0")
        mask = vector("i32", lanes)
        return self.op(f"shufflevector {type}", first, f"{type} poison", f"{mask} zeroinitializer")

    def shuffle(self, element: str, lanes: int, a: str, b: str, indices: Sequence[int]) -> str:
        type = vector(element, lanes)
        mask = ", ".join(f"i32 {i}" for i in indices)
        return self.op(
            f"shufflevector {type}", a, f"{type} {b}", f"{vector('i32', len(indices))} <{mask}>"
        )

    def fma(self, element: str, lanes: int, a: str, b: str, c: str, fused: bool) -> str:
        """a * b + c on vectors; one rounding where the target has FMA, else two."""
        type = vector(element, lanes)
        if not fused:
            return self.op(f"fadd {type}", self.op(f"fmul {type}", a, b), c)
        name = f"llvm.fma.v{lanes}{'f32' if element == 'float' else 'f64'}"
        self.module.declare(type, name, type, type, type)
        result = self.fresh()
        self.line(f"{result} = call {type} @{name}({type} {a}, {type} {b}, {type} {c})")
        return result

    def lane_mask(self, lanes: int, first: Value, stop: Value) -> str:
        """<lanes x i1>: first <= lane < stop."""
        type = vector("i32", lanes)
        numbers = "<" + ", ".join(f"i32 {i}" for i in range(lanes)) + ">"

        def splat(value: Value) -> str:
            if isinstance(value, int):
                return (
                    "<" + ", ".join(f"i32 {max(min(value, lanes), -1)}" for _ in range(lanes)) + ">"
                )
            clamped = self.max(self.min(value, lanes), -1)
            return self.splat("i32", self.op("trunc i64", clamped, tail=" to i32"), lanes)

        below = self.op(f"icmp slt {type}", numbers, splat(stop))
        if first == 0:
            return below
        above = self.op(f"icmp sge {type}", numbers, splat(first))
        return self.op(f"and {vector('i1', lanes)}", below, above)

    def masked_load(self, type: str, lanes: int, suffix: str, pointer: str, mask: str) -> str:
        """Lanes outside the mask are zero and not read.  suffix: LLVM's name of the type, "v8f32"."""
        bits = vector("i1", lanes)
        name = f"llvm.masked.load.{suffix}.p0"
        self.module.declare(type, name, "ptr", "i32", bits, type)
        result = self.fresh()
        self.line(
            f"{result} = call {type} @{name}(ptr {pointer}, i32 1, {bits} {mask}, {type} zeroinitializer)"
        )
        return result

    def masked_store(
        self, type: str, lanes: int, suffix: str, value: str, pointer: str, mask: str
    ) -> None:
        bits = vector("i1", lanes)
        name = f"llvm.masked.store.{suffix}.p0"
        self.module.declare("void", name, type, "ptr", "i32", bits)
        self.line(f"call void @{name}({type} {value}, ptr {pointer}, i32 1, {bits} {mask})")

    def call(self, name: str, *arguments: tuple[str, Value]) -> None:
        """Call a function of this module that returns nothing."""
        self.line(f"call void @{name}({', '.join(f'{type} {value}' for type, value in arguments)})")

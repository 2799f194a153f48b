"""Random bits to normal numbers in machine code: the same roundings as `frontend/box_muller.py`.

    void box_muller(ptr data, i64 blocks, float mean, float std)

turns 16 32-bit draws per block into 16 float32 numbers, in place.  `frontend/box_muller.py` explains
the transform and holds its constants.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .jit import compile
from .target import host

_NAME = "graphtorch_box_muller"
_VECTOR, _WORDS = "<8 x float>", "<8 x i32>"


@dataclass(frozen=True)
class Constants:
    """The polynomials and splits, all exact in float32."""

    log: Sequence[float]
    cosine: Sequence[float]
    sine: Sequence[float]
    quarter_pi_parts: Sequence[float]
    ln2_low: float
    ln2_high: float
    sqrt_half: float
    four_over_pi: float
    two_pi: float


def _float(value: float) -> str:
    """LLVM's spelling of a float constant: the bits of the double."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


class _Lines:
    """Vector instructions, one a line."""

    def __init__(self) -> None:
        self.text: list[str] = []

    def put(self, instruction: str) -> str:
        name = f"%t{len(self.text)}"
        self.text.append(f"  {name} = {instruction}")
        return name

    @staticmethod
    def vector(value: float) -> str:
        return "<" + ", ".join([f"float {_float(value)}"] * 8) + ">"

    @staticmethod
    def words(value: int) -> str:
        return "<" + ", ".join([f"i32 {value}"] * 8) + ">"

    def binary(self, op: str, a: str, b: str | float) -> str:
        return self.put(f"{op} {_VECTOR} {a}, {b if isinstance(b, str) else self.vector(b)}")

    def integer(self, op: str, a: str, b: int) -> str:
        return self.put(f"{op} {_WORDS} {a}, {self.words(b)}")

    def fma(self, a: str, b: str | float, c: str | float) -> str:
        b, c = (x if isinstance(x, str) else self.vector(x) for x in (b, c))
        return self.put(
            f"call {_VECTOR} @llvm.fma.v8f32({_VECTOR} {a}, {_VECTOR} {b}, {_VECTOR} {c})"
        )

    def horner(self, coefficients: Sequence[float], x: str) -> str:
        y = self.fma(x, coefficients[0], coefficients[1])
        for coefficient in coefficients[2:]:
            y = self.fma(y, x, coefficient)
        return y

    def cast(self, op: str, x: str, source: str, target: str) -> str:
        return self.put(f"{op} {source} {x} to {target}")

    def select(self, condition: str, a: str, b: str) -> str:
        return self.put(f"select <8 x i1> {condition}, {_VECTOR} {a}, {_VECTOR} {b}")


def _log(e: _Lines, u: str, k: Constants) -> str:
    bits = e.cast("bitcast", u, _VECTOR, _WORDS)
    exponent = e.integer("sub", e.integer("lshr", bits, 23), 126)
    power = e.cast("sitofp", exponent, _WORDS, _VECTOR)
    mantissa = e.integer("or", e.integer("and", bits, 0x007FFFFF), 0x3F000000)
    x = e.cast("bitcast", mantissa, _WORDS, _VECTOR)
    small = e.put(f"fcmp olt {_VECTOR} {x}, {e.vector(k.sqrt_half)}")
    power = e.select(small, e.binary("fsub", power, 1.0), power)
    x = e.binary("fsub", e.select(small, e.binary("fadd", x, x), x), 1.0)
    z = e.binary("fmul", x, x)
    y = e.binary("fmul", e.horner(k.log, x), x)
    y = e.fma(y, z, e.binary("fmul", power, k.ln2_low))
    y = e.fma(z, -0.5, y)
    return e.fma(power, k.ln2_high, e.binary("fadd", x, y))


def _sine_cosine(e: _Lines, x: str, k: Constants) -> tuple[str, str]:
    octant = e.cast("fptosi", e.binary("fmul", x, k.four_over_pi), _VECTOR, _WORDS)
    octant = e.integer("and", e.integer("add", octant, 1), -2)
    y = e.cast("sitofp", octant, _WORDS, _VECTOR)
    for part in k.quarter_pi_parts:
        x = e.fma(y, part, x)
    z = e.binary("fmul", x, x)
    s = e.binary("fmul", e.horner(k.sine, z), z)
    s = e.fma(s, x, x)
    c = e.binary("fmul", e.horner(k.cosine, z), z)
    c = e.binary("fadd", e.fma(c, z, e.binary("fmul", z, -0.5)), 1.0)
    swap = e.put(f"icmp ne {_WORDS} {e.integer('and', octant, 2)}, {e.words(0)}")

    def signed(value: str, turned: str) -> str:
        sign = e.integer("shl", e.integer("and", turned, 4), 29)
        bits = e.put(f"xor {_WORDS} {e.cast('bitcast', value, _VECTOR, _WORDS)}, {sign}")
        return e.cast("bitcast", bits, _WORDS, _VECTOR)

    return (
        signed(e.select(swap, c, s), octant),
        signed(e.select(swap, s, c), e.integer("add", octant, 2)),
    )


def text(k: Constants) -> str:
    """The LLVM text of the kernel."""
    e = _Lines()
    halves = []
    for half in (0, 8):
        place = e.put(f"getelementptr inbounds i32, ptr %block, i64 {half}")
        drawn = e.integer("and", e.put(f"load {_WORDS}, ptr {place}, align 4"), (1 << 24) - 1)
        uniform = e.binary("fmul", e.cast("sitofp", drawn, _WORDS, _VECTOR), 2.0**-24)
        halves.append((place, uniform))
    (first, u), (second, v) = halves
    u = e.put(f"fsub {_VECTOR} {e.vector(1.0)}, {u}")
    square = e.binary("fmul", _log(e, u, k), -2.0)
    radius = e.put(f"call {_VECTOR} @llvm.sqrt.v8f32({_VECTOR} {square})")
    sine, cosine = _sine_cosine(e, e.binary("fmul", v, k.two_pi), k)
    for place, wave in ((first, cosine), (second, sine)):
        normal = e.fma(e.binary("fmul", radius, wave), "%std_v", "%mean_v")
        e.text.append(f"  store {_VECTOR} {normal}, ptr {place}, align 4")
    splats = "\n".join(
        f"  %{n}_0 = insertelement {_VECTOR} poison, float %{n}, i32 0\n"
        f"  %{n}_v = shufflevector {_VECTOR} %{n}_0, {_VECTOR} poison, {_WORDS} zeroinitializer"
        for n in ("mean", "std")
    )
    body = "\n".join(e.text)
    return f"""
declare {_VECTOR} @llvm.fma.v8f32({_VECTOR}, {_VECTOR}, {_VECTOR})
declare {_VECTOR} @llvm.sqrt.v8f32({_VECTOR})

define void @{_NAME}(ptr %data, i64 %blocks, float %mean, float %std) {{
entry:
{splats}
  %none = icmp eq i64 %blocks, 0
  br i1 %none, label %exit, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %offset = shl i64 %i, 4
  %block = getelementptr inbounds i32, ptr %data, i64 %offset
{body}
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %blocks
  br i1 %more, label %loop, label %exit
exit:
  ret void
}}
"""


@functools.cache
def kernel(constants: Constants) -> Callable[[int, int, float, float], None] | None:
    """The compiled kernel (address, blocks, mean, std); None without fused multiply-adds."""
    target = host()
    if not target.fma:
        return None
    library = compile([text(constants)], [_NAME], target)
    library.keep()
    signature = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_float, ctypes.c_float
    )
    return signature(library[_NAME])

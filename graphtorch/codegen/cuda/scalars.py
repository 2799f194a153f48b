"""Scalar operations as CUDA C expressions.

`expression(op, dtype, args)` is the text of one operation of `codegen.scalar`; operands are atoms
(names or literals) with their dtypes.  Signed integers are added and multiplied as unsigned ones, so
that they wrap around; floats follow IEEE 754 because NVRTC is told not to contract or flush (see
`nvrtc.OPTIONS`).  NVRTC has no headers: infinities and NaNs are written as bit patterns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import UnsupportedError
from ...ir.types import DType, bool_, float32, float64, int32, int64

C_TYPES = {
    "bool": "bool", "u8": "unsigned char", "i8": "signed char", "i16": "short", "i32": "int",
    "i64": "long long", "f32": "float", "f64": "double",
}  # fmt: skip
_UNSIGNED = {
    "bool": "unsigned", "u8": "unsigned", "i8": "unsigned", "i16": "unsigned", "i32": "unsigned",
    "i64": "unsigned long long",
}  # fmt: skip
_SYMBOLS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "less": "<", "less_equal": "<=", "equal": "==",
    "not_equal": "!=", "logical_and": "&", "logical_or": "|", "logical_xor": "^",
}  # fmt: skip
_LIBRARY = frozenset(
    """sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh
    acosh atanh erf erfc erfinv floor ceil trunc lgamma pow atan2 fmod copysign hypot""".split()
)
_INFINITY = {
    "f32": "__int_as_float(0x7f800000)",
    "f64": "__longlong_as_double(0x7ff0000000000000LL)",
}
_NAN = {"f32": "__int_as_float(0x7fc00000)", "f64": "__longlong_as_double(0x7ff8000000000000LL)"}


@dataclass(frozen=True, slots=True)
class Atom:
    """A name or a literal, and its dtype."""

    text: str
    dtype: DType


def c_type(dtype: DType) -> str:
    """The C type of a value."""
    return C_TYPES[dtype.short]


def stored_type(dtype: DType) -> str:
    """The C type of an element in memory: 16-bit floats are plain bits there."""
    return "unsigned short" if dtype.short in ("bf16", "f16") else C_TYPES[dtype.short]


def literal(value: Any, dtype: DType) -> str:
    """A literal of a compute dtype.

    >>> literal(0.1, float32), literal(-1, int64), literal(float("inf"), float32)
    ('0.1f', '-1LL', '__int_as_float(0x7f800000)')
    """
    if dtype is bool_:
        return "true" if value else "false"
    if dtype.kind == "f":
        number = float(value)
        if math.isnan(number):
            return _NAN[dtype.short]
        rounded = np.float32(number) if dtype is float32 else np.float64(number)
        if np.isinf(rounded):
            return ("-" if rounded < 0 else "") + _INFINITY[dtype.short]
        text = str(rounded)
        if "." not in text and "e" not in text:
            text += ".0"
        return text + ("f" if dtype is float32 else "")
    number = int(value)
    if dtype is int64:
        return "(-9223372036854775807LL - 1)" if number == -(2**63) else f"{number}LL"
    if number == -(2**31):
        return "(-2147483647 - 1)"
    return str(number) if dtype is int32 else f"({C_TYPES[dtype.short]}){number}"


def load_text(place: str, dtype: DType) -> str:
    """The value of an element at a place in memory."""
    if dtype.short in ("bf16", "f16"):
        return f"gt_from_{dtype.short}({place})"
    return place


def store_text(value: str, dtype: DType) -> str:
    """What is written for a value."""
    if dtype.short in ("bf16", "f16"):
        return f"gt_to_{dtype.short}({value})"
    return value


def expression(op: str, dtype: DType, args: Sequence[Atom]) -> str:
    """The text of `op(*args)`, whose result is of `dtype`."""
    xs = [f"({a.text})" if a.text.startswith("-") else a.text for a in args]
    given = args[-1].dtype
    floating = given.kind == "f"
    match op:
        case "cast":
            return f"{xs[0]} != 0" if dtype is bool_ else f"({c_type(dtype)}){xs[0]}"
        case "bitcast":
            return _bitcast(xs[0], given, dtype)
        case "round_bfloat16":
            return f"gt_from_bf16(gt_to_bf16({xs[0]}))"
        case "round_float16":
            return f"gt_from_f16(gt_to_f16({xs[0]}))"
        case "add" | "sub" | "mul" if not floating:
            wide = _UNSIGNED[given.short]
            return f"({c_type(given)})(({wide}){xs[0]} {_SYMBOLS[op]} ({wide}){xs[1]})"
        case "logical_and" | "logical_or" | "logical_xor":
            return f"({c_type(given)})({xs[0]} {_SYMBOLS[op]} {xs[1]})"
        case "add" | "sub" | "mul" | "div" | "less" | "less_equal" | "equal" | "not_equal":
            return f"{xs[0]} {_SYMBOLS[op]} {xs[1]}"
        case "neg":
            if floating:
                return f"-{xs[0]}"
            return f"({c_type(given)})(({_UNSIGNED[given.short]})0 - ({_UNSIGNED[given.short]}){xs[0]})"
        case "abs":
            if floating:
                return f"{_function('fabs', given)}({xs[0]})"
            return xs[0] if given.kind in "ub" else f"gt_abs({xs[0]})"
        case "exp_nonpositive":
            return f"{_function('exp', given)}({xs[0]})"
        case "min" | "max":
            return f"gt_{op}({xs[0]}, {xs[1]})"
        case "fma":
            if floating:
                return f"{_function('fma', given)}({', '.join(xs)})"
            wide = _UNSIGNED[given.short]
            return f"({c_type(given)})(({wide}){xs[0]} * ({wide}){xs[1]} + ({wide}){xs[2]})"
        case "select":
            return f"{xs[0]} ? {xs[1]} : {xs[2]}"
        case "logical_not":
            return f"!{xs[0]}" if given is bool_ else f"({c_type(given)})~{xs[0]}"
        case "shift_left":
            return f"gt_shift_left<{c_type(given)}, {_UNSIGNED[given.short]}>({xs[0]}, {xs[1]})"
        case "shift_right":
            return f"gt_shift_right({xs[0]}, {xs[1]})"
    return _call(op, given, xs)


def _function(name: str, dtype: DType) -> str:
    return name + ("f" if dtype is float32 else "")


def _bitcast(x: str, given: DType, dtype: DType) -> str:
    if given.short == dtype.short:
        return x
    names = {
        ("f32", "i32"): "__float_as_int", ("i32", "f32"): "__int_as_float",
        ("f64", "i64"): "__double_as_longlong", ("i64", "f64"): "__longlong_as_double",
    }  # fmt: skip
    name = names.get((given.short, dtype.short))
    if name is None:
        raise UnsupportedError(f"CUDA C: no bitcast from {given.short} to {dtype.short}")
    return f"{name}({x})"


def _call(op: str, given: DType, xs: list[str]) -> str:
    inside = ", ".join(xs)
    if given.kind == "f":
        one = literal(1.0, given)
        match op:
            case "isnan":
                return f"{xs[0]} != {xs[0]}"
            case "isinf":
                return f"{_function('fabs', given)}({xs[0]}) == {_INFINITY[given.short]}"
            case "isfinite":
                return f"{_function('fabs', given)}({xs[0]}) < {_INFINITY[given.short]}"
            case "sigmoid":
                return f"{one} / ({one} + {_function('exp', given)}(-{xs[0]}))"
            case "round":
                return f"{_function('rint', given)}({xs[0]})"
            case "digamma":
                return f"({c_type(given)})gt_digamma({xs[0]})"
            case "sign" | "remainder" | "floor_divide":
                suffix = {float32: "_f32", float64: "_f64"}[given] if op != "sign" else ""
                return f"gt_{op}{suffix}({inside})"
        if op in _LIBRARY:
            return f"{_function(op, given)}({inside})"
    else:
        match op:
            case "floor" | "ceil" | "round" | "trunc":
                return xs[0]
            case "isnan" | "isinf":
                return "false"
            case "isfinite":
                return "true"
            case "sign":
                return f"({c_type(given)})gt_sign({xs[0]})"
            case "remainder" | "floor_divide" | "fmod" | "pow":
                name = c_type(given)
                return f"gt_integer_{op}<{name}>({inside})"
    raise UnsupportedError(f"CUDA C: no {op} of {given.short}")

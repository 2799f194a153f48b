"""Helper functions of the generated CUDA C; a kernel's text carries those it names.

A test may run the text on the CPU: the simulator defines GT_SIMULATOR and brings the conversions of
half precision, which are one PTX instruction here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HELPERS: dict[str, str] = {
    "gt_max": """template <class T> static __device__ __forceinline__ T gt_max(T a, T b) {
  return a > b || a != a ? a : b;  // a NaN in either wins
}""",
    "gt_min": """template <class T> static __device__ __forceinline__ T gt_min(T a, T b) {
  return a < b || a != a ? a : b;
}""",
    "gt_abs": """template <class T> static __device__ __forceinline__ T gt_abs(T a) {
  return a < 0 ? (T)(0ULL - (unsigned long long)a) : a;
}""",
    "gt_sign": """template <class T> static __device__ __forceinline__ T gt_sign(T x) {
  return x > (T)0 ? (T)1 : x < (T)0 ? (T)-1 : x;
}""",
    "gt_shift_left": """template <class T, class U> static __device__ __forceinline__ T gt_shift_left(T a, T b) {
  return b < (T)0 || b >= (T)(8 * sizeof(T)) ? (T)0 : (T)((U)a << b);
}""",
    "gt_shift_right": """template <class T> static __device__ __forceinline__ T gt_shift_right(T a, T b) {
  const bool inside = b >= (T)0 && b < (T)(8 * sizeof(T));
  return inside ? (T)(a >> b) : a < (T)0 ? (T)-1 : (T)0;
}""",
    "gt_integer_fmod": """template <class T> static __device__ __forceinline__ T gt_integer_fmod(T a, T b) {
  return b == (T)0 || b == (T)-1 ? (T)0 : (T)(a % b);
}""",
    "gt_integer_remainder": """template <class T> static __device__ __forceinline__ T gt_integer_remainder(T a, T b) {
  const T r = gt_integer_fmod<T>(a, b);
  return r != (T)0 && (r < (T)0) != (b < (T)0) ? (T)(r + b) : r;
}""",
    "gt_integer_floor_divide": """template <class T> static __device__ __forceinline__ T gt_integer_floor_divide(T a, T b) {
  if (b == (T)0) return (T)0;
  if (b == (T)-1) return (T)(0ULL - (unsigned long long)a);
  const T q = (T)(a / b), r = (T)(a % b);
  return r != (T)0 && (r < (T)0) != (b < (T)0) ? (T)(q - 1) : q;
}""",
    "gt_integer_pow": """template <class T> static __device__ __forceinline__ T gt_integer_pow(T a, T b) {
  if (b < (T)0) return a == (T)1 ? (T)1 : a == (T)-1 ? (b & 1 ? (T)-1 : (T)1) : (T)0;
  unsigned long long result = 1, base = (unsigned long long)a;
  for (unsigned long long n = (unsigned long long)b; n; n >>= 1, base *= base)
    if (n & 1) result *= base;
  return (T)result;
}""",
    "gt_digamma": """static __device__ double gt_digamma(double x) {
  if (x == 0.0) return copysign(__longlong_as_double(0x7ff0000000000000LL), -x);
  double total = 0.0, b = x;
  if (x < 0.0) {
    const double turn = x - floor(x);
    if (turn == 0.0 || !(x > -1e300)) return __longlong_as_double(0x7ff8000000000000LL);
    total = -3.141592653589793 / tan(3.141592653589793 * turn);
    b = 1.0 - x;
  }
  if (b > 1e300) return b;
  for (; b < 10.0; b += 1.0) total -= 1.0 / b;
  const double z = 1.0 / (b * b);
  const double tail = z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240
      - z * (1.0 / 132 - z * (691.0 / 32760 - z * (1.0 / 12)))))));
  return total + (log(b) - 0.5 / b - tail);
}""",
    "gt_from_bf16": """static __device__ __forceinline__ float gt_from_bf16(unsigned short x) {
  return __int_as_float((int)((unsigned)x << 16));
}""",
    "gt_to_bf16": """static __device__ __forceinline__ unsigned short gt_to_bf16(float x) {
  const unsigned bits = (unsigned)__float_as_int(x);
  if (x != x) return (unsigned short)(bits >> 16 | 0x40);
  return (unsigned short)(bits + 0x7fff + (bits >> 16 & 1) >> 16);
}""",
    "gt_from_f16": """#ifndef GT_SIMULATOR
static __device__ __forceinline__ float gt_from_f16(unsigned short x) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
  return y;
}
#endif""",
    "gt_to_f16": """#ifndef GT_SIMULATOR
static __device__ __forceinline__ unsigned short gt_to_f16(float x) {
  unsigned short y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
}
#endif""",
    "gt_fail": """static __device__ __noinline__ void gt_fail(long long* status, long long code, long long index) {
  unsigned long long* first = (unsigned long long*)status;
  if (atomicCAS(first, 0ULL, (unsigned long long)code) == 0ULL) status[1] = index;
}""",
}
for _short, _type, _f in (("f32", "float", "f"), ("f64", "double", "")):
    _zero = "0.0f" if _f else "0.0"
    _one, _half = _zero.replace("0.0", "1.0"), _zero.replace("0.0", "0.5")
    HELPERS[
        f"gt_remainder_{_short}"
    ] = f"""static __device__ __forceinline__ {_type} gt_remainder_{_short}({_type} a, {_type} b) {{
  const {_type} r = fmod{_f}(a, b);
  if (r == {_zero}) return copysign{_f}({_zero}, b);
  return (r < {_zero}) != (b < {_zero}) && r == r ? r + b : r;
}}"""
    HELPERS[
        f"gt_floor_divide_{_short}"
    ] = f"""static __device__ __forceinline__ {_type} gt_floor_divide_{_short}({_type} a, {_type} b) {{
  if (b == {_zero}) return a / b;
  const {_type} r = fmod{_f}(a, b);
  {_type} q = (a - r) / b;
  if (r != {_zero} && (r < {_zero}) != (b < {_zero})) q -= {_one};
  if (q == {_zero}) return copysign{_f}({_zero}, a / b);
  const {_type} down = floor{_f}(q);
  return q - down > {_half} ? down + {_one} : down;
}}"""
_NAME = re.compile(r"\bgt_\w+")


def helpers_for(text: str) -> str:
    """The helper functions that `text` names, and those they name, in a fixed order."""
    wanted: set[str] = set()
    pending = [text]
    while pending:
        for name in _NAME.findall(pending.pop()):
            if name in HELPERS and name not in wanted:
                wanted.add(name)
                pending.append(HELPERS[name])
    return "\n".join(HELPERS[name] for name in HELPERS if name in wanted)


@dataclass(frozen=True, slots=True)
class Printed:
    """A kernel's text, and the functions (by name) it wants besides the helpers."""

    functions: dict[str, str]
    text: str


def module_text(*kernels: Printed) -> str:
    """A module of several kernels: helpers and functions once, then the kernels."""
    functions: dict[str, str] = {}
    for kernel in kernels:
        functions.update(kernel.functions)
    body = "\n".join([*functions.values(), *(kernel.text for kernel in kernels)])
    helpers = helpers_for(body)
    return f"{helpers}\n{body}" if helpers else body

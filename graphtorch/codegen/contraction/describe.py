"""Descriptions of contractions, and the plan made of them.  Plain data: no code is generated here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from ...ir.types import DType, TensorType, contiguous_strides, float32
from ..program import KernelSource


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the elements of an operand or result lie in its buffer.

    strides: in elements, one per index of the thing described (`(*batch, row, column)` for a
        contraction); 0 repeats the operand along that index (broadcast); may be negative.
    offset: in elements, of the element with all indices 0.

    >>> Layout.of((2, 3, 4)).strides
    (12, 4, 1)
    """

    strides: tuple[int, ...]
    offset: int = 0
    dtype: DType = float32

    @staticmethod
    def of(shape: tuple[int, ...], dtype: DType = float32) -> Layout:
        """The layout of a dense row-major array."""
        return Layout(contiguous_strides(shape), 0, dtype)


def _accumulator_only(s: Any, accumulator: Any) -> tuple[Any, ...]:
    return (accumulator,)


@dataclass(frozen=True, slots=True)
class Epilogue:
    """A scalar program that runs on the accumulated tile before it is stored.

    body(s, accumulator, *operands): written over the scalar target of `codegen.scalar`; returns
        one value per result, each of the result's dtype.  The accumulator is f32 (f64 for f64
        inputs), operands arrive in their own dtype.
    key: text that names the body: equal keys mean equal bodies.
    operands, results: layouts with one stride per index of the output (`(*batch, m, n)`, for a
        convolution `(image, channel, *position)`).  A result must not repeat (no stride 0).

    Bias along n, GELU of the sum, both stored:

        Epilogue(body, "bias_gelu", operands=(Layout((0, 1)),), results=(dense, dense))
    """

    body: Callable[..., tuple[Any, ...]] = _accumulator_only
    key: str = ""
    operands: tuple[Layout, ...] = ()
    results: tuple[Layout, ...] = ()


@dataclass(frozen=True, slots=True)
class Contraction:
    """result[*batch, m, n] = epilogue(sum over k of a[*batch, m, k] * b[*batch, k, n]).

    outer: (count, stride in a, stride in b) of one more index that is summed over, around k.

    a, b: layouts with strides `(*batch, m, k)` and `(*batch, k, n)`, any strides; float32, float64
        (both alike), bfloat16 or float16 (widened while packing; may be mixed with float32).
    epilogue: with no `results`, one dense result of shape `(*batch, m, n)` and the accumulator's
        dtype is meant.
    Sizes may be 0: with k = 0 the accumulator is 0.
    Slots: a, b, *epilogue.operands, *results.
    """

    m: int
    n: int
    k: int
    a: Layout
    b: Layout
    batch: tuple[int, ...] = ()
    epilogue: Epilogue = field(default_factory=Epilogue)
    outer: tuple[int, int, int] = (1, 0, 0)

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.batch, self.m, self.n)


@dataclass(frozen=True, slots=True)
class Convolution:
    """N-dimensional convolution (correlation, as PyTorch's) of dense row-major operands.

    kind "forward":      y[N, O, *out]  = epilogue(sum x[N, C, ...] * w[O, C / groups, *kernel])
    kind "input_grad":   x'[N, C, *in]  = epilogue(the adjoint of forward in x, of g[N, O, *out])
    kind "weight_grad":  w'[O, C / groups, *kernel] = epilogue(the adjoint of forward in w)

    input: shape of x; weight: shape of w.  stride, padding, dilation: one entry per spatial dim.
    Slots: forward (x, w), input_grad (g, w), weight_grad (g, x), then *epilogue.operands,
    *results.  Epilogue layouts have one stride per index of the output written.
    """

    kind: Literal["forward", "input_grad", "weight_grad"]
    input: tuple[int, ...]
    weight: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    dtype: DType = float32
    epilogue: Epilogue = field(default_factory=Epilogue)

    @property
    def positions(self) -> tuple[int, ...]:
        """Spatial shape of y."""
        return tuple(
            (size + 2 * p - d * (k - 1) - 1) // s + 1
            for size, k, s, p, d in zip(
                self.input[2:],
                self.weight[2:],
                self.stride,
                self.padding,
                self.dilation,
                strict=True,
            )
        )

    @property
    def output(self) -> tuple[int, ...]:
        """Shape of y."""
        return (self.input[0], self.weight[0], *self.positions)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what this kind computes."""
        return {"forward": self.output, "input_grad": self.input, "weight_grad": self.weight}[
            self.kind
        ]


@dataclass(frozen=True, slots=True)
class MaxPool:
    """The maximum of every window over the trailing (one to three) dims of `planes` dense images.

    positions: number of windows per dim (the caller rounds, `ceil_mode` or not); windows are clipped
        at the edges and each must hold at least one element.
    Slots: x, values, indices (i64: the first maximum's flat position in its plane; NaN is larger
    than everything, the last one counts, as in PyTorch).
    """

    planes: int
    input: tuple[int, ...]
    positions: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    dtype: DType = float32


@dataclass(frozen=True, slots=True)
class MaxPoolBackward:
    """Adds g to where the maxima came from.  Slots: g, indices, result.

    size: elements of a plane of the result; count: of a plane of g and indices.
    """

    planes: int
    size: int
    count: int
    dtype: DType = float32


@dataclass(frozen=True, slots=True)
class Attention:
    """softmax(scale * q @ k^T [+ causal mask]) @ v, row by row, without the score matrix.

    q[*batch, queries, width], k[*batch, keys, width], v[*batch, keys, value_width]: layouts with
    those strides (any; the last must be 1), float32.
    causal: query i sees keys j <= i (PyTorch's top-left alignment).
    Slots: q, k, v, result [*batch, queries, value_width], logsumexp [*batch, queries] (dense).
    A row that sees no key gives zeros and logsumexp -inf.
    """

    batch: tuple[int, ...]
    queries: int
    keys: int
    width: int
    value_width: int
    scale: float
    causal: bool
    q: Layout
    k: Layout
    v: Layout
    result: Layout


@dataclass(frozen=True, slots=True)
class AttentionBackward:
    """Gradients of `Attention` in q, k and v.

    Slots: g (cotangent of the result), q, k, v, result, logsumexp, then dq, dk, dv.
    """

    forward: Attention
    g: Layout
    dq: Layout
    dk: Layout
    dv: Layout


@dataclass(frozen=True, slots=True)
class Step:
    """One launch of a plan; `operands` are slots, `writes` positions in `operands`."""

    kernel: KernelSource
    operands: tuple[int, ...]
    writes: tuple[int, ...]
    params: tuple[int, ...] = ()
    chunks: int = 1
    grain: int = 1
    work: int = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """Launches in order; `temporaries` get the slots after those of the description."""

    steps: tuple[Step, ...]
    temporaries: tuple[TensorType, ...] = ()

    @property
    def nbytes(self) -> int:
        """Memory of the temporaries."""
        return sum(t.nbytes for t in self.temporaries)

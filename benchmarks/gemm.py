"""Matrix products, convolutions and attention of compiled graphs beside PyTorch's.

    python benchmarks/gemm.py                 everything, one thread
    python benchmarks/gemm.py --threads 2 mm conv3x3

Every case is one graph compiled by graphtorch and one PyTorch call on the same arrays, writing into
memory that exists.  Calls alternate; the table gives medians, the rate, and the ratio of the medians
(above 1: graphtorch is faster).  Results are compared first.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from graphtorch.codegen import runtime
from graphtorch.codegen.executable import compile_graph
from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.types import TensorType, float32

Build = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """A graph over f32 arrays of `shapes`, the same in PyTorch, and its multiply-adds times two."""

    name: str
    shapes: Sequence[tuple[int, ...]]
    graph: Build
    torch: Build
    flops: int


def transposed(x: Any) -> Any:
    n = x.ndim
    return ops.permute(x, dims=(*range(n - 2), n - 1, n - 2))


def product(m: int, n: int, k: int, layout: str = "NN", batch: tuple[int, ...] = ()) -> Case:
    """layout: N or T for each operand, T for one that is stored transposed."""
    a = (*batch, k, m) if layout[0] == "T" else (*batch, m, k)
    b = (*batch, n, k) if layout[1] == "T" else (*batch, k, n)

    def graph(a: Any, b: Any) -> Any:
        a, b = (transposed(x) if t == "T" else x for x, t in zip((a, b), layout, strict=True))
        return ops.matmul(a, b)

    def torch(a: Any, b: Any) -> Any:
        return (a.mT if layout[0] == "T" else a) @ (b.mT if layout[1] == "T" else b)

    count = int(np.prod(batch, dtype=int))
    name = f"mm_{'x'.join(map(str, (*batch, m, n, k)))}_{layout}"
    return Case(name, (a, b), graph, torch, 2 * count * m * n * k)


def linear_gelu(rows: int, wide: int, inner: int) -> Case:
    def graph(x: Any, w: Any, b: Any) -> Any:
        return ops.gelu(ops.linear(x, w, b), approximate="tanh")

    def torch(x: Any, w: Any, b: Any) -> Any:
        from torch.nn import functional

        return functional.gelu(functional.linear(x, w, b), approximate="tanh")

    shapes = ((rows, inner), (wide, inner), (wide,))
    return Case(f"linear_gelu_{rows}x{wide}x{inner}", shapes, graph, torch, 2 * rows * wide * inner)


def convolution(
    kind: str, images: int, channels: int, outputs: int, kernel: int, stride: int, padding: int,
    size: int, groups: int = 1,
) -> Case:  # fmt: skip
    """kind: "" (forward), "_dx" or "_dw"."""
    x = (images, channels, size, size)
    w = (outputs, channels // groups, kernel, kernel)
    out = (size + 2 * padding - kernel) // stride + 1
    y = (images, outputs, out, out)
    window: dict[str, Any] = dict(
        stride=(stride,) * 2, padding=(padding,) * 2, dilation=(1, 1), groups=groups
    )

    def graph(a: Any, b: Any) -> Any:
        if kind == "":
            return ops.conv(a, b, **window)
        if kind == "_dx":
            return ops.conv_input_grad(a, b, input_shape=x, **window)
        return ops.conv_weight_grad(a, b, weight_shape=w, **window)

    def torch(a: Any, b: Any) -> Any:
        from torch import ops as torch_ops
        from torch.nn.functional import conv2d

        if kind == "":
            return conv2d(a, b, stride=stride, padding=padding, groups=groups)
        input, weight = (None, b) if kind == "_dx" else (b, None)
        found = torch_ops.aten.convolution_backward(
            a, a.new_empty(x) if input is None else input, a.new_empty(w) if weight is None else weight,
            None, window["stride"], window["padding"], (1, 1), False, (0, 0), groups,
            (kind == "_dx", kind == "_dw", False),
        )  # fmt: skip
        return found[0 if kind == "_dx" else 1]

    shapes = {"": (x, w), "_dx": (y, w), "_dw": (y, x)}[kind]
    flops = 2 * int(np.prod(y)) * (channels // groups) * kernel * kernel
    name = f"conv{kernel}x{kernel}{'s' + str(stride) if stride > 1 else ''}_{channels}_{outputs}_{size}{kind}"
    return Case(name, shapes, graph, torch, flops)


def attention(batch: int, heads: int, length: int, width: int) -> Case:
    shape = (batch, heads, length, width)
    scale = width**-0.5

    def graph(q: Any, k: Any, v: Any) -> Any:
        return ops.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)[0]

    def torch(q: Any, k: Any, v: Any) -> Any:
        from torch.nn.functional import scaled_dot_product_attention

        return scaled_dot_product_attention(q, k, v, is_causal=True)

    flops = 2 * batch * heads * length * length * width
    return Case(f"attention_{'x'.join(map(str, shape))}", (shape,) * 3, graph, torch, flops)


def cases() -> list[Case]:
    convolutions = [
        (64, 1, 6, 5, 1, 2, 28), (64, 6, 16, 5, 1, 0, 14), (8, 256, 64, 1, 1, 0, 56),
        (8, 64, 64, 3, 1, 1, 56), (8, 3, 64, 7, 2, 3, 224), (8, 128, 128, 3, 1, 1, 56, 128),
        (8, 256, 256, 3, 1, 1, 14), (8, 512, 512, 3, 1, 1, 7), (8, 64, 128, 3, 2, 1, 56),
    ]  # fmt: skip
    return [
        product(64, 64, 64), product(256, 256, 256), product(1024, 1024, 1024), product(2048, 2048, 2048),
        product(1, 4096, 4096), product(1, 4096, 4096, "NT"), product(16, 3072, 768),
        product(128, 128, 64, batch=(96,)), product(64, 128, 784, "NT"), product(128, 784, 64, "TN"),
        product(1024, 1152, 384, "NT"), product(1024, 384, 1536, "NT"), product(1024, 384, 1152),
        product(1152, 384, 1024, "TN"), product(65, 384, 1024, "TN"), linear_gelu(512, 3072, 768),
        *(convolution(kind, *c) for c in convolutions for kind in ("", "_dx", "_dw")),
        attention(4, 6, 256, 64), attention(4, 12, 1024, 64),
    ]  # fmt: skip


def compiled(case: Case) -> tuple[Callable[[], None], np.ndarray, list[np.ndarray]]:
    """The call, its output array and the input arrays."""
    with GraphBuilder(case.name) as builder:
        inputs = [builder.input(TensorType(float32, shape)) for shape in case.shapes]
        graph = builder.finish((case.graph(*inputs),))
    executable = compile_graph(graph)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape, dtype=np.float32) for shape in case.shapes]
    output = np.zeros(graph.outputs[0].shape, np.float32)
    return lambda: executable.run(arrays, [output]), output, arrays


def alternate(calls: Sequence[Callable[[], object]], seconds: float) -> list[float]:
    """Median seconds of each call."""
    for call in calls:
        call()
    began = time.perf_counter()
    for call in calls:
        call()
    once = time.perf_counter() - began
    inner = max(1, int(2e-4 / once))
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(max(5, min(100, int(seconds / (once * inner))))):
        for call, taken in zip(calls, times, strict=True):
            began = time.perf_counter()
            for _ in range(inner):
                call()
            taken.append((time.perf_counter() - began) / inner)
    return [float(np.median(t)) for t in times]


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", help="only cases whose name contains one of these")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0, help="per case")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    runtime.set_num_threads(options.threads)
    print(f"{'case':34s} {'graphtorch':>12s} {'torch':>12s} {'GFLOP/s':>9s} {'ratio':>6s}")
    for case in cases():
        if options.names and not any(name in case.name for name in options.names):
            continue
        call, output, arrays = compiled(case)
        tensors = [torch.from_numpy(a) for a in arrays]
        call()
        expected = case.torch(*tensors).numpy()
        error = np.linalg.norm(output - expected) / np.linalg.norm(expected)
        assert error < 1e-4, f"{case.name}: differs by {error}"
        with torch.no_grad():
            ours, theirs = alternate(
                [call, lambda c=case, t=tensors: c.torch(*t)],  # type: ignore[misc]
                options.seconds,
            )
        rate = case.flops / ours / 1e9
        print(
            f"{case.name:34s} {ours * 1e3:9.3f} ms {theirs * 1e3:9.3f} ms {rate:9.1f} {theirs / ours:6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

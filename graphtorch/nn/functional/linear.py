"""Matrix products and tables of `torch.nn.functional`: linear, bilinear, embedding, one_hot."""

from __future__ import annotations

import graphtorch as torch

from ...errors import message
from ...frontend.functional.selection import one_hot as one_hot
from ...frontend.functional.selection import taken
from ...frontend.functional.wrapping import accepts_out, scalar_name
from ...frontend.tensor import Tensor
from ...ir import ops


@accepts_out
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input[*, in] @ weight[out, in].T + bias[out].

    Raises RuntimeError if the shapes do not fit or the dtypes differ.
    """
    if weight.ndim == 1:
        y = torch.matmul(input, weight)
        return y if bias is None else y + bias
    a, w = input._array, weight._array
    if a.ndim == 0 or w.ndim != 2 or a.shape[-1] != w.shape[1]:
        raise RuntimeError(
            message(
                f"mat1 and mat2 shapes cannot be multiplied ({_rows(a.shape)} and {'x'.join(map(str, w.shape[::-1]))})",
                operands={"input": input.type_, "weight": weight.type_},
                hint="the last dimension of the input must be the layer's in_features",
            )
        )
    if a.dtype != w.dtype:
        raise RuntimeError(
            message(
                "expected m1 and m2 to have the same dtype, but got:"
                f" {scalar_name(input.dtype).lower()} != {scalar_name(weight.dtype).lower()}",
                operands={"input": input.type_, "weight": weight.type_},
            )
        )
    if bias is None:
        return ops.linear(input, weight)
    if bias._array.shape != (w.shape[0],):
        return ops.linear(input, weight) + bias
    return ops.linear(input, weight, bias)


def _rows(shape: tuple[int, ...]) -> str:
    rows = 1
    for size in shape[:-1]:
        rows *= size
    return f"{rows}x{shape[-1]}" if shape else "0-d"


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input1[*, i] weight[o, i, j] input2[*, j] + bias[o]."""
    y = torch.einsum("...i,oij,...j->...o", input1, weight, input2)
    return y if bias is None else y + bias


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of weight[n, d] for integer indices input[*]: the result is [*, d].

    padding_idx: a row that gets no gradient.  max_norm: rows looked up are renormalised in place.
    scale_grad_by_freq: a row's gradient is divided by how often it was looked up.  sparse: accepted; the gradient
    is dense all the same.
    Raises IndexError for an index outside [0, n).
    """
    if weight.ndim != 2:
        raise RuntimeError(message("'weight' must be 2-D", operands={"weight": weight.type_}))
    if input.dtype.kind not in "iu":
        raise RuntimeError(
            message(
                "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int;"
                f" but got {input.dtype.name} instead",
                operands={"indices": input.type_, "weight": weight.type_},
            )
        )
    if padding_idx is not None:
        if padding_idx >= weight.shape[0] or padding_idx < -weight.shape[0]:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= weight.shape[0]
    if max_norm is not None:
        with torch.no_grad():
            rows = torch.unique(input)
            norms = weight[rows].norm(p=norm_type, dim=1, keepdim=True)
            scale = torch.where(norms > max_norm, max_norm / (norms + 1e-7), torch.ones_like(norms))
            weight[rows] = weight[rows] * scale
    if padding_idx is not None and weight.requires_grad:
        kept = ops.take(weight, input, dim=0)
        rows = torch.where((input == padding_idx).unsqueeze(-1), kept.detach(), kept)
    else:
        rows = taken(weight, input, 0)
    if scale_grad_by_freq and rows.requires_grad:
        counts = torch.zeros(weight.shape[0], dtype=torch.int64)
        counts = counts.scatter_add(
            0, input.reshape(-1).long(), torch.ones(input.numel(), dtype=torch.int64)
        )
        return _Scaled.apply(rows, 1 / counts[input].unsqueeze(-1).to(weight.dtype))
    return rows


class _Scaled(torch.autograd.Function):
    """The identity, with a scaled gradient."""

    @staticmethod
    def forward(ctx, x: Tensor, factor: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(factor)
        return x.clone()

    @staticmethod
    def backward(ctx, g: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def]
        (factor,) = ctx.saved_tensors
        return g * factor, None


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or maxima of bags of embedding rows; bags are rows of a 2-d input, or `offsets`."""
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch"
            )
        count, length = input.shape
        bags = torch.arange(count).repeat_interleave(length)
        input = input.reshape(-1)
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)
    elif input.ndim == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        starts = [int(o) for o in offsets.tolist()]
        count = len(starts) - 1 if include_last_offset else len(starts)
        ends = [*starts[1:], len(input)][:count]
        bags = torch.tensor(
            [i for i in range(count) for _ in range(ends[i] - starts[i])], dtype=torch.int64
        )
    else:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )
    rows = embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    if padding_idx is not None:
        keep = input != (padding_idx % weight.shape[0])
        input, bags, rows = input[keep], bags[keep], rows[keep]
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights[keep]
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError(
                "embedding_bag: per_sample_weights was not None. It is only supported for mode='sum'"
            )
        rows = rows * per_sample_weights.unsqueeze(1)
    width = weight.shape[1]
    if mode == "max":
        lists: list[list[int]] = [[] for _ in range(count)]
        for position, bag in enumerate(bags.tolist()):
            lists[bag].append(position)
        empty = torch.zeros(width, dtype=weight.dtype)
        return torch.stack([rows[torch.tensor(p)].amax(0) if p else empty for p in lists])
    total = torch.zeros(count, width, dtype=weight.dtype).index_add(0, bags, rows)
    if mode == "sum":
        return total
    sizes = torch.bincount(bags, minlength=count).clamp(min=1).to(weight.dtype)
    return total / sizes.unsqueeze(1)

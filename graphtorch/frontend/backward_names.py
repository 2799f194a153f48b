"""PyTorch's names of backward nodes (`AddBackward0`), as they show in `grad_fn=<...>`.

The ops of the IR are fewer than PyTorch's functions, so a reshape that drops a sliced dim is shown as
the `select` it came from, a permutation of two dims as `transpose`, and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = {
    "copy": "Clone", "cast": "ToCopy", "concat": "Cat", "take": "Index", "index": "Index", "pad": "ConstantPadNd",
    "cross_entropy": "NllLoss", "layer_norm": "NativeLayerNorm", "batch_norm": "NativeBatchNorm",
    "group_norm": "NativeGroupNorm", "conv": "Convolution", "max_pool": "MaxPool2DWithIndices",
    "avg_pool": "AvgPool2D", "windows": "Unfold", "stop_gradient": "Alias", "square": "Pow",
    "slice_update": "CopySlices", "index_put": "IndexPut", "binary_cross_entropy_with_logits":
    "BinaryCrossEntropyWithLogits", "mse_loss": "MseLoss", "smooth_l1_loss": "SmoothL1Loss",
    "inverse": "LinalgInvEx", "det": "LinalgDet", "solve": "LinalgSolveEx", "svd": "LinalgSvd", "qr": "LinalgQr",
    "eigh": "LinalgEigh", "cholesky": "LinalgCholeskyEx",
}  # fmt: skip


def backward_name(op: Any, attrs: Mapping[str, Any], output: Any, edges: tuple[Any, ...]) -> str:
    """The name of the node that `op` leaves on the tape; `output` is a TensorType or None."""
    name = op.name
    if name in ("sum", "mean"):
        return f"{name.capitalize()}Backward{'0' if output is None or not output.shape else '1'}"
    if name in ("amax", "amin") and output is not None and not output.shape:
        return f"M{name[2:]}Backward1"
    if name == "matmul":
        return "MmBackward0" if output is None or len(output.shape) == 2 else "BmmBackward0"
    if name == "linear":
        return "AddmmBackward0" if len(edges) == 3 else "MmBackward0"
    if name == "permute":
        return _permute_name(attrs["dims"])
    if name == "reshape":
        return _reshape_name(attrs["shape"], edges)
    return (
        _NAMES.get(name) or "".join(part.capitalize() for part in name.split("_"))
    ) + "Backward0"


def _permute_name(dims: tuple[int, ...]) -> str:
    if dims == (1, 0):
        return "TBackward0"
    moved = sum(d != i for i, d in enumerate(dims))
    return "TransposeBackward0" if moved == 2 else "PermuteBackward0"


_BY_INDEX = {"gather": "MaxBackward0"}


def _reshape_name(shape: tuple[int, ...], edges: tuple[Any, ...]) -> str:
    source = edges[0][0] if edges and edges[0].__class__ is tuple else None
    if source is not None:
        if source.op.name == "slice" and len(source.attrs["starts"]) == len(shape) + 1:
            return "SelectBackward0"
        if source.op.name in _BY_INDEX:
            return _BY_INDEX[source.op.name]
    return "ViewBackward0"

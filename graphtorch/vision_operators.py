"""The operators that torchvision's C++ library would add, as far as they are here: box suppression and pooling.

`torch.ops.load_library` calls `register` for that library, whose code needs PyTorch's C++ to run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import library
from .frontend.functional.wrapping import concrete, fresh
from .frontend.tensor import Tensor
from .ir.dispatch import _stack


def nms(dets: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes [N, 4] (x1, y1, x2, y2) that no box of a higher score overlaps, best first.

    iou_threshold: the share of intersection in union above which two boxes overlap.
    """
    tracer: Any = _stack.top
    if tracer is not None:
        tracer.leave("nms: how many boxes stay depends on their values")
    if dets.ndim != 2 or dets.shape[1] != 4:
        raise RuntimeError(f"boxes should be a 2d tensor of size [N, 4], got {tuple(dets.shape)}")
    if scores.ndim != 1 or scores.shape[0] != dets.shape[0]:
        raise RuntimeError(
            "boxes and scores should have same number of elements in dimension 0, got"
            f" {dets.shape[0]} and {tuple(scores.shape)}"
        )
    boxes = concrete(dets)
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1) * (y2 - y1)
    waiting = np.argsort(-concrete(scores), kind="stable")
    kept = []
    while waiting.size:
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        width = np.minimum(x2[best], x2[waiting]) - np.maximum(x1[best], x1[waiting])
        height = np.minimum(y2[best], y2[waiting]) - np.maximum(y1[best], y1[waiting])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            overlaps = shared / (areas[best] + areas[waiting] - shared) > iou_threshold
        waiting = waiting[~overlaps]
    return fresh(np.asarray(kept, np.int64))


def roi_align(*args: Any) -> Any:
    """Pooled features of boxes, by the Python version that torchvision has beside its C++ one."""
    from importlib import import_module

    return import_module("torchvision.ops.roi_align")._roi_align(*args)


# announced, so that the package can describe them; calling one says that it has no implementation
_ANNOUNCED = (
    "_roi_align_backward ps_roi_align _ps_roi_align_backward roi_pool _roi_pool_backward ps_roi_pool"
    " _ps_roi_pool_backward qnms qroi_align deform_conv2d _deform_conv2d_backward box_iou_rotated"
).split()
_vision: library.Library | None = None


def register() -> None:
    """Make the operators known under `torch.ops.torchvision`."""
    global _vision
    if _vision is not None:
        return
    _vision = library.Library("torchvision", "DEF")
    _vision.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _vision.impl("nms", nms, "CompositeExplicitAutograd")
    for name in ("roi_align", *_ANNOUNCED):
        library.find(f"torchvision::{name}", make=True)
    _vision.impl("roi_align", roi_align, "CompositeExplicitAutograd")
    _vision.define("_cuda_version() -> int")
    _vision.impl("_cuda_version", lambda: -1, "CompositeExplicitAutograd")

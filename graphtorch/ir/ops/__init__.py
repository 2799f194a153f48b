"""The op table: every op is one row, one file per family.

    from graphtorch.ir import ops
    ops.matmul(a, b)            carried out by whoever is on top of the dispatch stack

Every op is an attribute of this package under its own name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..op import OPS, Op
from . import (
    activation,
    attention,
    average_pooling,
    batch_normalization,
    bessel,
    complex,
    contraction,
    convolution,
    creation,
    ctc,
    elimination,
    factorization,
    fourier,
    gamma,
    host,
    index,
    linalg,
    loss,
    normalization,
    optimizer,
    pointwise,
    polynomial,
    pooling,
    random,
    reduction,
    region,
    regression_loss,
    scan,
    scatter_reduce,
    softmax,
    symmetric,
    view,
)

globals().update(OPS)  # an op wins over the family file of the same name

if TYPE_CHECKING:

    def __getattr__(name: str) -> Op: ...

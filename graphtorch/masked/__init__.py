"""`torch.masked`: reductions and normalisations over the elements that a bool mask selects.

mask: broadcast to the input; False elements do not take part.  What nothing is selected for is the reduction's
identity (0, 1, the lowest or highest value), or NaN where there is none.  The `MaskedTensor` class is not supported.
"""

from .. import absent as absent
from .normalizations import log_softmax, normalize, softmax, softmin
from .reductions import _input_mask as _input_mask
from .reductions import _output_mask as _output_mask
from .reductions import (
    amax,
    amin,
    argmax,
    argmin,
    cumprod,
    cumsum,
    logaddexp,
    logsumexp,
    mean,
    median,
    norm,
    prod,
    std,
    sum,
    var,
)  # fmt: skip

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median",
    "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip

__getattr__ = absent.names_of(__name__)

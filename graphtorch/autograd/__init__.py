"""`torch.autograd`: the engine's public face."""

from __future__ import annotations

from typing import Any

from .. import absent as absent
from ..frontend.autograd import backward as backward
from ..frontend.autograd import grad as grad
from ..frontend.function import Function as Function
from ..frontend.grad_mode import enable_grad as enable_grad
from ..frontend.grad_mode import inference_mode as inference_mode
from ..frontend.grad_mode import no_grad as no_grad
from ..frontend.grad_mode import set_grad_enabled as set_grad_enabled
from ..frontend.tape import RemovableHandle as RemovableHandle
from ..frontend.tensor import Tensor
from . import forward_ad as forward_ad
from . import function as function
from . import functional as functional
from . import graph as graph
from .anomaly_mode import detect_anomaly as detect_anomaly
from .anomaly_mode import is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled
from .anomaly_mode import is_anomaly_enabled as is_anomaly_enabled
from .anomaly_mode import set_detect_anomaly as set_detect_anomaly
from .gradcheck import GradcheckError as GradcheckError
from .gradcheck import gradcheck as gradcheck
from .gradcheck import gradgradcheck as gradgradcheck
from .graph import Node as Node

__all__ = [
    "Function", "GradcheckError", "Node", "Variable", "backward", "detect_anomaly", "enable_grad", "forward_ad",
    "function", "functional", "grad", "gradcheck", "gradgradcheck", "graph", "inference_mode", "no_grad",
    "set_detect_anomaly", "set_grad_enabled",
]  # fmt: skip


def Variable(data: Tensor, requires_grad: bool = False, volatile: bool | None = None) -> Any:
    """What a tensor was once wrapped in; returns the tensor itself."""
    return data.detach().requires_grad_(requires_grad) if requires_grad else data


__getattr__ = absent.names_of(__name__)

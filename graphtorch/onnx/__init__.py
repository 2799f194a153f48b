"""`torch.onnx`: programs are not exported; what packages register for an export is kept."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from .. import absent
from ..errors import UnsupportedError, message

_symbolics: dict[tuple[str, int], Callable] = {}


class TrainingMode(Enum):
    """In which mode a model would be exported."""

    EVAL = 0
    PRESERVE = 1
    TRAINING = 2


class OperatorExportTypes(Enum):
    """Which operators an export would use."""

    ONNX = 0
    ONNX_ATEN = 1
    ONNX_ATEN_FALLBACK = 2
    ONNX_FALLTHROUGH = 3


def is_in_onnx_export() -> bool:
    """Always False."""
    return False


def register_custom_op_symbolic(
    symbolic_name: str, symbolic_fn: Callable, opset_version: int
) -> None:
    """Keep the function that would write an operator."""
    _symbolics[symbolic_name, opset_version] = symbolic_fn


def unregister_custom_op_symbolic(symbolic_name: str, opset_version: int) -> None:
    """Forget it."""
    _symbolics.pop((symbolic_name, opset_version), None)


def export(*args: Any, **kwargs: Any) -> Any:
    """Raises UnsupportedError."""
    raise UnsupportedError(
        message(
            "torch.onnx.export is not supported",
            hint="torch.save the state dict, or write the graph with graphtorch's dump command",
        )
    )


__getattr__ = absent.names_of(__name__)

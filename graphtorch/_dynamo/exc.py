"""`torch._dynamo.exc`: errors that programs catch."""

from __future__ import annotations

from .. import absent


class TorchDynamoException(RuntimeError):
    """Base class."""


class Unsupported(TorchDynamoException):
    """A function that cannot be traced; graphtorch leaves it to eager instead."""


class InternalTorchDynamoError(TorchDynamoException):
    """The tracer failed."""


class TensorifyScalarRestartAnalysis(TorchDynamoException):
    """A restart inside PyTorch's tracer."""


class BackendCompilerFailed(TorchDynamoException):
    """The compiler failed."""


__getattr__ = absent.names_of(__name__)

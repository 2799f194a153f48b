"""Layers that learn their input size from the first batch they see."""

from __future__ import annotations

from typing import Any

import graphtorch as torch

from ...frontend.tensor import Tensor
from ..hooks import Epoch
from ..module import Module
from ..parameter import UninitializedBuffer, UninitializedParameter, is_lazy
from .batchnorm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    _BatchNorm,
    _InstanceNorm,
    _NormBase,
)
from .conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    _ConvNd,
)
from .linear import Linear


class LazyModuleMixin:
    """Completes a module before its first forward: `_complete(input)` fills in sizes and parameters."""

    cls_to_become: type[Module]

    def has_uninitialized_params(self) -> bool:
        """Whether some parameter or buffer has no shape yet."""
        tensors = [*self._parameters.values(), *self._buffers.values()]  # type: ignore[attr-defined]
        return any(is_lazy(t) for t in tensors)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give shapes to the parameters that have none, from the module's arguments."""
        raise NotImplementedError

    def _wait_for_input(self) -> None:
        handle: Any = None

        def complete(module: Any, args: tuple, kwargs: dict) -> None:
            if module.has_uninitialized_params():
                module.initialize_parameters(*args, **kwargs)
            handle.remove()
            module.__class__ = module.cls_to_become
            Epoch.value += 1

        handle = self.register_forward_pre_hook(complete, with_kwargs=True)  # type: ignore[attr-defined]

    def _load_tensor(
        self, name: str, tensor: Tensor, key: str, given: Any, assign: bool
    ) -> str | None:
        """A parameter without shape takes that of the checkpoint."""
        if is_lazy(tensor) and isinstance(given, Tensor):
            with torch.no_grad():
                tensor.materialize(given.shape)  # type: ignore[attr-defined]
        return super()._load_tensor(name, tensor, key, given, assign)  # type: ignore[misc]

    def reset_parameters(self) -> None:
        """Fill the parameters once they have shapes."""
        if not self.has_uninitialized_params():
            super().reset_parameters()  # type: ignore[misc]


class LazyLinear(LazyModuleMixin, Linear):
    """`Linear` whose in_features come from the first input."""

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None):
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)
        self._wait_for_input()

    def initialize_parameters(self, input: Tensor) -> None:
        """Take in_features from the input's last dim."""
        self.in_features = input.shape[-1]
        with torch.no_grad():
            self.weight.materialize((self.out_features, self.in_features))
            if self.bias is not None:
                self.bias.materialize((self.out_features,))
            self.reset_parameters()


class _LazyConv(LazyModuleMixin, _ConvNd):
    def __init__(self, out_channels: int, kernel_size: Any, *args: Any, **kwargs: Any):
        device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
        names = _TRANSPOSED_OPTIONS if self._transposed else _OPTIONS
        options = {**dict(zip(names, args, strict=False)), **kwargs}
        bias = options.pop("bias", True)
        groups = options.get("groups", 1)
        super().__init__(groups, groups, kernel_size, bias=False, **options)  # type: ignore[call-arg]
        self.in_channels = 0
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)
        self._wait_for_input()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Take in_channels from the input's channel dim."""
        if input.dim() not in (self._dims + 1, self._dims + 2):
            raise RuntimeError(
                f"Expected {self._dims + 1}D (unbatched) or {self._dims + 2}D (batched) input to"
                f" {type(self).__name__}, but got input of size: {input.shape}"
            )
        self.in_channels = input.shape[-self._dims - 1]
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        first, second = self.out_channels, self.in_channels
        if self._transposed:
            first, second = second, first
        with torch.no_grad():
            self.weight.materialize((first, second // self.groups, *self.kernel_size))
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()


_OPTIONS = ("stride", "padding", "dilation", "groups", "bias", "padding_mode")
_TRANSPOSED_OPTIONS = (
    "stride", "padding", "output_padding", "groups", "bias", "dilation", "padding_mode",
)  # fmt: skip


class LazyConv1d(_LazyConv, Conv1d):
    """`Conv1d` whose in_channels come from the first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """`Conv2d` whose in_channels come from the first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """`Conv3d` whose in_channels come from the first input."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConv, ConvTranspose1d):
    """`ConvTranspose1d` whose in_channels come from the first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConv, ConvTranspose2d):
    """`ConvTranspose2d` whose in_channels come from the first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConv, ConvTranspose3d):
    """`ConvTranspose3d` whose in_channels come from the first input."""

    cls_to_become = ConvTranspose3d


class _LazyNorm(LazyModuleMixin, _NormBase):
    _affine_by_default = True

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool | None = None,
        track_running_stats: bool | None = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__(0, eps, momentum, False, False, bias=False)
        default = self._affine_by_default
        self.affine = default if affine is None else affine
        self.track_running_stats = default if track_running_stats is None else track_running_stats
        if self.affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if self.track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = torch.tensor(0, dtype=torch.int64, device=device)
        self._wait_for_input()

    def initialize_parameters(self, input: Tensor) -> None:
        """Take num_features from the input's second dim."""
        self.num_features = input.shape[1]
        with torch.no_grad():
            for tensor in (self.weight, self.bias, self.running_mean, self.running_var):
                if is_lazy(tensor):
                    tensor.materialize((self.num_features,))
            self.reset_parameters()


class LazyBatchNorm1d(_LazyNorm, _BatchNorm):
    """`BatchNorm1d` whose num_features come from the first input."""

    cls_to_become, _ranks = BatchNorm1d, BatchNorm1d._ranks


class LazyBatchNorm2d(_LazyNorm, _BatchNorm):
    """`BatchNorm2d` whose num_features come from the first input."""

    cls_to_become, _ranks = BatchNorm2d, BatchNorm2d._ranks


class LazyBatchNorm3d(_LazyNorm, _BatchNorm):
    """`BatchNorm3d` whose num_features come from the first input."""

    cls_to_become, _ranks = BatchNorm3d, BatchNorm3d._ranks


class _LazyInstanceNorm(_LazyNorm, _InstanceNorm):
    _affine_by_default = False


class LazyInstanceNorm1d(_LazyInstanceNorm):
    """`InstanceNorm1d` whose num_features come from the first input."""

    cls_to_become, _ranks = InstanceNorm1d, InstanceNorm1d._ranks


class LazyInstanceNorm2d(_LazyInstanceNorm):
    """`InstanceNorm2d` whose num_features come from the first input."""

    cls_to_become, _ranks = InstanceNorm2d, InstanceNorm2d._ranks


class LazyInstanceNorm3d(_LazyInstanceNorm):
    """`InstanceNorm3d` whose num_features come from the first input."""

    cls_to_become, _ranks = InstanceNorm3d, InstanceNorm3d._ranks

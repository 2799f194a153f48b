"""`torch.backends`: what this build has.  Switches of libraries that are not here are accepted."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Backend(ModuleType):
    """A library that graphtorch does not use; its switches hold what they are set to."""

    def __init__(self, name: str, **switches: Any):
        super().__init__(f"{__name__}.{name}", self.__class__.__doc__)
        self.__dict__.update(switches)
        sys.modules[self.__name__] = self  # so that `import torch.backends.cudnn` finds it

    def is_available(self) -> bool:
        """Always False."""
        return False

    def is_built(self) -> bool:
        """Always False."""
        return False

    def flags(self, **_: Any) -> Any:
        """A context manager that changes nothing."""
        from contextlib import nullcontext

        return nullcontext()


class _Precision:
    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = False
    allow_bf16_reduced_precision_reduction = False


class _CudaBackend(_Backend):
    matmul = _Precision()

    def flash_sdp_enabled(self) -> bool:
        """Attention is always the one kernel."""
        return True

    def enable_flash_sdp(self, enabled: bool) -> None:
        """Accepted."""

    enable_math_sdp = enable_mem_efficient_sdp = enable_cudnn_sdp = enable_flash_sdp


class _CpuBackend(_Backend):
    def get_cpu_capability(self) -> str:
        """The vector instructions kernels are generated for."""
        from ..codegen.llvm import target

        return target.host().name.upper()


cpu = _CpuBackend("cpu")
cudnn = _Backend(
    "cudnn",
    enabled=False,
    benchmark=False,
    deterministic=True,
    allow_tf32=False,
    version=lambda: None,
)
cuda = _CudaBackend("cuda")
mps = _Backend("mps")
mkldnn = _Backend("mkldnn", enabled=False)
mkl = _Backend("mkl")
openmp = _Backend("openmp")
opt_einsum = _Backend("opt_einsum", enabled=False, strategy=None)
xeon = _Backend("xeon")

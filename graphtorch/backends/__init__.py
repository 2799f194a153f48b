"""`torch.backends`: what this build has.  Switches of libraries that are not here are accepted."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .. import absent


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

    def sdp_kernel(
        self,
        enable_flash: bool = True,
        enable_math: bool = True,
        enable_mem_efficient: bool = True,
        enable_cudnn: bool = True,
    ) -> Any:
        """A context manager that changes nothing: attention is always the one kernel."""
        from contextlib import nullcontext

        return nullcontext({})

    def preferred_linalg_library(self, backend: Any = None) -> str:
        """Accepted: linear algebra runs in NumPy."""
        return "default"

    def flash_sdp_enabled(self) -> bool:
        """Attention is always the one kernel."""
        return True

    def enable_flash_sdp(self, enabled: bool) -> None:
        """Accepted."""

    math_sdp_enabled = mem_efficient_sdp_enabled = cudnn_sdp_enabled = flash_sdp_enabled
    is_flash_attention_available = flash_sdp_enabled
    enable_math_sdp = enable_mem_efficient_sdp = enable_cudnn_sdp = enable_flash_sdp


class _MpsBackend(_Backend):
    def is_macos_or_newer(self, major: int, minor: int) -> bool:
        """False: not a Macintosh."""
        return False

    def is_macos13_or_newer(self, minor: int = 0) -> bool:
        """False: not a Macintosh."""
        return False


class _AttentionBackend(_Backend):
    """`nn.MultiheadAttention` has one path, the compiled one."""

    _enabled = True

    def get_fastpath_enabled(self) -> bool:
        """What `set_fastpath_enabled` set."""
        return self._enabled

    def set_fastpath_enabled(self, value: bool) -> None:
        """Keep the switch; the path is the same."""
        self._enabled = value


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
mha = _AttentionBackend("mha")
mps = _MpsBackend("mps")
mkldnn = _Backend("mkldnn", enabled=False)
mkl = _Backend("mkl")
openmp = _Backend("openmp")
opt_einsum = _Backend("opt_einsum", enabled=False, strategy=None)
nnpack = _Backend("nnpack", enabled=False)
quantized = _Backend("quantized", engine="none", supported_engines=["none"])
xeon = _Backend("xeon")
fp32_precision = "none"
__getattr__ = absent.names_of(__name__)

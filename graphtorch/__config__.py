"""`torch.__config__`: how this build computes."""

from __future__ import annotations

from . import absent


def show() -> str:
    """A few lines about the build, in the form programs search: `NAME=VALUE`."""
    import platform

    import numpy

    from .version import __version__

    return (
        f"graphtorch {__version__}, Python {platform.python_version()}, NumPy {numpy.__version__}\n"
        "Build settings: BUILD_TYPE=Release, USE_CUDA=OFF, USE_CUDNN=OFF, USE_MKL=OFF, USE_MKLDNN=OFF, USE_MPI=OFF,"
        " USE_NCCL=OFF, USE_OPENMP=OFF, LLVM=ON"
    )


def parallel_info() -> str:
    """How many threads kernels use."""
    from .codegen.runtime import get_num_threads

    return f"graphtorch's thread pool: {get_num_threads()} threads"


__getattr__ = absent.names_of(__name__)

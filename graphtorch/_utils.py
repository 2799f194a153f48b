"""`torch._utils`: the functions that PyTorch's pickles rebuild tensors with, for `pickle.load` itself."""

from typing import Any

from . import absent as absent
from .frontend.checkpoint_values import rebuild_array as _rebuild_device_tensor_from_numpy
from .frontend.checkpoint_values import rebuild_meta as _rebuild_meta_tensor_no_storage
from .frontend.checkpoint_values import rebuild_parameter as _rebuild_parameter
from .frontend.checkpoint_values import rebuild_parameter as _rebuild_parameter_with_state
from .frontend.checkpoint_values import rebuild_sparse as _rebuild_sparse_tensor
from .frontend.checkpoint_values import rebuild_tensor as _rebuild_tensor
from .frontend.checkpoint_values import rebuild_tensor as _rebuild_tensor_v2
from .frontend.checkpoint_values import rebuild_tensor_v3 as _rebuild_tensor_v3
from .frontend.checkpoint_values import refuse_quantized as _rebuild_qtensor

__all__ = [
    "_rebuild_device_tensor_from_numpy",
    "_rebuild_meta_tensor_no_storage",
    "_rebuild_parameter",
    "_rebuild_parameter_with_state",
    "_rebuild_qtensor",
    "_rebuild_sparse_tensor",
    "_rebuild_tensor",
    "_rebuild_tensor_v2",
    "_rebuild_tensor_v3",
]


def _get_available_device_type() -> str | None:
    """ "cuda" where there is a GPU, None elsewhere."""
    from . import cuda

    return "cuda" if cuda.is_available() else None


def _get_device_module(device_type: str) -> Any:
    """`torch.cuda` for "cuda"; raises RuntimeError for a device without a module."""
    import graphtorch

    found = getattr(graphtorch, device_type, None)
    if found is None:
        raise RuntimeError(
            f"Device '{device_type}' does not have a corresponding module registered as"
            f" 'torch.{device_type}'."
        )
    return found


__getattr__ = absent.names_of(__name__)

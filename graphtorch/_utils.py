"""`torch._utils`: the functions that PyTorch's pickles rebuild tensors with, for `pickle.load` itself."""

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

__getattr__ = absent.names_of(__name__)

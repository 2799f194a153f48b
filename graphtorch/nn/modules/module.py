"""PyTorch's place of `Module` and its hooks; they live in `nn/module.py` and `nn/hooks.py`."""

from ..hooks import global_backward_hooks as _global_backward_hooks
from ..hooks import global_backward_pre_hooks as _global_backward_pre_hooks
from ..hooks import global_buffer_registration_hooks as _global_buffer_registration_hooks
from ..hooks import global_forward_hooks as _global_forward_hooks
from ..hooks import global_forward_pre_hooks as _global_forward_pre_hooks
from ..hooks import global_module_registration_hooks as _global_module_registration_hooks
from ..hooks import global_parameter_registration_hooks as _global_parameter_registration_hooks
from ..hooks import (
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from ..module import Module
from ..module_state import _EXTRA_STATE as _EXTRA_STATE_KEY_SUFFIX
from ..module_state import IncompatibleKeys as _IncompatibleKeys

__all__ = [
    "_EXTRA_STATE_KEY_SUFFIX", "Module", "_IncompatibleKeys", "_global_backward_hooks",
    "_global_backward_pre_hooks", "_global_buffer_registration_hooks", "_global_forward_hooks",
    "_global_forward_pre_hooks", "_global_module_registration_hooks", "_global_parameter_registration_hooks",
    "register_module_buffer_registration_hook", "register_module_forward_hook",
    "register_module_forward_pre_hook", "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook", "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]  # fmt: skip

"""`torch.func`: functions made from functions.

    grad, grad_and_value, vjp, jacrev     reverse mode          GradLevel
    jvp, linearize, jacfwd                forward mode          JvpLevel
    vmap                                  a batch at once       VmapLevel
    hessian                               jacfwd of jacrev

They nest in any order, and trace and compile like other code: `torch.compile(vmap(grad(f)))`.
"""

from __future__ import annotations

from .. import absent as absent
from ..nn.utils.stateless import functional_call as functional_call
from .derivatives import grad as grad
from .derivatives import grad_and_value as grad_and_value
from .derivatives import hessian as hessian
from .derivatives import jacfwd as jacfwd
from .derivatives import jacrev as jacrev
from .derivatives import jvp as jvp
from .derivatives import linearize as linearize
from .derivatives import vjp as vjp
from .modules import functionalize as functionalize
from .modules import replace_all_batch_norm_modules_ as replace_all_batch_norm_modules_
from .modules import stack_module_state as stack_module_state
from .vmapping import vmap as vmap

__all__ = [
    "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp",
    "linearize", "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip

__getattr__ = absent.names_of(__name__)

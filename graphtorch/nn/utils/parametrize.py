"""Parametrisations: a parameter that is computed from others whenever it is read.

`register_parametrization(linear, "weight", Symmetric())` moves `weight` to
`linear.parametrizations.weight.original` and makes `linear.weight` a property that computes
`Symmetric()(original)`.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

from ...frontend.grad_mode import no_grad
from ...frontend.tensor import Tensor
from ..hooks import Epoch
from ..module import Module
from ..modules.container import ModuleDict, ModuleList
from ..parameter import Parameter

_cache: dict[tuple[int, str], Tensor] = {}
_cache_depth = 0


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Inside the block every parametrised tensor is computed once."""
    global _cache_depth
    _cache_depth += 1
    try:
        yield
    finally:
        _cache_depth -= 1
        if not _cache_depth:
            _cache.clear()


class ParametrizationList(ModuleList):
    """The parametrisations of one tensor, and the tensor(s) they start from."""

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False):
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = tuple(original.shape), original.dtype
        with no_grad():
            new: Any = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    try:
                        new = module.right_inverse(new)
                    except NotImplementedError:
                        pass
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if original.dtype != new.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {original.dtype}\nright_inverse(original).dtype: {new.dtype}"
                )
            with no_grad():
                original.data = new.detach() if new is not original else original.data
            self._keep("original", original)
        else:
            for i, part in enumerate(new):
                kept = (
                    Parameter(part, original.requires_grad)
                    if isinstance(original, Parameter)
                    else part
                )
                self._keep(f"original{i}", kept)
        if not unsafe:
            result = self()
            if tuple(result.shape) != shape or result.dtype != dtype:
                raise ValueError(
                    "Registering a parametrization may not change the shape or the dtype of the tensor, unless"
                    f" the `unsafe` flag is enabled.\nbefore: {dtype} {shape}\nafter: {result.dtype}"
                    f" {tuple(result.shape)}"
                )

    def _keep(self, name: str, tensor: Tensor) -> None:
        if isinstance(tensor, Parameter):
            self.register_parameter(name, tensor)
        else:
            self.register_buffer(name, tensor)

    def right_inverse(self, value: Tensor) -> None:
        """Set the original(s) so that the parametrised tensor becomes `value`."""
        with no_grad():
            new: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                new = module.right_inverse(new)
            if self.is_tensor:
                self.original.copy_(new)
            else:
                for i, part in enumerate(new):
                    getattr(self, f"original{i}").copy_(part)

    def forward(self) -> Tensor:
        if self.is_tensor:
            value = self[0](self.original)
        else:
            value = self[0](*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for module in list(self)[1:]:
            value = module(value)
        return value


def computed_class(module: Module, name: str) -> type:
    """A subclass of the module's class that keeps its copies shallow and its name."""
    base = type(module)

    def deepcopy(self: Module, memo: dict) -> Module:
        result = base.__new__(type(self))
        memo[id(self)] = result
        result.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return result

    return type(name, (base,), {"__deepcopy__": deepcopy, "__module__": base.__module__})


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Compute `module.<tensor_name>` by `parametrization` from now on; returns the module.

    A parametrisation with a method `right_inverse` starts from the present value.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        chain = module.parametrizations[tensor_name]
        if not unsafe:
            now = getattr(module, tensor_name)
            new = parametrization(now)
            if tuple(new.shape) != tuple(now.shape) or new.dtype != now.dtype:
                raise ValueError(
                    "Registering a parametrization may not change the shape or the dtype of the tensor, unless"
                    " the `unsafe` flag is enabled."
                )
        chain.append(parametrization)
        return module
    if tensor_name not in module._buffers and tensor_name not in module._parameters:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name"
            f" '{tensor_name}'"
        )
    original = getattr(module, tensor_name)
    chain = ParametrizationList([parametrization], original, unsafe=unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.__class__ = computed_class(module, f"Parametrized{type(module).__name__}")
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = chain
    setattr(type(module), tensor_name, _property(tensor_name))
    Epoch.value += 1
    return module


def _property(name: str) -> property:
    def read(self: Module) -> Tensor:
        if not _cache_depth:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def write(self: Module, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(read, write)


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module, or one tensor of it, is parametrised."""
    chains = module.__dict__.get("_modules", {}).get("parametrizations")
    if not isinstance(chains, ModuleDict):
        return False
    return len(chains) > 0 if tensor_name is None else tensor_name in chains


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make the tensor a plain parameter again, with its computed value or the original one."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    chain = module.parametrizations[tensor_name]
    if leave_parametrized:
        with no_grad():
            value = getattr(module, tensor_name).detach().clone()
    elif chain.is_tensor:
        value = chain.original
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of"
            " a sequence of tensors."
        )
    trained = any(True for _ in chain.parameters(recurse=False))
    del module.parametrizations[tensor_name]
    delattr(type(module), tensor_name)
    if not len(module.parametrizations):
        del module.parametrizations
        module.__class__ = type(module).__mro__[1]
    if isinstance(value, Parameter):
        module.register_parameter(tensor_name, value)
    elif trained:
        module.register_parameter(tensor_name, Parameter(value))
    else:
        module.register_buffer(tensor_name, value)
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class the module had before it was parametrised."""
    return type(module).__mro__[1] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Give one module another's parametrisations (copies) and the values they start from; returns it.

    tensor_name: only this tensor's.  Raises ValueError where `from_module` has none.
    """
    if not is_parametrized(from_module):
        raise ValueError(
            "Module 'from_module' should be parametrized: it has no parametrizations to transfer"
        )
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        chain = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach().clone()))
        for step in chain:
            register_parametrization(to_module, name, copy.deepcopy(step), unsafe=True)
        target = to_module.parametrizations[name]
        kept = ["original"] if chain.is_tensor else [f"original{i}" for i in range(chain.ntensors)]
        with no_grad():
            for entry in kept:
                getattr(target, entry).data = getattr(chain, entry).detach().clone()
    return to_module

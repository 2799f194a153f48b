"""`Module`: parameters, buffers and submodules found by assignment, hooks, traversal, printing.

Written after PyTorch's documented behaviour, to the letter of its messages.  What is ours: every
change of a module moves `Epoch.value`, so that a compiled function can tell with one comparison that
no module changed; and every thread knows which modules' forwards are running, so that a graph node
can name the module it came from (`current_path`).

State dicts live in `module_state.py`, walking and converting in `module_tree.py`, hooks in
`module_hooks.py` and `hooks.py`.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from .. import config
from ..frontend.tensor import Tensor
from ..ir.dispatch import _stack as _dispatch
from . import hooks as _hooks
from .hooks import Epoch, WatchedDict, WatchedOrderedDict
from .module_hooks import ModuleHooks
from .module_state import ModuleState
from .module_tree import ModuleTree
from .parameter import Buffer, Parameter

__all__ = ["Epoch", "Module", "current_path"]

_Epoch = Epoch  # under this name the guards of compiled functions know it
_put = object.__setattr__
_PLAIN = (bool, int, float, str, type(None))


class _Running(threading.local):
    def __init__(self) -> None:
        self.stack: list[Module] = []


_running = _Running()
_paths: dict[int, tuple[weakref.ref, int, dict[int, str]]] = {}


def current_path() -> str:
    """The path of the module whose forward is running, from the outermost one: `layers.3.attn`."""
    stack = _running.stack
    if len(stack) < 2:
        return ""
    names = _names_under(stack[0])
    for module in reversed(stack):
        name = names.get(id(module))
        if name is not None:
            return name
    return ""


def _names_under(root: Module) -> dict[int, str]:
    known = _paths.get(id(root))
    if known is not None and known[0]() is root and known[1] == Epoch.value:
        return known[2]
    names = {id(module): name for name, module in reversed(list(root.named_modules()))}
    if len(_paths) > 64:
        for key in [k for k, (reference, _, _) in _paths.items() if reference() is None]:
            del _paths[key]
    _paths[id(root)] = (weakref.ref(root), Epoch.value, names)
    return names


def _unchanged(old: Any, new: Any) -> bool:
    return old is new or (type(old) is type(new) and isinstance(new, _PLAIN) and old == new)


def _or(new: Any, old: Any) -> Any:
    return old if new is None else new


def _type_name(value: Any) -> str:
    """`torch.FloatTensor` for tensors, `builtins.int` for others, as PyTorch's messages say."""
    if type(value) is Tensor:
        return value.type()
    kind = type(value)
    return (
        f"{kind.__module__}.{kind.__qualname__}".replace("builtins.", "")
        if value is not None
        else "NoneType"
    )


def _missing_forward(self: Module, *args: Any) -> None:
    raise NotImplementedError(
        f'Module [{type(self).__name__}] is missing the required "forward" function'
    )


class Module(ModuleTree, ModuleState, ModuleHooks):
    """Base class of all neural network modules.

    >>> import graphtorch as torch
    >>> class Scale(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.weight = torch.nn.Parameter(torch.ones(1))
    ...
    ...     def forward(self, x):
    ...         return x * self.weight
    >>> [name for name, _ in Scale().named_parameters()]
    ['weight']
    """

    training: bool
    call_super_init = False
    _version = 1
    _compiled_call_impl: Callable | None = None

    def __init__(self, *args: Any, **kwargs: Any):
        if not self.call_super_init:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
                )
        _put(self, "training", True)
        _put(self, "_parameters", WatchedDict())
        _put(self, "_buffers", WatchedDict())
        _put(self, "_non_persistent_buffers_set", set())
        _put(self, "_modules", WatchedDict())
        _put(self, "_is_full_backward_hook", None)
        for name in (
            "_backward_pre_hooks", "_backward_hooks", "_forward_hooks", "_forward_hooks_with_kwargs",
            "_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs",
            "_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks",
            "_load_state_dict_post_hooks",
        ):  # fmt: skip
            _put(self, name, WatchedOrderedDict())
        Epoch.value += 1
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    forward: Callable[..., Any] = _missing_forward

    # ---- registration

    def _check_name(self, kind: str, name: str, table: str) -> None:
        if table not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in self.__dict__[table]:
            raise KeyError(f"attribute '{name}' already exists")

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is part of the module's state but no parameter (running statistics).

        persistent: whether it is part of the state dict.
        """
        self._check_name("buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{_type_name(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        for hook in _hooks.global_buffer_registration_hooks.values():
            tensor = _or(hook(self, name, tensor), tensor)
        self._buffers[name] = tensor
        (
            self._non_persistent_buffers_set.discard
            if persistent
            else self._non_persistent_buffers_set.add
        )(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name."""
        self._check_name("parameter", name, "_parameters")
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{_type_name(param)}' object to parameter '{name}'"
                    " (torch.nn.Parameter or None required)"
                )
            if param._node is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created"
                    f" explicitly. To express '{name}' as a function of another Tensor, compute the value in"
                    " the forward() method."
                )
            for hook in _hooks.global_parameter_registration_hooks.values():
                param = _or(hook(self, name, param), param)
        self._parameters[name] = param

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule under a name."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_type_name(module)} is not a Module subclass")
        self._check_name("module", name, "_modules")
        self._put_module(name, module)

    def _put_module(self, name: str, module: Module | None) -> None:
        for hook in _hooks.global_module_registration_hooks.values():
            module = _or(hook(self, name, module), module)
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """Alias of `add_module`."""
        self.add_module(name, module)

    # ---- attributes

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        parameters = own.get("_parameters")
        if parameters is not None:
            if name in parameters:
                return parameters[name]
            if name in own["_buffers"]:
                return own["_buffers"][name]
            if name in own["_modules"]:
                return own["_modules"][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if isinstance(value, Parameter):
            if "_parameters" not in own:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "_buffers", "_modules")
            self.register_parameter(name, value)
            return
        if "_parameters" in own:
            if name in own["_parameters"]:
                if value is not None:
                    raise TypeError(
                        f"cannot assign '{_type_name(value)}' as parameter '{name}'"
                        " (torch.nn.Parameter or None expected)"
                    )
                self.register_parameter(name, value)
                return
            if isinstance(value, Module):
                self._forget(name, "_parameters", "_buffers")
                self._put_module(name, value)  # asks no `hasattr`, as in PyTorch
                return
            if name in own["_modules"]:
                if value is not None:
                    raise TypeError(
                        f"cannot assign '{_type_name(value)}' as child module '{name}' (torch.nn.Module or None expected)"
                    )
                self.add_module(name, None)
                return
            if name in own["_buffers"] or isinstance(value, Buffer):
                if value is not None and not isinstance(value, Tensor):
                    raise TypeError(
                        f"cannot assign '{_type_name(value)}' as buffer '{name}'"
                        " (torch.nn.Buffer, torch.Tensor or None expected)"
                    )
                if isinstance(value, Buffer):
                    self._forget(name, "_parameters", "_modules")
                    persistent = value.persistent
                else:
                    persistent = name not in self._non_persistent_buffers_set
                self.register_buffer(name, value, persistent)
                return
        elif isinstance(value, Module):
            raise AttributeError("cannot assign module before Module.__init__() call")
        elif isinstance(value, Buffer):
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        if not _unchanged(own.get(name, Epoch), value):
            Epoch.value += 1
        _put(self, name, value)

    def _forget(self, name: str, *tables: str) -> None:
        self.__dict__.pop(name, None)
        for table in tables:
            self.__dict__.get(table, {}).pop(name, None)
        if "_buffers" in tables:
            self.__dict__.get("_non_persistent_buffers_set", set()).discard(name)

    def __delattr__(self, name: str) -> None:
        Epoch.value += 1
        for table in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__[table]:
                del self.__dict__[table][name]
                if table == "_buffers":
                    self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for name in ("_parameters", "_buffers", "_modules"):
            if type(self.__dict__[name]) is not WatchedDict:
                _put(self, name, WatchedDict(self.__dict__[name]))
        Epoch.value += 1

    def __dir__(self) -> list[str]:
        names = [
            *dir(type(self)),
            *self.__dict__,
            *self._parameters,
            *self._modules,
            *self._buffers,
        ]
        return sorted(name for name in names if not name[0].isdigit())

    # ---- calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _dispatch.top is None:  # else a trace or a transform is running: this call is part of it
            if self._compiled_call_impl is not None:
                return self._compiled_call_impl(*args, **kwargs)
            if config.flags.compile == "all":
                from ..frontend.compile import compile_calls

                return compile_calls(self)(*args, **kwargs)
        return self._call_impl(*args, **kwargs)

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        stack = _running.stack
        stack.append(self)
        try:
            if (
                self._forward_hooks
                or self._forward_pre_hooks
                or self._backward_hooks
                or self._backward_pre_hooks
                or _hooks.global_forward_hooks
                or _hooks.global_forward_pre_hooks
                or _hooks.global_backward_hooks
                or _hooks.global_backward_pre_hooks
            ):
                return self._call_with_hooks(args, kwargs)
            return self.forward(*args, **kwargs)
        finally:
            stack.pop()

    def __getstate__(self) -> dict:
        """What a pickle or a copy takes along: everything but compiled code."""
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)
        return state

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile this module's forward in place; arguments go to `graphtorch.compile`."""
        import graphtorch

        self._compiled_call_impl = graphtorch.compile(self._call_impl, *args, **kwargs)

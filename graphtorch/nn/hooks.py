"""What modules are watched by: the mutation counter, hook handles, and backward hooks.

`Epoch.value` counts every change of any module's make-up (attributes, parameters, submodules, hooks,
training mode).  A compiled function guards on this one integer: as long as it stands still, no module
has changed.  Writing into a parameter's data is not such a change.
"""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any


class Epoch:
    """The mutation counter of all modules."""

    value = 0


class WatchedDict(dict):
    """A dict that moves the epoch when it changes, for those who write into `_parameters` directly."""

    __slots__ = ()

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.get(key, Epoch) is not value:
            Epoch.value += 1
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        Epoch.value += 1
        super().__delitem__(key)

    def pop(self, *args: Any) -> Any:
        Epoch.value += 1
        return super().pop(*args)

    def popitem(self) -> tuple[Any, Any]:
        Epoch.value += 1
        return super().popitem()

    def clear(self) -> None:
        Epoch.value += 1
        super().clear()

    def update(self, *args: Any, **kwargs: Any) -> None:
        Epoch.value += 1
        super().update(*args, **kwargs)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        Epoch.value += 1
        return super().setdefault(key, default)

    def copy(self) -> WatchedDict:
        return WatchedDict(self)

    def __reduce__(self) -> tuple:
        return (WatchedDict, (dict(self),))


class WatchedOrderedDict(OrderedDict):
    """The ordered dict of hooks, watched the same way."""

    def __setitem__(self, key: Any, value: Any) -> None:
        Epoch.value += 1
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        Epoch.value += 1
        super().__delitem__(key)


_handle_ids = itertools.count()


class RemovableHandle:
    """Takes a hook out of the dicts it was put in; also a context manager that does so on exit.

    >>> hooks = {}
    >>> handle = RemovableHandle(hooks)
    >>> hooks[handle.id] = print
    >>> handle.remove()
    >>> hooks
    {}
    """

    def __init__(self, hooks: dict, *, extra_dict: dict | Iterable[dict] | None = None):
        if extra_dict is None:
            extra: tuple[dict, ...] = ()
        elif isinstance(extra_dict, dict):
            extra = (extra_dict,)
        else:
            extra = tuple(extra_dict)
        self._dicts = [_reference(d) for d in (hooks, *extra)]
        self.id = next(_handle_ids)

    def remove(self) -> None:
        """Remove the hook; removing twice is allowed."""
        for reference in self._dicts:
            hooks = reference()
            if hooks is not None and self.id in hooks:
                del hooks[self.id]

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()


def _reference(hooks: dict) -> Callable[[], dict | None]:
    try:
        return weakref.ref(hooks)
    except TypeError:  # a plain dict takes no weak reference
        return lambda: hooks


class BoundHook:
    """A hook that is also given the module, without keeping it alive."""

    def __init__(self, hook: Callable, module: Any):
        self.hook, self._module = hook, weakref.ref(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        module = self._module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __reduce__(self) -> tuple:
        return (BoundHook, (self.hook, self._module()))


# Hooks on every module (`torch.nn.modules.module.register_module_*`).
global_forward_pre_hooks: OrderedDict = WatchedOrderedDict()
global_forward_hooks: OrderedDict = WatchedOrderedDict()
global_forward_hooks_with_kwargs: dict = {}
global_forward_hooks_always_called: dict = {}
global_backward_pre_hooks: OrderedDict = WatchedOrderedDict()
global_backward_hooks: OrderedDict = WatchedOrderedDict()
global_buffer_registration_hooks: OrderedDict = WatchedOrderedDict()
global_module_registration_hooks: OrderedDict = WatchedOrderedDict()
global_parameter_registration_hooks: OrderedDict = WatchedOrderedDict()


def _register(hooks: dict, hook: Callable, *extra: tuple[dict, bool]) -> RemovableHandle:
    handle = RemovableHandle(hooks, extra_dict=[d for d, _ in extra])
    hooks[handle.id] = hook
    for marks, marked in extra:
        if marked:
            marks[handle.id] = True
    return handle


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, args)` before every module's forward."""
    return _register(global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after every module's forward."""
    return _register(
        global_forward_hooks,
        hook,
        (global_forward_hooks_with_kwargs, with_kwargs),
        (global_forward_hooks_always_called, always_call),
    )


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, grad_output)` before every module's backward."""
    return _register(global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` after every module's backward."""
    return _register(global_backward_hooks, hook)


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, buffer)` when a buffer is registered."""
    return _register(global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, submodule)` when a submodule is registered."""
    return _register(global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, parameter)` when a parameter is registered."""
    return _register(global_parameter_registration_hooks, hook)


class BackwardHooks:
    """Backward hooks of one call of one module.

    The module's tensor inputs and outputs are passed through identities whose backward sees the
    gradients: the outputs' identity runs first and calls the pre-hooks, the inputs' identity closes the
    call and runs the hooks.
    """

    def __init__(self, module: Any, hooks: list[Callable], pre_hooks: list[Callable]):
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_outputs: tuple | None = None
        self.watches_inputs = False

    def wrap_inputs(self, args: tuple) -> tuple:
        """Return `args` with the tensors among them watched."""

        def close(grads: tuple, where: tuple[int, ...]) -> tuple:
            if self.grad_outputs is None:
                return grads
            full = _spread(grads, where, len(args))
            for hook in self.hooks:
                full = _replaced(full, hook(self.module, full, self.grad_outputs), "grad_input")
            self.grad_outputs = None
            return tuple(full[i] for i in where)

        new, watched = _watch(args, close)
        self.watches_inputs = watched
        return new

    def wrap_outputs(self, result: Any) -> Any:
        """Return `result` (a tensor or tuple of them) watched."""
        outputs = result if isinstance(result, tuple) else (result,)

        def open_(grads: tuple, where: tuple[int, ...]) -> tuple:
            full = _spread(grads, where, len(outputs))
            for hook in self.pre_hooks:
                full = _replaced(full, hook(self.module, full), "grad_output")
            if self.watches_inputs:
                self.grad_outputs = full
            else:  # no input wants a gradient: nothing would close the call
                for hook in self.hooks:
                    hook(self.module, (None,) * 1, full)
            return tuple(full[i] for i in where)

        new, _ = _watch(outputs, open_)
        return new if isinstance(result, tuple) else new[0]


def _spread(values: tuple, where: tuple[int, ...], size: int) -> tuple:
    full: list[Any] = [None] * size
    for i, value in zip(where, values, strict=True):
        full[i] = value
    return tuple(full)


def _replaced(old: tuple, new: Any, what: str) -> tuple:
    if new is None:
        return old
    if not isinstance(new, tuple):
        new = (new,)
    if len(new) != len(old):
        raise RuntimeError(
            f"Backward hook returned an invalid number of {what}, got {len(new)}, but expected {len(old)}"
        )
    return new


def _watch(
    values: tuple, function: Callable[[tuple, tuple[int, ...]], tuple]
) -> tuple[tuple, bool]:
    """Pass the tensors that want gradients through an identity whose backward calls `function`."""
    from ..frontend.function import Function
    from ..frontend.grad_mode import is_grad_enabled
    from ..frontend.tensor import Tensor

    where = tuple(i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad)
    if not where or not is_grad_enabled():
        return values, False

    class BackwardHookFunction(Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> tuple:
            return tuple(t.view_as(t) for t in tensors)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> tuple:
            return function(grads, where)

    passed = BackwardHookFunction.apply(*(values[i] for i in where))
    new = list(values)
    for i, tensor in zip(where, passed, strict=True):
        new[i] = tensor
    return tuple(new), True

"""`__torch_function__`: objects and modes that answer in place of a function.

    torch.add(a, b) ──> is `a` or `b` of a class with __torch_function__, or a mode active?
                          yes: that class's (the mode's) __torch_function__(torch.add, types, args, kwargs)
                          no:  the function itself

Asking costs a little on every call, so nobody asks until something in the process could answer: the
first subclass of Tensor, the first mode, the first import of `torch.overrides` or `torch.fx` gives
every public function a new code object that asks (`install`).  The function objects stay the same, so
`from torch import relu` made earlier asks, too, and `func is torch.relu` holds.
"""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections.abc import Callable, Iterable
from typing import Any

from .stand_in import stand_in
from .tensor import Tensor


class _State(threading.local):
    """Per thread: the active modes, innermost last, and whether subclasses are asked."""

    modes: tuple[Any, ...] = ()
    subclasses = True


state = _State()
installed = False
originals: dict[types.FunctionType, Callable] = {}  # public function -> what it was
aliases: dict[Any, Any] = {}  # operator -> the method PyTorch names for it

_asks: dict[type, bool] = {Tensor: False}  # whether instances of a class are asked

OPERATORS = {
    "__add__": "add", "__radd__": "add", "__sub__": "sub", "__mul__": "mul",
    "__rmul__": "mul", "__truediv__": "div", "__rtruediv__": "__rdiv__", "__matmul__": "matmul",
    "__neg__": "neg", "__iadd__": "add_", "__isub__": "sub_", "__imul__": "mul_", "__itruediv__": "div_",
    "__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge",
    "__and__": "__and__", "__abs__": "abs", "__invert__": "bitwise_not", "__mod__": "remainder", "__pow__": "pow",
}  # fmt: skip


def disabled(cls: Any, *args: Any, **kwargs: Any) -> Any:
    """`_disabled_torch_function_impl`: the class is treated like Tensor itself."""
    return NotImplemented


def asks(cls: type) -> bool:
    """Whether objects of this class are asked."""
    known = _asks.get(cls)
    if known is None:
        method = getattr(cls, "__torch_function__", None)
        known = method is not None and getattr(method, "__func__", method) is not disabled
        if cls.__module__.startswith("graphtorch.") and issubclass(cls, Tensor):
            known = False  # Parameter and the like
        _asks[cls] = known
    return known


def overloaded(args: Iterable[Any]) -> list[Any]:
    """The arguments to ask, one per class, subclasses before their bases."""
    found: list[Any] = []
    seen: list[type] = []
    for a in args:
        cls = a.__class__
        if cls is Tensor or not asks(cls) or cls in seen:
            continue
        if isinstance(a, type):
            continue
        place = next((i for i, other in enumerate(seen) if issubclass(cls, other)), len(seen))
        seen.insert(place, cls)
        found.insert(place, a)
    return found


def relevant(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """All arguments that could be asked: those given, and the members of sequences among them."""
    flat: list[Any] = []
    for a in args:
        if a.__class__ is tuple or a.__class__ is list:
            flat.extend(a)
        else:
            flat.append(a)
    if kwargs:
        flat.extend(kwargs.values())
    return flat


def call(public: Callable, asked: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Ask the innermost mode, then the arguments; raises TypeError if nobody answers."""
    types_ = tuple([a.__class__ for a in asked])
    if state.modes:
        modes = state.modes
        state.modes = modes[:-1]
        try:
            result = modes[-1].__torch_function__(public, types_, args, kwargs)
        finally:
            state.modes = modes
        if result is not NotImplemented:
            return result
    for a in asked:
        result = a.__torch_function__(public, types_, args, kwargs)
        if result is not NotImplemented:
            return result
    name = getattr(public, "__module__", "torch") + "." + getattr(public, "__name__", repr(public))
    raise TypeError(
        f"no implementation found for '{name}' on types that implement __torch_function__:"
        f" {[a.__class__ for a in asked]}"
        + (
            f" nor was it found on the currently active mode {state.modes[-1]}"
            if state.modes
            else ""
        )
    )


def _asking(public: Any, original: Callable) -> Callable:
    """What runs instead of a public function."""

    def ask(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if state.modes:
            asked = overloaded(relevant(args, kwargs)) if state.subclasses else []
            return call(aliases.get(public, public), asked, args, kwargs)
        if state.subclasses:
            for a in args:
                cls = a.__class__
                if cls is Tensor:
                    continue
                known = _asks.get(cls)
                if known is None:
                    known = asks(cls)
                if known or cls is list or cls is tuple:
                    break
            else:
                if not kwargs:
                    return original(*args)
            asked = overloaded(relevant(args, kwargs))
            if asked:
                return call(aliases.get(public, public), asked, args, kwargs)
        return original(*args, **kwargs)

    return ask


def _replace(function: types.FunctionType) -> None:
    """Let a function ask first; the object stays the same."""
    if function not in originals:
        originals[function] = stand_in(function, functools.partial(_asking, function))


# names of the public namespaces that are not asked about: questions, settings, switches
_NOT = frozenset(
    "is_tensor is_storage typename is_grad_enabled set_grad_enabled no_grad enable_grad manual_seed seed"
    " initial_seed get_rng_state set_rng_state compile device dtype promote_types can_cast result_type"
    " broadcast_shapes get_default_dtype set_default_dtype is_inference_mode_enabled set_printoptions"
    " install_as_torch save load default_collate as_subclass _make_subclass detach_ __init__ __torch_function__"
    " __init_subclass__ __hash__ __array__ __dlpack__ __dlpack_device__ __array_wrap__ __reduce_ex__"
    " __deepcopy__ __copy__ __repr__ __str__ __format__ __contains__ __getattr__ __dir__".split()
)
_ROOMS = ("frontend.functional", "frontend.creation", "frontend.from_data", "frontend.random", "frontend.windows",
          "frontend.inplace", "frontend.operators", "frontend.indexing", "frontend.methods", "frontend.tensor",
          "frontend.old_methods",
          "nn.functional", "linalg", "fft", "special")  # fmt: skip


def _public(namespace: Any) -> Iterable[tuple[str, types.FunctionType]]:
    for name, value in list(vars(namespace).items()):
        if name in _NOT or not isinstance(value, types.FunctionType):
            continue
        if namespace is Tensor and name.startswith("_") and not name.startswith("__"):
            continue
        home = value.__module__.removeprefix("graphtorch.")
        if home.startswith(_ROOMS):
            yield name, value


def namespaces() -> list[Any]:
    """Where the public functions are."""
    import graphtorch

    for name in graphtorch._LATER:  # load what loads when it is first asked for
        getattr(graphtorch, name, None)
    found: list[Any] = [graphtorch, Tensor]
    for room in ("nn.functional", "linalg", "fft", "special"):
        try:
            place: Any = graphtorch
            for part in room.split("."):
                place = getattr(place, part)
        except AttributeError:
            continue
        found.append(place)
    return found


def install() -> None:
    """Let every public function ask from now on; once per process."""
    global installed
    if installed:
        return
    installed = True
    for namespace in namespaces():
        for name, function in _public(namespace):
            if namespace is Tensor and function.__name__ != name and function not in originals:
                function.__name__ = function.__qualname__ = name
            if namespace is Tensor and name in OPERATORS:
                meant = getattr(Tensor, OPERATORS[name], function)
                if meant is not function:
                    aliases[function] = meant
            if not inspect.isgeneratorfunction(function):
                _replace(function)
    for name in ("T", "mT", "H", "mH", "data", "grad", "real", "imag"):
        _ask_property(name)


def _ask_property(name: str) -> None:
    """`x.T` asks as `Tensor.T.__get__`, as in PyTorch."""
    known = Tensor.__dict__.get(name)
    if not isinstance(known, property):
        return
    original = known.fget

    def getter(self: Any) -> Any:
        if state.modes or (
            self.__class__ is not Tensor and asks(self.__class__) and state.subclasses
        ):
            asked = [self] if asks(self.__class__) and state.subclasses else []
            return call(public, asked, (self,), {})
        return original(self)  # type: ignore[misc]

    made = property(getter, known.fset, known.fdel, known.__doc__)
    public = made.__get__
    setattr(Tensor, name, made)


# ---- what Tensor itself answers


class without_subclasses:
    """`torch._C.DisableTorchFunctionSubclass`: inside, subclasses of Tensor are not asked."""

    def __enter__(self) -> None:
        self.before = state.subclasses
        state.subclasses = False

    def __exit__(self, *error: Any) -> None:
        state.subclasses = self.before


class without_any:
    """`torch._C.DisableTorchFunction`: inside, nobody is asked."""

    def __enter__(self) -> None:
        self.before = state.subclasses, state.modes
        state.subclasses, state.modes = False, ()

    def __exit__(self, *error: Any) -> None:
        state.subclasses, state.modes = self.before


def nowrap() -> set[Any]:
    """What gives plain tensors for subclasses."""
    return {
        getter
        for name in ("grad",)
        if (getter := getattr(Tensor.__dict__.get(name), "__get__", None))
    }


def tensor_torch_function(
    cls: type, func: Callable, types: Any, args: Any = (), kwargs: Any = None
) -> Any:
    """The default: run the function, and give its tensors the subclass."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    kwargs = kwargs or {}
    with without_subclasses():
        found = func(*args, **kwargs)
    if getattr(func, "__name__", "") == "__get__" and func in nowrap():
        return found
    return converted(found, cls, relevant(args, kwargs))


def converted(found: Any, cls: type, given: list[Any]) -> Any:
    """Results as instances of `cls`."""
    if cls is Tensor:
        return found
    if isinstance(found, Tensor):
        if isinstance(found, cls):
            return found
        if found.__class__ is Tensor and not any(found is a for a in given):
            found.__class__ = cls
            return found
        return found.as_subclass(cls)  # type: ignore[attr-defined]
    if isinstance(found, (tuple, list)):
        parts = [converted(y, cls, given) for y in found]
        return type(found)(*parts) if hasattr(found, "_fields") else type(found)(parts)
    return found


def tensor_init_subclass(cls: type, **kwargs: Any) -> None:
    """A subclass of Tensor that wants to be asked."""
    super(Tensor, cls).__init_subclass__(**kwargs)
    if asks(cls):
        install()


Tensor.__torch_function__ = classmethod(tensor_torch_function)  # type: ignore[attr-defined]
Tensor.__init_subclass__ = classmethod(tensor_init_subclass)  # type: ignore[method-assign, assignment]

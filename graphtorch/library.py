"""`torch.library`: operators that a program adds, called through `torch.ops.<namespace>.<name>`.

>>> import graphtorch as torch
>>> @torch.library.custom_op("mine::twice", mutates_args=())
... def twice(x: torch.Tensor) -> torch.Tensor:
...     return x + x
>>> torch.library.register_autograd("mine::twice", lambda ctx, g: 2 * g)
>>> x = torch.tensor(3.0, requires_grad=True)
>>> torch.ops.mine.twice(x).backward()
>>> x.grad
tensor(2.)

An operator runs as the Python it was given; a tracer looks through it, so it compiles and fuses.
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Callable, Iterable
from typing import Any

from . import absent
from .errors import UnsupportedError, message
from .frontend.function import Function
from .frontend.grad_mode import state as grad_state
from .frontend.tensor import Tensor

# every operator of the program, by "namespace::name"
REGISTRY: dict[str, CustomOpDef] = {}
NAMESPACES: set[str] = set()

# the order in which implementations are tried after the device's own
_COMMON = ("CompositeExplicitAutograd", "CompositeImplicitAutograd", "")
_KEY_OF = {"cpu": "CPU", "cuda": "CUDA", "meta": "Meta"}


class CustomOpDef:
    """One operator: its implementations by device, and its derivative."""

    def __init__(self, qualname: str):
        self._qualname = self._name = qualname
        self._namespace, _, self._opname = qualname.partition("::")
        NAMESPACES.add(self._namespace)
        self.__name__ = self._opname
        self._impls: dict[str, Callable] = {}
        self._defaults: dict[str, Any] = {}
        self._names: list[str] = []
        self._function: type[Function] | None = None
        self._mutates = False
        self._fake: Callable | None = None

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    @property
    def default(self) -> CustomOpDef:
        """The one overload there is."""
        return self

    def overloads(self) -> list[str]:
        """Names of the overloads."""
        return ["default"]

    def _implementation(self, args: tuple[Any, ...]) -> Callable:
        device = next((a.device.type for a in args if isinstance(a, Tensor)), "cpu")
        for key in (_KEY_OF.get(device, device), *_COMMON):
            if key in self._impls:
                return self._impls[key]
        raise UnsupportedError(
            message(
                f"operator {self._qualname} has no implementation for {device}",
                operands={"registered": ", ".join(self._impls) or "none"},
                hint="torch.library.impl gives it one in Python",
            )
        )

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if not self._names:
            if kwargs:
                raise TypeError(f"{self._qualname} takes positional arguments only")
            return args
        values = dict(zip(self._names, args, strict=False))
        values.update(kwargs)
        missing = [n for n in self._names if n not in values and n not in self._defaults]
        if missing or len(args) > len(self._names) or any(n not in self._names for n in kwargs):
            raise TypeError(
                f"{self._qualname}({', '.join(self._names)}): arguments do not match"
                + (f", missing {', '.join(missing)}" if missing else "")
            )
        return tuple([values[n] if n in values else self._defaults[n] for n in self._names])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args = self._bound(args, kwargs)
        function = self._function
        if (
            function is not None
            and grad_state.enabled
            and any(isinstance(a, Tensor) and a.requires_grad for a in args)
        ):
            return function.apply(*args)
        return self._implementation(args)(*args)

    # what a program may add

    def register_kernel(self, device_types: Any, fn: Callable | None = None) -> Any:
        """Give the implementation for a device (or several, or None for all)."""
        if fn is None:
            return lambda f: self.register_kernel(device_types, f)
        types = [device_types] if isinstance(device_types, str) else list(device_types or [""])
        for kind in types:
            self._impls[_KEY_OF.get(kind, "" if kind in ("", "default") else kind)] = fn
        return fn

    def register_fake(self, fn: Callable) -> Callable:
        """Keep the function that gives shapes only; a trace runs the operator itself."""
        self._fake = fn
        return fn

    def register_autograd(
        self, backward: Callable, /, *, setup_context: Callable | None = None
    ) -> None:
        """Give the derivative: `backward(ctx, *grads)`, with `setup_context(ctx, inputs, output)` before it."""
        op = self

        def forward(*args: Any) -> Any:
            return op._implementation(args)(*args)

        def prepare(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            if setup_context is not None:
                names = (
                    setup_context.__code__.co_varnames if hasattr(setup_context, "__code__") else ()
                )
                if "keyword_only_inputs" in names:
                    setup_context(ctx, inputs, {}, output)
                else:
                    setup_context(ctx, inputs, output)

        def pull(ctx: Any, *grads: Any) -> Any:
            return backward(ctx, *grads)

        body = {
            "forward": staticmethod(forward),
            "setup_context": staticmethod(prepare),
            "backward": staticmethod(pull),
        }
        self._function = type(self._opname, (Function,), body)

    def register_vmap(self, func: Callable | None = None) -> Any:
        """Accepted: `vmap` goes through the operator's own code."""
        return func if func is not None else (lambda f: f)

    def register_torch_dispatch(self, torch_dispatch_class: Any, fn: Callable | None = None) -> Any:
        """Raises UnsupportedError: there is no `__torch_dispatch__`."""
        raise UnsupportedError(message("__torch_dispatch__ is not supported"))


def find(op: Any, make: bool = False) -> CustomOpDef:
    """The operator of a name, or `op` itself.  Raises RuntimeError if there is none."""
    if isinstance(op, CustomOpDef):
        return op
    name = str(op).removesuffix(".default")
    if "::" not in name:
        raise ValueError(f"expected a name like 'namespace::name', got {name!r}")
    if name not in REGISTRY:
        if not make:
            raise RuntimeError(f"operator {name} does not exist")
        REGISTRY[name] = CustomOpDef(name)
    return REGISTRY[name]


_SCHEMA = re.compile(r"\s*(?:([\w:.]+))?\s*\((.*)\)\s*->\s*(.*)", re.S)


def _read_schema(op: CustomOpDef, schema: str) -> None:
    found = _SCHEMA.fullmatch(schema)
    if found is None:
        raise RuntimeError(
            f"cannot read the schema {schema!r}; it looks like 'name(Tensor x, int n=1) -> Tensor'"
        )
    op._mutates = "!" in found.group(2)
    for part in re.split(r",(?![^\[(]*[\])])", found.group(2)):
        word = part.strip()
        if word in ("", "*"):
            continue
        name, _, default = word.split()[-1].partition("=")
        op._names.append(name)
        if default:
            try:
                op._defaults[name] = literal_eval(default)
            except ValueError:
                op._defaults[name] = {"true": True, "false": False}.get(default.lower(), default)


def define(qualname: str, schema: str, *, lib: Any = None, tags: Any = ()) -> None:
    """Announce an operator: `define("mine::f", "(Tensor x, int n=1) -> Tensor")`."""
    _read_schema(find(qualname, make=True), schema)


def _named(fn: Callable) -> tuple[list[str], dict[str, Any]]:
    from inspect import Parameter, signature

    parameters = signature(fn).parameters.values()
    if any(p.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD) for p in parameters):
        return [], {}
    return [p.name for p in parameters], {
        p.name: p.default for p in parameters if p.default is not Parameter.empty
    }


def custom_op(
    name: str,
    fn: Callable | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: Any = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """Make an operator from a function (also as a decorator).  Returns the CustomOpDef."""
    if fn is None:
        return lambda f: custom_op(
            name, f, mutates_args=mutates_args, device_types=device_types, schema=schema
        )
    op = REGISTRY[name] = CustomOpDef(name)
    op._names, op._defaults = _named(fn)
    op._mutates = bool(mutates_args)
    op.__doc__ = fn.__doc__
    op.register_kernel(device_types, fn)
    return op


triton_op = custom_op


def impl(qualname: Any, types: Any, func: Callable | None = None, *, lib: Any = None) -> Any:
    """Give an operator's implementation for device kinds (also as a decorator)."""
    return find(qualname, make=True).register_kernel(types, func)


def register_kernel(
    op: Any, device_types: Any, func: Callable | None = None, /, *, lib: Any = None
) -> Any:
    """Give an operator's implementation for device kinds (also as a decorator)."""
    return find(op).register_kernel(device_types, func)


def register_fake(op: Any, func: Callable | None = None, /, *, lib: Any = None, **_: Any) -> Any:
    """Keep the function that gives shapes only (also as a decorator)."""
    if func is None:
        return lambda f: register_fake(op, f)
    return find(op, make=True).register_fake(func)


impl_abstract = register_fake


def register_autograd(
    op: Any, backward: Callable, /, *, setup_context: Callable | None = None, lib: Any = None
) -> None:
    """Give an operator's derivative."""
    find(op).register_autograd(backward, setup_context=setup_context)


def register_vmap(op: Any, func: Callable | None = None, /, *, lib: Any = None) -> Any:
    """Accepted: `vmap` goes through the operator's own code."""
    return find(op).register_vmap(func)


def get_ctx() -> Any:
    """Raises UnsupportedError: shapes that depend on data have no symbols here."""
    raise UnsupportedError(
        message("torch.library.get_ctx is not supported: sizes are numbers here")
    )


class Library:
    """A namespace's definitions and implementations, PyTorch's older style."""

    def __init__(self, ns: str, kind: str, dispatch_key: str = ""):
        if kind not in ("DEF", "IMPL", "FRAGMENT"):
            raise ValueError(f"Unsupported library type: {kind}")
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key
        NAMESPACES.add(ns)

    def _full(self, name: Any) -> str:
        text = name._qualname if isinstance(name, CustomOpDef) else str(name)
        return text if "::" in text else f"{self.ns}::{text}"

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """Announce an operator: `define("f(Tensor x) -> Tensor")`.  Returns its name."""
        name = schema.partition("(")[0].strip()
        _read_schema(find(self._full(name), make=True), schema)
        return name

    def impl(
        self,
        op_name: Any,
        fn: Callable,
        dispatch_key: str = "",
        *,
        with_keyset: bool = False,
        **_: Any,
    ) -> None:
        """Give the implementation for a dispatch key."""
        key = dispatch_key or self.dispatch_key
        op = find(self._full(op_name), make=True)
        if key.startswith("Autocast"):
            return
        if key == "Meta":
            op.register_fake(fn)
        else:
            op._impls["" if key.startswith("Autograd") else key] = fn


def fallthrough_kernel() -> None:
    """Raises NotImplementedError, as in PyTorch."""
    raise NotImplementedError("fallthrough_kernel() should never be called.")


def opcheck(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, **_: Any) -> dict:
    """Run the operator, and compare its derivative with finite differences where it has one."""
    found = find(op)
    found(*args, **(kwargs or {}))
    if found._function is not None:
        from .autograd.gradcheck import gradcheck

        gradcheck(lambda *a: found(*a, **(kwargs or {})), args)
    return {"test_schema": "SUCCESS", "test_autograd_registration": "SUCCESS"}


__getattr__ = absent.names_of(__name__)

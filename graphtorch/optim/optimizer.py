"""`Optimizer`: parameter groups, state, state dicts, hooks.

How a step is captured by the compiler (`frontend/trace.py`):
    - state tensors are made by `_init_state`, outside the graph, before the step's arithmetic;
    - step counts are tensors, so that nothing Python changes from step to step;
    - the learning rate is read by `_scalar`, which in a trace gives a tensor bound anew at every call;
    - the other options of a group are guarded.
"""

from __future__ import annotations

import functools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

from ..frontend import trace
from ..frontend.grad_mode import enable_grad, no_grad
from ..frontend.tensor import Tensor
from ..ir import dispatch
from ..nn.hooks import RemovableHandle

ParamsT = Any  # what constructors take: tensors, (name, tensor) pairs, or dicts of options

READ_AT_EVERY_CALL = ("lr", "params")  # entries of a group that a compiled step does not bake in

_global_step_pre_hooks: OrderedDict = OrderedDict()
_global_step_post_hooks: OrderedDict = OrderedDict()


def _hooked(hooks: OrderedDict, hook: Callable, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before every optimiser's step."""
    return _hooked(_global_step_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after every optimiser's step."""
    return _hooked(_global_step_post_hooks, hook)


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


class Optimizer:
    """Base class of optimisers.

    params: parameters, (name, parameter) pairs, or dicts with "params" and options.
    defaults: options of groups that do not give their own.
    """

    def __init__(self, params: Any, defaults: dict[str, Any]):
        self.defaults = defaults
        self._make_hooks()
        self._patch_step_function()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                + params.type()
            )
        self.state: defaultdict[Tensor, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _make_hooks(self) -> None:
        for name in (
            "_optimizer_step_pre_hooks", "_optimizer_step_post_hooks", "_optimizer_state_dict_pre_hooks",
            "_optimizer_state_dict_post_hooks", "_optimizer_load_state_dict_pre_hooks",
            "_optimizer_load_state_dict_post_hooks",
        ):  # fmt: skip
            if name not in self.__dict__:
                self.__dict__[name] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_hooks()
        self._patch_step_function()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            options = "".join(
                f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params"
            )
            text += f"\nParameter Group {i}\n{options}"
        return text + ")"

    # ---- stepping

    def _patch_step_function(self) -> None:
        """Wrap the class's `step`, once, with hooks and the watch kept while tracing."""
        cls = type(self)
        if not getattr(cls.step, "hooked", False):
            cls.step = self.profile_hook_step(cls.step)  # type: ignore[method-assign]

    @staticmethod
    def profile_hook_step(function: Callable) -> Callable:
        """`step` with its hooks."""

        @functools.wraps(function)
        def step(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
            for hook in chain(
                _global_step_pre_hooks.values(), self._optimizer_step_pre_hooks.values()
            ):
                changed = hook(self, args, kwargs)
                if changed is not None:
                    if not (isinstance(changed, tuple) and len(changed) == 2):
                        raise RuntimeError(
                            f"{function} must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                        )
                    args, kwargs = changed
            tracer = trace.active()
            if tracer is None:
                result = function(self, *args, **kwargs)
            else:
                result = self._traced_step(tracer, function, args, kwargs)
            self._opt_called = True
            for hook in chain(
                self._optimizer_step_post_hooks.values(), _global_step_post_hooks.values()
            ):
                hook(self, args, kwargs)
            return result

        step.hooked = True  # type: ignore[attr-defined]
        return step

    def _traced_step(self, tracer: Any, function: Callable, args: tuple, kwargs: dict) -> Any:
        """A step inside a trace: guard the options, and see that only tensors change."""
        with (
            dispatch.pushed(None),
            no_grad(),
        ):  # made outside the graph: an input of it from then on
            self._init_state()
        watcher = getattr(tracer, "watcher", None)
        if watcher is not None:
            for group in self.param_groups:
                watcher.saw_group(group, READ_AT_EVERY_CALL)
        before = self._plain_state()
        result = function(self, *args, **kwargs)
        if self._plain_state() != before:
            tracer.leave(
                f"{type(self).__name__}.step() changes Python values in its state; a replay would lose the change"
            )
        return result

    def _plain_state(self) -> list[tuple]:
        """What of the state is not tensor data: which entries there are and the plain values."""
        return [
            (id(p), key, id(value) if isinstance(value, Tensor) else repr(value))
            for p, state in self.state.items()
            if isinstance(state, dict)
            for key, value in state.items()
        ]

    def _init_state(self) -> None:
        """Make the state of every parameter that has a gradient and no state yet."""

    def _scalar(self, group: dict[str, Any], key: str) -> Any:
        """An option as a number; in a trace as a tensor bound to the option at every call."""
        value = group[key]
        if isinstance(value, Tensor):
            return value if trace.is_tracing() else value.item()
        return trace.runtime_scalar(group, key)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters.  closure: evaluates the model again and returns the loss."""
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:  # without a look at it: a trace need not guard what it was
                    parameter.grad = None
                    continue
                gradient = parameter.grad
                if gradient is not None:
                    if gradient.grad_fn is not None:
                        gradient.detach_()
                    else:
                        gradient.requires_grad_(False)
                    gradient.zero_()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with its options; raises if one is already optimised here."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        given = param_group["params"]
        if isinstance(given, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in"
                " sets will change between runs. Please use a list instead."
            )
        listed = [given] if isinstance(given, Tensor) else list(given)
        names = [item[0] for item in listed if isinstance(item, tuple)]
        tensors = [item[1] if isinstance(item, tuple) else item for item in listed]
        if names:
            if len(names) != len(tensors):
                raise ValueError(
                    "all optimizer params should be with/without names. Some param names are missing"
                )
            param_group["param_names"] = names
        param_group["params"] = tensors
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is {type(tensor).__name__}"
                )
            if not self.defaults.get("differentiable") and not (
                tensor.is_leaf or tensor.retains_grad
            ):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name}"
                )
            param_group.setdefault(name, default)
        if len(set(map(id, tensors))) != len(tensors):
            import warnings

            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an"
                " error; see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        known = {id(p) for group in self.param_groups for p in group["params"]}
        if not known.isdisjoint(map(id, tensors)):
            raise ValueError("some parameters appear in more than one parameter group")
        if self.param_groups and ("param_names" in param_group) != (
            "param_names" in self.param_groups[0]
        ):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group"
                f" {'with' if names else 'without'} names to the optimizer"
            )
        self.param_groups.append(param_group)

    # ---- hooks

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before `step`; it may return new arguments."""
        return _hooked(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after `step`."""
        return _hooked(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`."""
        return _hooked(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; it may return another dict."""
        return _hooked(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before `load_state_dict`; it may return another dict."""
        return _hooked(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` after `load_state_dict`."""
        return _hooked(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    # ---- state dicts

    def state_dict(self) -> dict[str, Any]:
        """Return {"state": by parameter number, "param_groups": options with parameter numbers}."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        for group in self.param_groups:
            for parameter in group["params"]:
                numbers.setdefault(id(parameter), len(numbers))
        groups = [
            {
                **{key: value for key, value in group.items() if key != "params"},
                "params": [numbers[id(p)] for p in group["params"]],
            }
            for group in self.param_groups
        ]
        state = {numbers[id(k)] if isinstance(k, Tensor) else k: v for k, v in self.state.items()}
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            result = _or(hook(self, result), result)
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` gave; raises ValueError if the groups do not fit."""
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            state_dict = _or(hook(self, state_dict), state_dict)
        saved = deepcopy(state_dict["param_groups"])
        if len(self.param_groups) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(
            len(own["params"]) != len(new["params"])
            for own, new in zip(self.param_groups, saved, strict=True)
        ):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        parameters = dict(
            zip(
                chain.from_iterable(group["params"] for group in saved),
                chain.from_iterable(group["params"] for group in self.param_groups),
                strict=True,
            )
        )
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in parameters:
                state[parameters[key]] = _fitted(parameters[key], value)
            else:
                state[key] = value
        for own, new in zip(self.param_groups, saved, strict=True):
            new["params"] = own["params"]
            if "param_names" in own:
                new.setdefault("param_names", own["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)


def _or(new: Any, old: Any) -> Any:
    return old if new is None else new


def _fitted(parameter: Tensor, value: Any, key: Hashable = None) -> Any:
    """A loaded state value in the parameter's dtype and on its device; step counts stay as they are."""
    if isinstance(value, Tensor):
        if key == "step":
            return value
        if parameter.is_floating_point():
            return value.to(device=parameter.device, dtype=parameter.dtype)
        return value.to(device=parameter.device)
    if isinstance(value, dict):
        return {k: _fitted(parameter, v, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return type(value)(_fitted(parameter, v) for v in value)  # type: ignore[call-arg]
    return value


def with_closure(step: Callable[[Any], None]) -> Callable:
    """Make `step(self)` a full step: evaluate the closure with gradients, update without unless differentiable."""

    @functools.wraps(step)
    def full_step(self: Any, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with enable_grad() if self.defaults.get("differentiable") else no_grad():
            step(self)
        return loss

    return full_step


# ---- what optimisers outside this package, written like PyTorch's own, import from here


def _use_grad_for_differentiable(function: Callable) -> Callable:
    """Run a step with gradients only if the optimiser is differentiable."""

    @functools.wraps(function)
    def step(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        with enable_grad() if self.defaults.get("differentiable") else no_grad():
            return function(self, *args, **kwargs)

    return step


def _get_value(x: Any) -> Any:
    """A number, from a number or a tensor of one element."""
    return x.item() if isinstance(x, Tensor) else x


def _default_to_fused_or_foreach(
    params: list[Tensor], differentiable: bool, use_fused: bool = False
) -> tuple[bool, bool]:
    """Which of PyTorch's batched implementations to use: none, updates are batched by the compiler."""
    return False, False


def _get_capturable_supported_devices(supports_xla: bool = True) -> list[str]:
    """Devices on which `capturable=True` matters."""
    return ["cuda"]

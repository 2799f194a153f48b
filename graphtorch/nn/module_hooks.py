"""Hooks of one module: registering them, and a call that runs them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from . import hooks as _hooks
from .hooks import BackwardHooks, BoundHook, RemovableHandle


class ModuleHooks:
    """The part of `Module` that deals with hooks."""

    forward: Callable[..., Any]
    _forward_hooks: OrderedDict
    _forward_pre_hooks: OrderedDict
    _backward_hooks: OrderedDict
    _backward_pre_hooks: OrderedDict
    _forward_hooks_with_kwargs: OrderedDict
    _forward_hooks_always_called: OrderedDict
    _forward_pre_hooks_with_kwargs: OrderedDict

    # ---- calling

    def _call_with_hooks(self, args: tuple, kwargs: dict) -> Any:
        called: set[int] = set()
        result = None
        try:
            for key, hook in (
                *_hooks.global_forward_pre_hooks.items(),
                *self._forward_pre_hooks.items(),
            ):
                if key in self._forward_pre_hooks_with_kwargs:
                    changed = hook(self, args, kwargs)
                    if changed is not None:
                        if not (isinstance(changed, tuple) and len(changed) == 2):
                            raise RuntimeError(
                                "forward pre-hook must return None or a tuple of (new_args, new_kwargs),"
                                f" but got {changed}."
                            )
                        args, kwargs = changed
                else:
                    changed = hook(self, args)
                    if changed is not None:
                        args = changed if isinstance(changed, tuple) else (changed,)
            backward = None
            if (
                self._backward_hooks
                or self._backward_pre_hooks
                or _hooks.global_backward_hooks
                or _hooks.global_backward_pre_hooks
            ):
                backward = BackwardHooks(
                    self,
                    [*_hooks.global_backward_hooks.values(), *self._backward_hooks.values()],
                    [
                        *_hooks.global_backward_pre_hooks.values(),
                        *self._backward_pre_hooks.values(),
                    ],
                )
                args = backward.wrap_inputs(args)
            result = self.forward(*args, **kwargs)
            with_kwargs = {
                **_hooks.global_forward_hooks_with_kwargs,
                **self._forward_hooks_with_kwargs,
            }
            for key, hook in (*_hooks.global_forward_hooks.items(), *self._forward_hooks.items()):
                called.add(key)
                changed = (
                    hook(self, args, kwargs, result)
                    if key in with_kwargs
                    else hook(self, args, result)
                )
                if changed is not None:
                    result = changed
            return result if backward is None else backward.wrap_outputs(result)
        except BaseException:
            self._call_always_hooks(called, args, kwargs, result)
            raise

    def _call_always_hooks(self, called: set[int], args: tuple, kwargs: dict, result: Any) -> None:
        """After an error, run the hooks that were registered with `always_call` and have not run."""
        always = {**_hooks.global_forward_hooks_always_called, **self._forward_hooks_always_called}
        for key, hook in (*_hooks.global_forward_hooks.items(), *self._forward_hooks.items()):
            if key in always and key not in called:
                if (
                    key in self._forward_hooks_with_kwargs
                    or key in _hooks.global_forward_hooks_with_kwargs
                ):
                    hook(self, args, kwargs, result)
                else:
                    hook(self, args, result)

    # ---- registering

    def _add_hook(
        self,
        table: str,
        hook: Callable,
        *,
        prepend: bool = False,
        marks: tuple[tuple[str, bool], ...] = (),
    ) -> RemovableHandle:
        hooks = self.__dict__[table]
        handle = RemovableHandle(hooks, extra_dict=[self.__dict__[name] for name, _ in marks])
        hooks[handle.id] = hook
        for name, marked in marks:
            if marked:
                self.__dict__[name][handle.id] = True
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward; what it returns, if anything, replaces the arguments."""
        return self._add_hook(
            "_forward_pre_hooks",
            hook,
            prepend=prepend,
            marks=(("_forward_pre_hooks_with_kwargs", with_kwargs),),
        )

    def register_forward_hook(
        self,
        hook: Callable,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; what it returns, if anything, replaces the output."""
        return self._add_hook(
            "_forward_hooks",
            hook,
            prepend=prepend,
            marks=(
                ("_forward_hooks_with_kwargs", with_kwargs),
                ("_forward_hooks_always_called", always_call),
            ),
        )

    def register_full_backward_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the module's backward."""
        return self._add_hook("_backward_pre_hooks", hook, prepend=prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the inputs are known."""
        return self._add_hook("_backward_hooks", hook, prepend=prepend)

    register_backward_hook = register_full_backward_hook

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` at the end of `state_dict()`."""
        hook._from_public_api = True  # type: ignore[attr-defined]
        return self._add_hook("_state_dict_hooks", hook)

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        return self._add_hook("_state_dict_hooks", hook)

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` at the start of `state_dict()`."""
        return self._add_hook("_state_dict_pre_hooks", hook)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable, with_module: bool = False
    ) -> RemovableHandle:
        return self._add_hook(
            "_load_state_dict_pre_hooks", BoundHook(hook, self) if with_module else hook
        )

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, ...)` before this module's part is loaded."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after `load_state_dict`."""
        return self._add_hook("_load_state_dict_post_hooks", hook)

"""A user's `autograd.Function` under `grad`, `vmap` and `jvp`.

grad    the forward runs below; this level's tape gets a node that calls the user's `backward` there
vmap    the Function's own `vmap`, or (generate_vmap_rule) another Function for the level below whose
        forward and backward are the user's, each mapped over the batch
jvp     the Function's own `jvp`
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from ..ir import batching, ops
from . import grad_mode
from .function import Function, FunctionCtx, attach
from .level import Level
from .tensor import Tensor

VmapInfo = namedtuple("VmapInfo", "batch_size randomness")


def custom(level: Level, cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`cls.apply(*args)` with `level` on top."""
    if not any(level.owns(a) for a in args):
        with level.below():
            return cls.apply(*args, **kwargs)
    if level.name != "jvp" and cls.setup_context is Function.setup_context:
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...),"
            " it must override the setup_context staticmethod. For more details, please see"
            " https://pytorch.org/docs/main/notes/extending.func.html"
        )
    return {"grad": _on_grad, "vmap": _on_vmap, "jvp": _on_jvp}[level.name](
        level, cls, args, kwargs
    )


def _on_grad(level: Any, cls: Any, args: Any, kwargs: Any) -> Any:
    values = tuple([level.inner(a) for a in args])
    ctx = FunctionCtx()
    ctx.needs_input_grad = tuple([level.owns(a) and a.requires_grad for a in args])
    recording = grad_mode.state.enabled and any(ctx.needs_input_grad)
    with level.below():
        outputs = cls.apply(*values, **kwargs)
        with grad_mode.no_grad():
            cls.setup_context(ctx, values, outputs)
    single = not isinstance(outputs, tuple)
    listed = [outputs] if single else list(outputs)
    wrapped = [level.wrap(y) if isinstance(y, Tensor) else y for y in listed]
    plain = {id(y) for y in listed if id(y) in ctx._non_differentiable}
    if recording:
        attach(cls, ctx, args, wrapped, [id(y) in plain for y in listed])
    ctx._saved = [(t, t._version if isinstance(t, Tensor) else 0) for t in ctx._to_save]
    return wrapped[0] if single else tuple(wrapped)


# ---- vmap


def _on_vmap(level: Any, cls: Any, args: Any, kwargs: Any) -> Any:
    flags = tuple([level.owns(a) for a in args])
    values = tuple([level.inner(a) for a in args])
    if cls.vmap is not Function.vmap:
        if cls.generate_vmap_rule:
            raise RuntimeError(
                f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an"
                " overriden vmap staticmethod. Please set generate_vmap_rule=False or delete the overriden"
                " vmap staticmethod to avoid ambiguity."
            )
        in_dims = tuple([0 if f else None for f in flags])
        with level.below():
            outputs, out_dims = cls.vmap(
                VmapInfo(level.size, level.randomness), in_dims, *values, **kwargs
            )
            return _with_batches(level, outputs, out_dims)
    if not cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and"
            " implement the vmap staticmethod or set generate_vmap_rule=True."
        )
    made = _mapped(cls, level.size, level.randomness, flags)
    with level.below():
        outputs = made.apply(*values, **kwargs)
    if isinstance(outputs, tuple):
        return tuple([level.wrap(y) for y in outputs])
    return level.wrap(outputs)


def _with_batches(level: Any, outputs: Any, out_dims: Any) -> Any:
    if not isinstance(outputs, tuple):
        return _with_batch(level, outputs, out_dims)
    dims = out_dims if isinstance(out_dims, tuple) else (out_dims,) * len(outputs)
    return tuple([_with_batch(level, y, d) for y, d in zip(outputs, dims, strict=True)])


def _with_batch(level: Any, y: Any, dim: Any) -> Any:
    if dim is None or not isinstance(y, Tensor):
        return y
    n = y._array.ndim
    dim %= n
    if dim:
        y = ops.permute(y, dims=(dim, *(d for d in range(n) if d != dim)))
    return level.wrap(y)


def _mapped(cls: Any, size: int, randomness: str, flags: tuple[bool, ...]) -> Any:
    """The Function whose forward and backward are `cls`'s over a batch."""
    from .vmap_level import VmapLevel

    def up(level: Any, x: Any, flag: bool) -> Any:
        return level.wrap(x) if flag and isinstance(x, Tensor) else x

    def down(level: Any, y: Any) -> Any:
        return batching.front(level.inner(y), level.owns(y), size) if isinstance(y, Tensor) else y

    class Mapped(Function):
        @staticmethod
        def forward(*values: Any, **kwargs: Any) -> Any:
            with VmapLevel(size, randomness) as level:
                found = cls.forward(*map(up, [level] * len(flags), values, flags), **kwargs)
                with level.below():
                    if isinstance(found, tuple):
                        return tuple([down(level, y) for y in found])
                    return down(level, found)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            user = FunctionCtx()
            user.needs_input_grad = ctx.needs_input_grad
            listed = output if isinstance(output, tuple) else (output,)
            with VmapLevel(size, randomness) as level:
                given = tuple(map(up, [level] * len(flags), inputs, flags))
                made = tuple([up(level, y, True) for y in listed])
                cls.setup_context(user, given, made if isinstance(output, tuple) else made[0])
                ctx.save_for_backward(*[level.inner(t) for t in user._to_save])
                ctx.saved_flags = [level.owns(t) for t in user._to_save]
                ctx.set_materialize_grads(user._materialize)
                ctx.mark_non_differentiable(
                    *[
                        y
                        for y, m in zip(listed, made, strict=True)
                        if id(m) in user._non_differentiable
                    ]
                )
                ctx.attributes = {
                    name: (level.inner(value), level.owns(value))
                    for name, value in user.__dict__.items()
                    if not name.startswith("_")
                }

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            with VmapLevel(size, randomness) as level:
                user = FunctionCtx()
                for name, (value, flag) in ctx.attributes.items():
                    setattr(user, name, up(level, value, flag))
                user._saved = [
                    (up(level, t, f), 0)
                    for t, f in zip(ctx.saved_tensors, ctx.saved_flags, strict=True)
                ]
                found = cls.backward(user, *[up(level, g, True) for g in grads])
                found = found if isinstance(found, tuple) else (found,)
                with level.below():
                    return tuple(
                        [
                            _cotangent(level, g, flag, size)
                            for g, flag in zip(
                                found, (*flags, *(False,) * len(found)), strict=False
                            )
                        ]
                    )

    Mapped.__name__ = Mapped.__qualname__ = f"Vmapped{cls.__name__}"
    return Mapped


def _cotangent(level: Any, g: Any, flag: bool, size: int) -> Any:
    if g is None:
        return None
    whole = batching.front(level.inner(g), level.owns(g), size)
    return whole if flag else ops.sum(whole, dims=(0,))


# ---- forward mode


def _on_jvp(level: Any, cls: Any, args: Any, kwargs: Any) -> Any:
    if cls.jvp is Function.jvp:
        raise RuntimeError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode"
            f" AD: {cls.__name__}"
        )
    values = tuple([level.inner(a) for a in args])
    with level.below():
        if cls.setup_context is Function.setup_context:
            outputs, ctx = cls._run(values, kwargs)
        else:
            outputs = cls.apply(*values, **kwargs)
            ctx = FunctionCtx()
            ctx.needs_input_grad = tuple([level.tangent(a) is not None for a in args])
            with grad_mode.no_grad():
                cls.setup_context(ctx, values, outputs)
        saved = ctx._to_save_forward or ctx._to_save
        ctx._saved = [(t, t._version if isinstance(t, Tensor) else 0) for t in saved]
        tangents = [level.tangent(a) for a in args]
        if ctx._materialize:
            tangents = [
                ops.full(shape=x._array.shape, value=0, dtype=x.dtype)
                if t is None and isinstance(x, Tensor) and x.dtype.kind in "fc"
                else t
                for t, x in zip(tangents, values, strict=True)
            ]
        pushed = cls.jvp(ctx, *tangents)
    if not isinstance(outputs, tuple):
        return level.dual(outputs, pushed[0] if isinstance(pushed, tuple) else pushed)
    moved = pushed if isinstance(pushed, tuple) else (pushed,)
    return tuple([level.dual(y, t) for y, t in zip(outputs, moved, strict=True)])

"""`grad`, `vjp`, `jvp` and the whole Jacobians made of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..frontend.grad_level import GradLevel, pull
from ..frontend.jvp_level import JvpLevel
from ..frontend.tensor import Tensor
from ..ir import ops
from ..utils._pytree import tree_flatten, tree_unflatten
from .trees import map_tensors
from .vmapping import vmap

Argnums = int | tuple[int, ...]


def _wrapped(func: Any, made: Any) -> Any:
    return functools.wraps(func)(made) if hasattr(func, "__name__") else made


def _zeros(x: Tensor) -> Tensor:
    return ops.full(shape=x._array.shape, value=0, dtype=x.dtype)


def _ones(x: Tensor) -> Tensor:
    return ops.full(shape=x._array.shape, value=1, dtype=x.dtype)


def _or_zeros(found: list[Any], inputs: list[Tensor]) -> list[Tensor]:
    return [_zeros(x) if g is None else g for g, x in zip(found, inputs, strict=True)]


def _pick(args: tuple, argnums: Argnums) -> tuple[list[int], Any]:
    """The places of the arguments meant, and those arguments."""
    places = [argnums] if isinstance(argnums, int) else list(argnums)
    for place in places:
        if not isinstance(place, int):
            raise RuntimeError(f"argnum must be int, got: {type(place)}")
        if not -len(args) <= place < len(args):
            raise RuntimeError(f"Got argnum={place}, but only {len(args)} positional inputs")
    places = [p % len(args) for p in places]
    if len(set(places)) != len(places):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    chosen = args[places[0]] if isinstance(argnums, int) else tuple([args[p] for p in places])
    return places, chosen


def _with(args: tuple, places: list[int], argnums: Argnums, chosen: Any) -> tuple:
    """`args` with others at the chosen places."""
    values = [chosen] if isinstance(argnums, int) else list(chosen)
    listed = list(args)
    for place, value in zip(places, values, strict=True):
        listed[place] = value
    return tuple(listed)


def _check_tensors(leaves: list[Any], what: str) -> None:
    for x in leaves:
        if not isinstance(x, Tensor):
            raise ValueError(f"{what}: Expected all arguments to be Tensors, got {type(x)}")


# ---- reverse mode


class _Tape:
    """One run of a function on a level of its own."""

    def __init__(self, func: Callable, primals: Any, has_aux: bool, what: str):
        leaves, spec = tree_flatten(primals)
        _check_tensors(leaves, what)
        self.level = level = GradLevel()
        with level:
            self.inputs = [level.leaf(x) for x in leaves]
            outputs = func(*tree_unflatten(self.inputs, spec))
            self.aux = None
            if has_aux:
                if not (isinstance(outputs, tuple) and len(outputs) == 2):
                    raise RuntimeError(
                        f"{what}: output of function f should be a tuple: (output, aux) if has_aux is True"
                    )
                outputs, aux = outputs
                self.aux = map_tensors(self._below, aux)
            self.outputs, self.out_spec = tree_flatten(outputs)
            self.raw = outputs
            for y in self.outputs:
                if level.owns(y):
                    level.keep(y)
            self.values = [self._below(y) if isinstance(y, Tensor) else y for y in self.outputs]
        self.spec = spec

    def _below(self, x: Tensor) -> Tensor:
        return self.level.inner(x)

    def pull(self, cotangents: list[Tensor], retain: bool = True) -> list[Tensor]:
        """The cotangents of the inputs, in order; zeros where there is no path."""
        pairs = [
            (y, g) for y, g in zip(self.outputs, cotangents, strict=True) if self.level.owns(y)
        ]
        found = pull([y for y, _ in pairs], [g for _, g in pairs], self.inputs, retain)
        return _or_zeros(found, [x._inner for x in self.inputs])


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> Any:
    """func(*primals), and the function that maps cotangents of the outputs to those of the inputs.

    Returns (outputs, vjp_fn), with has_aux=True (outputs, vjp_fn, aux).  vjp_fn takes cotangents with
    the structure of the outputs and returns a tuple, one entry per primal (it may be called, and
    mapped with `vmap`, several times).

    >>> import graphtorch as torch
    >>> y, pull = torch.func.vjp(torch.sin, torch.zeros(2))
    >>> pull(torch.ones(2))
    (tensor([1., 1.]),)
    """
    tape = _Tape(func, primals, has_aux, "vjp(f, *primals)")
    if not tape.outputs or not all(isinstance(y, Tensor) for y in tape.outputs):
        raise RuntimeError(
            f"vjp(f, *primals): Expected f(*primals) to return only tensors, got {tape.raw!r}"
            if tape.outputs
            else "vjp(f, *primals): Expected f to be a function that has non-empty output"
        )

    def pull_back(*cotangents: Any, retain_graph: bool = True, create_graph: Any = None) -> Any:
        given = cotangents[0] if len(cotangents) == 1 else cotangents
        leaves, spec = tree_flatten(given)
        if len(leaves) != len(tape.outputs):
            raise RuntimeError(
                f"Expected pytree structure of cotangents to be the same as pytree structure of outputs to"
                f" the function. cotangents: {spec}, primal output: {tape.out_spec}"
            )
        for y, g in zip(tape.values, leaves, strict=True):
            if y._array.shape != g._array.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[0] has a shape of {tuple(g._array.shape)} and output[0]"
                    f" has a shape of {tuple(y._array.shape)}."
                )
        return tree_unflatten(tape.pull(leaves, retain_graph), tape.spec)

    outputs = tree_unflatten(tape.values, tape.out_spec)
    return (outputs, pull_back, tape.aux) if has_aux else (outputs, pull_back)


def grad_and_value(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """The function that returns the gradient of `func` by its arguments `argnums`, and its value.

    `func` returns a scalar tensor, with has_aux=True (scalar, anything else); the result is then
    (gradient, (value, aux)).

    >>> import graphtorch as torch
    >>> torch.func.grad_and_value(lambda x: x ** 2)(torch.tensor(3.0))
    (tensor(6.), tensor(9.))
    """

    def gradient(*args: Any, **kwargs: Any) -> Any:
        places, chosen = _pick(args, argnums)
        tape = _Tape(
            lambda *leaves: func(*_with(args, places, argnums, leaves[0]), **kwargs),
            (chosen,),
            has_aux,
            "grad_and_value(f)(*args)",
        )
        y = tape.raw
        if not isinstance(y, Tensor):
            raise RuntimeError(
                f"grad_and_value(f)(*args): Expected f(*args) to return tensor, got type {type(y)}"
            )
        if tape.values[0]._array.ndim != 0:
            raise RuntimeError(
                "grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got tensor with"
                f" {tape.values[0]._array.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
            )
        value = tape.values[0]
        (found,) = tree_unflatten(tape.pull([_ones(value)], retain=False), tape.spec)
        return (found, (value, tape.aux)) if has_aux else (found, value)

    return _wrapped(func, gradient)


def grad(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """The function that returns the gradient of the scalar function `func` by its arguments `argnums`.

    It nests: grad(grad(f)) is the second derivative, vmap(grad(f)) gives a gradient per example.

    >>> import graphtorch as torch
    >>> torch.func.grad(torch.func.grad(torch.sin))(torch.tensor(0.5)) == -torch.tensor(0.5).sin()
    tensor(True)
    """
    both = grad_and_value(func, argnums, has_aux)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return _wrapped(func, gradient)


# ---- forward mode


def jvp(
    func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """func(*primals), and its derivative along `tangents`, which has the structure of `primals`.

    Returns (outputs, tangents of outputs), with has_aux=True also aux.

    >>> import graphtorch as torch
    >>> torch.func.jvp(torch.square, (torch.tensor(3.0),), (torch.tensor(1.0),))
    (tensor(9.), tensor(6.))
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call"
            f" f(*primals). Got {type(primals)}"
        )
    leaves, spec = tree_flatten(primals)
    directions, direction_spec = tree_flatten(tangents)
    if len(leaves) != len(directions):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python structure."
            f" For example, if primals is a tuple of 3 tensors, tangents also must be. Got primals with"
            f" structure {spec} and tangents with structure {direction_spec}"
        )
    _check_tensors([*leaves, *directions], "jvp(f, primals, tangents)")
    level = JvpLevel()
    with level:
        given = [level.dual(x, t) for x, t in zip(leaves, directions, strict=True)]
        outputs = func(*tree_unflatten(given, spec))
        aux = None
        if has_aux:
            if not (isinstance(outputs, tuple) and len(outputs) == 2):
                raise RuntimeError(
                    "jvp(f, primals, tangents): output of function f should be a tuple: (output, aux) if"
                    " has_aux is True"
                )
            outputs, aux = outputs
            aux = map_tensors(level.inner, aux)
        found, out_spec = tree_flatten(outputs)
        for y in found:
            if not isinstance(y, Tensor):
                raise RuntimeError(
                    f"jvp(f, primals, tangents): Expected f(*primals) to return only tensors, got {type(y)}"
                )
        values = [level.inner(y) for y in found]
        pushed = [level.tangent(y) for y in found]
        del found, outputs, given
    moved = [(_zeros(y) if t is None else t) for y, t in zip(values, pushed, strict=True)]
    if strict and any(t is None for t in pushed):
        raise RuntimeError(
            "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is"
            " not allowed with strict=True."
        )
    results = tree_unflatten(values, out_spec), tree_unflatten(moved, out_spec)
    return (*results, aux) if has_aux else results


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """func(*primals), and the linear function that maps tangents of the inputs to those of the outputs.

    `func` runs once: the linear function is the transpose of its recorded reverse pass.

    >>> import graphtorch as torch
    >>> y, push = torch.func.linearize(torch.sin, torch.zeros(2))
    >>> push(torch.ones(2))
    tensor([1., 1.])
    """
    tape = _Tape(func, primals, False, "linearize(f, *primals)")
    primal_values = [x._inner for x in tape.inputs]

    def push(*tangents: Any) -> Any:
        leaves, _ = tree_flatten(tangents)
        if len(leaves) != len(primal_values):
            raise RuntimeError(
                "linearize: Expected the tangents to have the structure of the primals"
            )
        for x, t in zip(primal_values, leaves, strict=True):
            if x._array.shape != t._array.shape:
                raise RuntimeError(
                    f"linearize: Expected a tangent of shape {tuple(x._array.shape)}, got"
                    f" {tuple(t._array.shape)}"
                )
        level = GradLevel()
        with level:
            weights = [level.leaf(_zeros(y)) for y in tape.values]
            reached = tape.pull(weights)
            pairs = [
                (level.keep(r), t) for r, t in zip(reached, leaves, strict=True) if level.owns(r)
            ]
        found = pull([r for r, _ in pairs], [t for _, t in pairs], weights)
        return tree_unflatten(_or_zeros(found, tape.values), tape.out_spec)

    return tree_unflatten(tape.values, tape.out_spec), push


# ---- whole Jacobians


def _basis(values: list[Tensor]) -> list[Tensor]:
    """For every value its part of an identity over the elements of all, of shape [total, *value.shape]."""
    sizes = [x._array.size for x in values]
    total, start, found = sum(sizes), 0, []
    for x, size in zip(values, sizes, strict=True):
        row = ops.iota(length=total, start=0, step=1, dtype=_int64())
        column = ops.iota(length=size, start=start, step=1, dtype=_int64())
        shape = (total, size)
        rows = ops.expand(ops.reshape(row, shape=(total, 1)), shape=shape)
        columns = ops.expand(ops.reshape(column, shape=(1, size)), shape=shape)
        unit = ops.cast(ops.eq(rows, columns), dtype=x.dtype)
        found.append(ops.reshape(unit, shape=(total, *x._array.shape)))
        start += size
    return found


def _int64() -> Any:
    from ..ir.types import int64

    return int64


def _split(rows: Tensor, values: list[Tensor]) -> list[Tensor]:
    """[total, *rest] cut into one [*value.shape, *rest] per value."""
    start, found = 0, []
    rest = rows._array.shape[1:]
    for x in values:
        size = x._array.size
        piece = ops.slice(
            rows, starts=(start, *(0,) * len(rest)), stops=(start + size, *rest),
            steps=(1,) * (len(rest) + 1),
        )  # fmt: skip
        found.append(ops.reshape(piece, shape=(*x._array.shape, *rest)))
        start += size
    return found


def jacrev(
    func: Callable,
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:
    """The function that returns the Jacobian of `func`, by reverse mode: one pass per output element.

    The result has the structure of the outputs, each leaf that of the arguments `argnums`; a block has
    the shape output.shape + input.shape.  chunk_size: at most so many passes at once.

    >>> import graphtorch as torch
    >>> torch.func.jacrev(torch.sin)(torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    def jacobian(*args: Any, **kwargs: Any) -> Any:
        places, chosen = _pick(args, argnums)
        tape = _Tape(
            lambda only: func(*_with(args, places, argnums, only), **kwargs),
            (chosen,),
            has_aux,
            "jacrev(f)(*args)",
        )
        _only_tensors("jacrev", tape.outputs)
        inputs = [x._inner for x in tape.inputs]
        rows = vmap(lambda *g: tuple(tape.pull(list(g))), chunk_size=chunk_size)(
            *_basis(tape.values)
        )
        split = [_split(r, tape.values) for r in rows]  # [input][output]
        blocks = []
        for i in range(len(tape.values)):
            (block,) = tree_unflatten([split[j][i] for j in range(len(inputs))], tape.spec)
            blocks.append(block)
        result = tree_unflatten(blocks, tape.out_spec)
        return (result, tape.aux) if has_aux else result

    return _wrapped(func, jacobian)


def _only_tensors(what: str, outputs: list[Any]) -> None:
    if not outputs:
        raise RuntimeError(
            f"{what}(f)(*args): Expected f to be a function that has non-empty output"
        )
    for y in outputs:
        if not isinstance(y, Tensor):
            raise RuntimeError(
                f"{what}(f)(*args): Expected f(*args) to return only tensors, got {type(y)}"
            )


def jacfwd(
    func: Callable,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
    chunk_size: int | None = None,
) -> Callable:
    """The function that returns the Jacobian of `func`, by forward mode: one pass per input element.

    The result is laid out as by `jacrev`.

    >>> import graphtorch as torch
    >>> torch.func.jacfwd(torch.sin)(torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    def jacobian(*args: Any, **kwargs: Any) -> Any:
        places, chosen = _pick(args, argnums)
        inputs, spec = tree_flatten(chosen)
        _check_tensors(inputs, "jacfwd(f)(*args)")
        kept: dict[str, Any] = {}

        def along(*tangents: Tensor) -> Any:
            def of_inputs(*leaves: Tensor) -> Any:
                given = tree_unflatten(list(leaves), spec)
                return func(*_with(args, places, argnums, given), **kwargs)

            found = jvp(of_inputs, tuple(inputs), tangents, has_aux=has_aux)
            leaves, kept["spec"] = tree_flatten(found[1])
            if not has_aux:
                return tuple(leaves), ()
            aux, kept["aux"] = tree_flatten(found[2])
            return tuple(leaves), tuple(aux)

        columns, aux = vmap(
            along,
            out_dims=(0, None if not has_aux else 0),
            randomness=randomness,
            chunk_size=chunk_size,
        )(*_basis(inputs))
        blocks = []
        for column in columns:  # [total inputs, *output]
            parts = []
            for part, x in zip(_split(column, inputs), inputs, strict=True):
                n, m = x._array.ndim, part._array.ndim
                parts.append(ops.permute(part, dims=(*range(n, m), *range(n))))
            blocks.append(tree_unflatten(parts, spec))
        result = tree_unflatten(blocks, kept["spec"])
        if has_aux:
            return result, tree_unflatten([a[0] for a in aux], kept["aux"])
        return result

    return _wrapped(func, jacobian)


def hessian(func: Callable, argnums: Argnums = 0) -> Callable:
    """The function that returns the Hessian of `func`: jacfwd of jacrev.

    >>> import graphtorch as torch
    >>> torch.func.hessian(lambda x: (x ** 3).sum())(torch.ones(2))
    tensor([[6., 0.],
            [0., 6.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


__all__ = [
    "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp",
]  # fmt: skip

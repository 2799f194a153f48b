"""`einsum`: sums of products after Einstein's notation, two operands at a time."""

from __future__ import annotations

import math
from typing import Any

from ...errors import message
from ...ir import ops
from .. import promotion
from ..tensor import Tensor
from .linear import _MATMUL, _PERMUTE, _RESHAPE
from .pointwise import mul
from .wrapping import bind


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products after Einstein's notation: "bij,bjk->bik", with "..." and implicit output.

    Two operands at a time: dims only one of them has are summed first, then one matmul.
    """
    if not isinstance(equation, str):
        return _einsum_by_lists((equation, *operands))
    tensors = (
        list(operands[0])
        if len(operands) == 1 and isinstance(operands[0], (tuple, list))
        else list(operands)
    )
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(tensors):
        more = "more" if len(tensors) > len(terms) else "fewer"
        raise RuntimeError(
            message(f"einsum(): {more} operands were provided than specified in the equation")
        )
    terms, spare = _without_ellipsis(terms, tensors)
    if arrow:
        right = right.replace("...", spare)
    else:
        letters = sorted(
            {c for t in terms for c in t if c not in spare and sum(u.count(c) for u in terms) == 1}
        )
        right = spare + "".join(letters)
    sizes: dict[str, int] = {}
    for i, (term, x) in enumerate(zip(terms, tensors, strict=True)):
        if len(term) != x._array.ndim:
            raise RuntimeError(
                message(
                    "einsum(): the number of subscripts in the equation"
                    f" ({len(term)}) does not match the number of dimensions ({x._array.ndim}) for operand"
                    f" {i} and no ellipsis was given",
                    operands={str(i): x.type_},
                )
            )
        for letter, size in zip(term, x._array.shape, strict=True):
            known = sizes.setdefault(letter, size)
            if size != known:
                if known != 1 and size != 1:
                    raise RuntimeError(
                        message(
                            f"einsum(): subscript {letter} has size {size} for operand {i} which does not"
                            f" broadcast with previously seen size {known}",
                            operands={str(j): t.type_ for j, t in enumerate(tensors)},
                        )
                    )
                sizes[letter] = max(size, known)
    for letter in right:
        if letter not in sizes:
            raise RuntimeError(
                message(
                    f"einsum(): output subscript {letter} does not appear in the equation for any input operand"
                )
            )
    work = [_without_repeats(x, term, sizes) for x, term in zip(tensors, terms, strict=True)]
    x, term = work[0]
    for i, (y, other) in enumerate(work[1:], 1):
        later = set(right).union(*(t for _, t in work[i + 1 :]))
        x, term = _contract(x, term, y, other, later)
    gone = tuple([d for d, letter in enumerate(term) if letter not in right])
    if gone:
        x = ops.sum(x, dims=gone)
        term = "".join(c for c in term if c in right)
    order = tuple([term.index(c) for c in right])
    return x if order == tuple(range(len(order))) else bind(_PERMUTE, (x,), {"dims": order})


def _einsum_by_lists(args: tuple[Any, ...]) -> Tensor:
    """einsum(x, [0, 1], y, [1, 2], [0, 2])"""

    def term(items: Any) -> str:
        return "".join(
            "..." if i is Ellipsis else chr(ord("a") + i if i < 26 else ord("A") + i - 26)
            for i in items
        )

    pairs = len(args) // 2
    equation = ",".join(term(args[2 * i + 1]) for i in range(pairs))
    if len(args) % 2:
        equation += "->" + term(args[-1])
    return einsum(equation, *args[0 : 2 * pairs : 2])


def _without_ellipsis(terms: list[str], tensors: list[Tensor]) -> tuple[list[str], str]:
    """Letters for the dims under "...", right-aligned; also all of those letters."""
    widths = [
        x._array.ndim - len(t) + 3 if "..." in t else 0 for t, x in zip(terms, tensors, strict=True)
    ]
    used = set("".join(terms))
    free = [c for c in map(chr, range(0x3B1, 0x3B1 + 64)) if c not in used]
    spare = "".join(free[: max(widths, default=0)])
    found = [
        t.replace("...", spare[len(spare) - w :] if w else "")
        for t, w in zip(terms, widths, strict=True)
    ]
    return found, spare


def _without_repeats(x: Tensor, term: str, sizes: dict[str, int]) -> tuple[Tensor, str]:
    """Take diagonals where a letter stands twice; grow dims of size 1 that broadcast."""
    while len(set(term)) != len(term):
        letter = next(c for c in term if term.count(c) > 1)
        first = term.index(letter)
        second = term.index(letter, first + 1)
        x = ops.diagonal(x, offset=0, dim1=first, dim2=second)
        term = term[:first] + term[first + 1 : second] + term[second + 1 :] + letter
    return promotion.expand(x, tuple([sizes[c] for c in term])), term


def _contract(a: Tensor, s: str, b: Tensor, t: str, later: set[str]) -> tuple[Tensor, str]:
    """One product of two operands; letters nobody needs later are summed."""
    lonely = tuple([d for d, c in enumerate(s) if c not in t and c not in later])
    if lonely:
        a, s = ops.sum(a, dims=lonely), "".join(c for c in s if c in t or c in later)
    lonely = tuple([d for d, c in enumerate(t) if c not in s and c not in later])
    if lonely:
        b, t = ops.sum(b, dims=lonely), "".join(c for c in t if c in s or c in later)
    batch = [c for c in s if c in t and c in later]
    summed = [c for c in s if c in t and c not in later]
    rows, columns = [c for c in s if c not in t], [c for c in t if c not in s]
    size = dict(zip(s + t, a._array.shape + b._array.shape, strict=True))

    def shaped(x: Tensor, term: str, order: list[str], shape: tuple[int, ...]) -> Tensor:
        dims = tuple([term.index(c) for c in order])
        if dims != tuple(range(len(dims))):
            x = bind(_PERMUTE, (x,), {"dims": dims})
        return x if x._array.shape == shape else bind(_RESHAPE, (x,), {"shape": shape})

    count = {
        name: math.prod([size[c] for c in cs])
        for name, cs in (("m", rows), ("k", summed), ("n", columns))
    }
    lead = tuple([size[c] for c in batch])
    a, b = _one_dtype(a, b)
    if not summed:
        left = shaped(a, s, batch + rows, (*lead, count["m"], 1))
        right = shaped(b, t, batch + columns, (*lead, 1, count["n"]))
        product = mul(left, right)
    else:
        left = shaped(a, s, batch + rows + summed, (*lead, count["m"], count["k"]))
        right = shaped(b, t, batch + summed + columns, (*lead, count["k"], count["n"]))
        product = bind(_MATMUL, (left, right), {})
    letters = batch + rows + columns
    shape = tuple([size[c] for c in letters])
    return bind(_RESHAPE, (product,), {"shape": shape}), "".join(letters)


def _one_dtype(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    dtype = promotion.result_type(a, b)
    return promotion.cast(a, dtype), promotion.cast(b, dtype)

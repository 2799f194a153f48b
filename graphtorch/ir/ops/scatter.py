"""Adding at repeated indices with NumPy, fast enough for an embedding's gradient.

`np.add.at` works element by element.  Adding whole rows sorts the indices once and sums runs of
equal ones, so it costs two passes over the rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernels import Array


def add_rows(y: Array, index: Array, v: Array) -> None:
    """y[index[i]] += v[i] for every i, in place; rows of one target are summed first."""
    if not index.size or not y.size:
        return
    order = np.argsort(index, kind="stable")
    rows = index[order]
    first = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))
    y[rows[first]] += np.add.reduceat(v[order], first, axis=0, dtype=y.dtype)


def add_at(y: Array, key: tuple[Any, ...], v: Array) -> None:
    """y[key] += v with repeated indices adding up, in place."""
    np.add.at(y, key, v)

"""Adding at repeated indices with NumPy, fast enough for an embedding's gradient.

`np.add.at` works element by element; adding whole rows sorts the indices once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernels import Array


def add_rows(y: Array, index: Array, v: Array) -> None:
    """y[index[i]] += v[i] for every i, in place; the order of additions depends on `index` alone.

    Rows are grouped by their target.  Few targets: each group is summed at once.  Many targets: the
    k-th members of all groups are added together, k by k.
    """
    if not index.size or not y.size:
        return
    order = np.argsort(index, kind="stable")
    targets = index[order]
    first = np.flatnonzero(np.concatenate(([True], targets[1:] != targets[:-1])))
    ends = np.append(first[1:], index.size)
    longest = int((ends - first).max())
    if len(first) <= 4 * longest:
        for start, end in zip(first.tolist(), ends.tolist(), strict=True):
            y[targets[start]] += np.add.reduce(v[order[start:end]], axis=0)
        return
    for k in range(longest):
        members = first[ends - first > k] + k
        y[targets[members]] += v[order[members]]


def add_at(y: Array, key: tuple[Any, ...], v: Array) -> None:
    """y[key] += v with repeated indices adding up, in place."""
    np.add.at(y, key, v)

"""Lists of samples to batches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

import graphtorch as torch

from ...frontend.tensor import Tensor

_MESSAGE = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def _rebuilt_mapping(value: Mapping, fields: dict) -> Any:
    """A mapping like `value` with other values."""
    try:
        if isinstance(value, MutableMapping):
            result = copy.copy(value)
            result.update(fields)
            return result
        return type(value)(fields)  # type: ignore[call-arg]
    except TypeError:
        return fields


def _rebuilt_sequence(value: Sequence, items: list) -> Any:
    """A sequence like `value` with other items; tuples become lists, as in PyTorch."""
    if isinstance(value, tuple):
        return type(value)(*items) if hasattr(value, "_fields") else items
    try:
        if isinstance(value, MutableSequence):
            result = copy.copy(value)
            for i, item in enumerate(items):
                result[i] = item
            return result
        return type(value)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def default_convert(data: Any) -> Any:
    """Turn NumPy arrays inside a sample into tensors."""
    if isinstance(data, Tensor | str | bytes):
        return data
    if isinstance(data, np.ndarray | np.generic):
        return data if data.dtype.kind in "SaUO" else torch.as_tensor(data)
    if isinstance(data, Mapping):
        return _rebuilt_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, Sequence):
        return _rebuilt_sequence(data, [default_convert(item) for item in data])
    return data


def collate(batch: Sequence[Any], *, collate_fn_map: dict[Any, Callable] | None = None) -> Any:
    """Batch samples element by element; leaves by the functions in `collate_fn_map`."""
    first = batch[0]
    if collate_fn_map is not None:
        function = collate_fn_map.get(type(first))
        if function is None:
            matches = (f for kind, f in collate_fn_map.items() if isinstance(first, kind))
            function = next(matches, None)
        if function is not None:
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        fields = {
            key: collate([d[key] for d in batch], collate_fn_map=collate_fn_map) for key in first
        }
        return _rebuilt_mapping(first, fields)
    if isinstance(first, Sequence):
        named = isinstance(first, tuple) and hasattr(first, "_fields")
        if not named and any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = zip(*batch, strict=False)
        return _rebuilt_sequence(
            first, [collate(column, collate_fn_map=collate_fn_map) for column in columns]
        )
    raise TypeError(_MESSAGE.format(type(first)))


def _tensors(batch: Sequence[Tensor], **_: Any) -> Tensor:
    return torch.stack(list(batch), 0)


def _arrays(batch: Sequence[np.ndarray], **_: Any) -> Tensor:
    if batch[0].dtype.kind in "SaUO":
        raise TypeError(_MESSAGE.format(batch[0].dtype))
    return torch.stack([torch.as_tensor(array) for array in batch], 0)


def _numpy_scalars(batch: Sequence[Any], **_: Any) -> Tensor:
    return torch.as_tensor(np.array(batch))


def _floats(batch: Sequence[float], **_: Any) -> Tensor:
    return torch.tensor(batch, dtype=torch.float64)


def _integers(batch: Sequence[int], **_: Any) -> Tensor:
    return torch.tensor(batch)


def _kept(batch: Sequence[Any], **_: Any) -> Any:
    return batch


default_collate_fn_map: dict[Any, Callable] = {
    Tensor: _tensors,
    np.ndarray: _arrays,
    (np.bool_, np.number, np.object_): _numpy_scalars,
    float: _floats,
    int: _integers,
    str: _kept,
    bytes: _kept,
}


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack tensors, arrays and numbers; keep strings; go through lists, tuples and dicts.

    >>> default_collate([(1, 2.0), (3, 4.0)])
    [tensor([1, 3]), tensor([2., 4.], dtype=torch.float64)]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)

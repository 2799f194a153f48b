"""The safetensors format (https://github.com/huggingface/safetensors), in plain Python.

    8 bytes        length n of the header, little-endian
    n bytes        JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
    the rest       the tensors' bytes, row-major, one after the other without gaps

A file holds nothing but names and numbers; every offset is checked before memory is touched.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..frontend.tensor import Tensor, wrap
from ..ir.types import BY_NAME, DType

_NAMES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL", "complex64": "C64",
    "uint16": "U16", "uint32": "U32", "uint64": "U64", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
}  # fmt: skip
_DTYPES: dict[str, DType] = {short: BY_NAME[name] for name, short in _NAMES.items()}
_LARGEST_HEADER = 100_000_000


class SafetensorError(Exception):
    """A file that does not follow the format."""


def _entry(name: str, entry: Any, size: int) -> tuple[DType, tuple[int, ...], int, int]:
    """dtype, shape and place of one tensor, checked."""
    try:
        dtype, shape, (start, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (TypeError, KeyError, ValueError) as error:
        raise SafetensorError(f"invalid header: {name!r} is described by {entry!r}") from error
    if dtype not in _DTYPES:
        raise SafetensorError(f"invalid header: {name!r} has the unknown dtype {dtype!r}")
    numbers = (*shape, start, stop) if isinstance(shape, list) else (None,)
    if any(type(n) is not int or n < 0 for n in numbers):
        raise SafetensorError(f"invalid header: {name!r} is described by {entry!r}")
    if start > stop or stop > size or math.prod(shape) * _DTYPES[dtype].itemsize != stop - start:
        raise SafetensorError(
            f"invalid header: {name!r} {dtype}{shape} does not fit bytes {start} to {stop} of {size}"
        )
    return _DTYPES[dtype], tuple(shape), start, stop


def _header(data: Any) -> tuple[dict[str, Any], dict[str, str], int]:
    """Entries, metadata and the offset of the data."""
    if len(data) < 8:
        raise SafetensorError("header too small")
    length = struct.unpack("<Q", bytes(data[:8]))[0]
    if length > _LARGEST_HEADER or 8 + length > len(data):
        raise SafetensorError(f"invalid header length {length}")
    try:
        header = json.loads(bytes(data[8 : 8 + length]).decode("utf-8"))
    except ValueError as error:
        raise SafetensorError(f"invalid header: {error}") from error
    if not isinstance(header, dict):
        raise SafetensorError("invalid header: not an object")
    metadata = header.pop("__metadata__", None) or {}
    return header, metadata, 8 + length


class safe_open:
    """A file whose tensors are read one by one; a context manager.

    >>> with safe_open("model.safetensors", framework="pt") as f:  # doctest: +SKIP
    ...     f.get_tensor("weight")
    """

    def __init__(self, filename: Any, framework: str = "pt", device: Any = "cpu"):
        size = os.path.getsize(filename)
        self._data: Any = np.memmap(filename, np.uint8, "r") if size else np.empty(0, np.uint8)
        self._device = device
        header, self._metadata, start = _header(self._data)
        rest = len(self._data) - start
        self._start = start
        self._entries = {name: _entry(name, entry, rest) for name, entry in header.items()}
        places = sorted((a, b) for _, _, a, b in self._entries.values())
        end = 0
        for a, b in places:
            if a != end:
                raise SafetensorError("invalid header: the tensors overlap or leave gaps")
            end = b
        if end != rest:
            raise SafetensorError(f"the file has {rest} bytes of data, its header describes {end}")

    def __enter__(self) -> safe_open:
        return self

    def __exit__(self, *error: Any) -> None:
        self._data = None

    def keys(self) -> list[str]:
        """Names of the tensors."""
        return list(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def metadata(self) -> dict[str, str] | None:
        """What else was saved as text."""
        return self._metadata or None

    def get_tensor(self, name: str) -> Tensor:
        """One tensor, copied out of the file; raises SafetensorError for an unknown name."""
        if name not in self._entries:
            raise SafetensorError(f"File does not contain tensor {name}")
        dtype, shape, start, stop = self._entries[name]
        data = self._data[self._start + start : self._start + stop]
        array = np.empty(shape, dtype.numpy)
        array.reshape(-1).view(np.uint8)[...] = data
        tensor = wrap(array)
        return tensor if str(self._device) == "cpu" else tensor.to(self._device)


def load_file(filename: Any, device: Any = "cpu") -> dict[str, Tensor]:
    """All tensors of a file by name."""
    with safe_open(filename, device=device) as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def load(data: bytes) -> dict[str, Tensor]:
    """All tensors in some bytes by name."""
    header, _, start = _header(data)
    rest = np.frombuffer(data, np.uint8)[start:]
    found = {}
    for name, entry in header.items():
        dtype, shape, a, b = _entry(name, entry, len(rest))
        array = np.empty(shape, dtype.numpy)
        array.reshape(-1).view(np.uint8)[...] = rest[a:b]
        found[name] = wrap(array)
    return found


def _pieces(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None) -> Iterator[Any]:
    """Header and data in the order of the file: wide dtypes first, then by name."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise ValueError(
                f"Key `{name}` is invalid, expected torch.Tensor but received {type(tensor)}"
            )
        if tensor.dtype.name not in _NAMES:
            raise ValueError(
                f"Key `{name}` has the dtype {tensor.dtype}, which the format does not know"
            )
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    end = 0
    for name in order:
        tensor = tensors[name]
        start, end = end, end + tensor.numel() * tensor.dtype.itemsize
        header[name] = {
            "dtype": _NAMES[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    yield struct.pack("<Q", len(text)) + text
    for name in order:
        array = np.ascontiguousarray(tensors[name].detach().cpu()._array)
        yield array.reshape(-1).view(np.uint8).data


def save(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a file."""
    return b"".join(_pieces(tensors, metadata))


def save_file(
    tensors: Mapping[str, Tensor], filename: Any, metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors by name; the file appears only when it is complete."""
    temporary = f"{os.fspath(filename)}.{os.getpid()}.part"
    try:
        with open(temporary, "wb") as file:
            for piece in _pieces(tensors, metadata):
                file.write(piece)
        os.replace(temporary, filename)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def save_model(model: Any, filename: Any, metadata: Mapping[str, str] | None = None) -> None:
    """Write a module's state; tensors that share memory are written once."""
    seen: dict[tuple, str] = {}
    unique = {}
    aliases = dict(metadata or {})
    for name, tensor in model.state_dict().items():
        key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if tensor.numel() and key in seen:
            aliases[name] = seen[key]
        else:
            seen[key] = name
            unique[name] = tensor
    save_file(unique, filename, aliases or None)


def load_model(
    model: Any, filename: Any, strict: bool = True, device: Any = "cpu"
) -> tuple[set[str], list[str]]:
    """Load a module's state; returns missing and unexpected names."""
    with safe_open(filename, device=device) as file:
        state = {name: file.get_tensor(name) for name in file.keys()}
        own = model.state_dict()
        for alias, name in (file.metadata() or {}).items():
            if alias in own and alias not in state and name in state:
                state[alias] = state[name]
    result = model.load_state_dict(state, strict=strict)
    return set(result.missing_keys), list(result.unexpected_keys)

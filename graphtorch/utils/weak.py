"""`torch.utils.weak`: dictionaries that hold their keys weakly and compare them by identity.

>>> from graphtorch.utils.weak import WeakIdKeyDictionary
>>> class Key:
...     pass
>>> kept, d = Key(), WeakIdKeyDictionary()
>>> d[kept] = 1
>>> d[Key()] = 2
>>> len(d), d[kept]
(1, 1)
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, MutableMapping
from typing import Any

from .. import absent


class WeakIdRef(weakref.ref):
    """A weak reference that compares by identity."""

    __slots__ = ("_id",)

    def __init__(self, key: Any, callback: Any = None):
        super().__init__(key, callback)
        self._id = id(key)

    def __hash__(self) -> int:
        return self._id

    def __eq__(self, other: object) -> bool:
        mine, its = self(), other() if isinstance(other, weakref.ref) else None
        return self is other or (mine is not None and mine is its)


class WeakIdKeyDictionary(MutableMapping):
    """A dictionary whose entries go when their key does; keys compare by identity."""

    def __init__(self, dict: Any = None, ref_type: Any = WeakIdRef):
        self.data: Any = {}
        self.ref_type = ref_type
        if dict is not None:
            self.update(dict)

    def _forget(self, reference: Any) -> None:
        self.data.pop(reference, None)

    def __getitem__(self, key: Any) -> Any:
        return self.data[self.ref_type(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.data[self.ref_type(key, self._forget)] = value

    def __delitem__(self, key: Any) -> None:
        del self.data[self.ref_type(key)]

    def __contains__(self, key: Any) -> bool:
        try:
            return self.ref_type(key) in self.data
        except TypeError:
            return False

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        for reference in list(self.data):
            key = reference()
            if key is not None:
                yield key

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)}>"


class WeakTensorKeyDictionary(WeakIdKeyDictionary):
    """`WeakIdKeyDictionary` with tensors as keys."""


__getattr__ = absent.names_of(__name__)

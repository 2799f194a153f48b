"""Lists and dicts that refuse to change: a node's operands are changed by assigning new ones."""

from __future__ import annotations

from typing import Any, NoReturn

_HINT = (
    ". If you are attempting to modify the kwargs or args of a torch.fx.Node object, instead create a new copy"
    " of it and assign the copy to the node:\n    new_args = ... # copy and mutate args\n"
    "    node.args = new_args\n"
)


def _refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise TypeError(f"'{type(self).__name__}' object does not support mutation{_HINT}")


class immutable_list(list):
    """A list that raises when it is changed."""

    append = clear = extend = insert = pop = remove = reverse = sort = _refuse  # type: ignore[assignment]
    __delitem__ = __iadd__ = __imul__ = __setitem__ = _refuse  # type: ignore[assignment]

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> tuple:
        return immutable_list, (tuple(self),)


class immutable_dict(dict):
    """A dict that raises when it is changed."""

    clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]
    __delitem__ = __ior__ = __setitem__ = _refuse  # type: ignore[assignment]

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self.items()))

    def __reduce__(self) -> tuple:
        return immutable_dict, (dict(self),)
